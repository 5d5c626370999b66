//! What Prometheus is told to scrape is there, and comes under the name that rules and dashboards know.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{BASE, Objects, SERVICES, list, overlay, root, text, texts};

/// The name that the rules know Nova by, which they must.
fn job() -> &'static str {
    let rules = std::fs::read_to_string(root().join("deploy/prometheus/rules/nova.yml")).expect("readable");
    assert!(rules.contains(r#"up{job="nova"}"#), "the rules know Nova by another name");
    "nova"
}

#[test]
fn every_pod_is_scraped_on_the_platforms_port_as_the_job_that_the_rules_know() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        assert_eq!(objects.of("PodMonitor").len(), SERVICES.len(), "{name}");
        for service in SERVICES {
            let spec = &objects.own("PodMonitor", service)["spec"];
            let template = &objects.own("Deployment", service)["spec"]["template"];
            let (labels, selected) = (texts(&template["metadata"]["labels"]), texts(&spec["selector"]["matchLabels"]));
            assert!(!selected.is_empty() && selected.iter().all(|(k, v)| labels.get(k) == Some(v)), "{name}");
            let [endpoint] = list(&spec["podMetricsEndpoints"]) else { panic!("{name}: not one endpoint") };
            let ports = list(&template["spec"]["containers"][0]["ports"]);
            let port = ports.iter().find(|port| port["name"] == endpoint["port"]).expect("a port of the pod");
            let annotations = texts(&template["metadata"]["annotations"]);
            assert_eq!(port["containerPort"].to_string(), annotations["prometheus.io/port"], "{name}");
            assert_eq!(endpoint["path"], annotations["prometheus.io/path"], "{name}");
            assert_eq!((&endpoint["scheme"], &endpoint["honorLabels"]), (&json!("http"), &json!(true)), "{name}");
            assert_eq!(endpoint["relabelings"], json!([{"targetLabel": "job", "replacement": job()}]), "{name}");
        }
    }
}

#[test]
fn the_job_of_the_docs_finds_the_same_pods() {
    let docs = std::fs::read_to_string(root().join("docs/MONITORING.md")).expect("readable");
    let blocks = docs.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let found: Vec<Value> = blocks.flat_map(|(block, _)| Objects::parse(block).0).collect();
    let [config] = found.as_slice() else { panic!("{} blocks of YAML", found.len()) };
    let job_of_docs = &config["scrape_configs"][0];
    assert_eq!((text(&job_of_docs["job_name"]), &job_of_docs["honor_labels"]), (job(), &json!(true)));
    let discovery = &job_of_docs["kubernetes_sd_configs"][0];
    let namespaces: BTreeSet<&str> = list(&discovery["namespaces"]["names"]).iter().map(text).collect();
    let own: Vec<String> = SERVICES.iter().map(|service| service.namespace()).collect();
    assert_eq!(namespaces, own.iter().map(String::as_str).collect());
    let kept = &job_of_docs["relabel_configs"][0];
    assert_eq!(kept["source_labels"], json!(["__meta_kubernetes_pod_container_port_name"]));
    for service in SERVICES {
        let ports = &BASE.own("Deployment", service)["spec"]["template"]["spec"]["containers"][0]["ports"];
        assert_eq!(list(ports).iter().filter(|port| port["name"] == kept["regex"]).count(), 1);
    }
}
