//! Deployments, Services, and what keeps replicas at work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::config::listen;
use super::{BASE, Objects, SERVICES, SETS, Service, files, list, overlay, root, text, texts};
use crate::descriptors::POOL;

const KINDS: [&str; 9] =
    ["namespace", "service", "deployment", "configmap", "secret", "networkpolicy", "hpa", "serviceaccount", "pdb"];
/// How long workers may take at a stop (`Lifecycle::stop`).
const WORKERS: Duration = Duration::from_secs(10);

#[test]
fn each_service_has_its_nine_files_and_namespaces_come_first() {
    let files = files(&root().join("k8s/microservices"));
    let expected = SERVICES.iter().flat_map(|s| KINDS.map(|kind| format!("{}-{kind}.yaml", s.full())));
    let expected: BTreeSet<String> = expected.chain(["00-namespaces.yaml".to_owned()]).collect();
    assert_eq!(files.keys().cloned().collect::<BTreeSet<_>>(), expected);
    // kubectl takes them by their names.
    assert_eq!(files.keys().next().map(String::as_str), Some("00-namespaces.yaml"));
    let all = Objects::parse(&files["00-namespaces.yaml"]).0;
    let each: Vec<Value> =
        SERVICES.iter().flat_map(|s| Objects::parse(&files[&format!("{}-namespace.yaml", s.full())]).0).collect();
    assert_eq!(all, each, "00-namespaces.yaml is not what the three files say");
    for (name, text) in &files {
        for object in Objects::parse(text).0 {
            let namespaced = object["kind"] != "Namespace";
            let service = SERVICES.iter().find(|s| name.starts_with(s.name));
            if let (true, Some(service)) = (namespaced, service) {
                assert_eq!(object["metadata"]["namespace"], service.namespace(), "{name}");
            }
        }
    }
    // The overlays take the same files.
    let listed = std::fs::read_to_string(root().join("k8s/microservices/Kustomization")).expect("readable");
    let listed: BTreeSet<String> =
        listed.lines().filter_map(|line| line.strip_prefix("  - ")).map(str::to_owned).collect();
    assert_eq!(listed, expected.into_iter().filter(|name| name != "00-namespaces.yaml").collect());
}

#[test]
fn everything_says_what_it_is() {
    for (set, objects) in SETS.iter() {
        for object in &objects.0 {
            let labels = texts(&object["metadata"]["labels"]);
            let is_nova = labels.get("app.kubernetes.io/part-of").is_some_and(|part| part == "nova");
            assert!(is_nova, "{set}: {} {}", object["kind"], object["metadata"]["name"]);
            let strimzi = text(&object["apiVersion"]).starts_with("kafka.strimzi.io");
            for label in ["name", "component"] {
                let has = labels.contains_key(&format!("app.kubernetes.io/{label}"));
                assert!(has || strimzi, "{set}: {} {} has no {label}", object["kind"], object["metadata"]["name"]);
            }
        }
    }
}

fn pod(objects: &Objects, service: Service) -> Value {
    objects.own("Deployment", service)["spec"]["template"]["spec"].clone()
}

#[test]
fn ports_and_probes_are_the_codes() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let listen = listen(objects, service);
            let ops = listen.ops.expect("a port for the platform");
            assert!(
                listen.host.is_unspecified() && ops.ip().is_unspecified(),
                "{set}: others can't reach {}",
                service.full()
            );
            let ports = [("http", listen.http_port), ("grpc", listen.grpc_port), ("ops", ops.port())];
            let ports: BTreeMap<&str, u64> = ports.map(|(name, port)| (name, u64::from(port))).into();

            let container = &pod(objects, service)["containers"][0];
            let named = |ports: &Value, key: &str| -> BTreeMap<String, u64> {
                list(ports).iter().map(|p| (text(&p["name"]).to_owned(), p[key].as_u64().expect("a port"))).collect()
            };
            let own: BTreeMap<String, u64> = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
            assert_eq!(named(&container["ports"], "containerPort"), own, "{set}");

            for (name, shown) in [(service.full(), 2), (format!("{}-headless", service.full()), 3)] {
                let spec = &objects.get("Service", &name)["spec"];
                let served = named(&spec["ports"], "port");
                assert_eq!(served.len(), shown, "{set}: {name} shows {served:?}");
                assert!(served.iter().all(|(name, port)| own.get(name) == Some(port)), "{set}: {name} {served:?}");
                for port in list(&spec["ports"]) {
                    assert_eq!(port["targetPort"], port["name"], "{set}: {name}");
                }
                assert_eq!(texts(&spec["selector"]), [("app.kubernetes.io/name".to_owned(), service.full())].into());
            }
            assert_eq!(objects.get("Service", &format!("{}-headless", service.full()))["spec"]["clusterIP"], "None");
            let kind = if *set == "microservices" { "LoadBalancer" } else { "ClusterIP" };
            assert_eq!(objects.own("Service", service)["spec"]["type"], kind, "{set}");

            assert!(POOL.get_service_by_name(service.grpc).is_some(), "{} is no service", service.grpc);
            for probe in ["startupProbe", "readinessProbe"] {
                let expected = json!({"port": ports["ops"], "service": service.grpc});
                assert_eq!(container[probe]["grpc"], expected, "{set}: {probe}");
            }
            assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/livez", "port": "ops"}), "{set}");
            let annotations = texts(&objects.own("Deployment", service)["spec"]["template"]["metadata"]["annotations"]);
            assert_eq!(annotations["prometheus.io/port"], ports["ops"].to_string(), "{set}");
            assert_eq!(annotations["prometheus.io/path"], "/metrics", "{set}");
        }
    }
}

#[test]
fn a_pod_has_time_to_end() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let (listen, pod) = (listen(objects, service), pod(objects, service));
            let has = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
            let needs = listen.drain_delay + listen.shutdown_grace + WORKERS;
            assert!(has > needs, "{set}: {} has {has:?} and needs {needs:?}", service.full());
            assert!(!listen.drain_delay.is_zero(), "{set}: nobody would learn that {} drains", service.full());
        }
    }
}

#[test]
fn replicas_start_before_others_end_and_migrate_before_they_serve() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let spec = &objects.own("Deployment", service)["spec"];
            let least = if *set == "staging" { 2 } else { 3 };
            // In the overlays the autoscaler alone says how many: a number would come back at every apply.
            let scaler = &objects.own("HorizontalPodAutoscaler", service)["spec"];
            assert_eq!(scaler["minReplicas"], least, "{set}");
            let written = if *set == "microservices" { json!(least) } else { Value::Null };
            assert_eq!(spec["replicas"], written, "{set}");
            let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
            assert_eq!(spec["strategy"], rolling, "{set}");
            let (labels, selector) =
                (texts(&spec["template"]["metadata"]["labels"]), texts(&spec["selector"]["matchLabels"]));
            assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{set}: {selector:?}");

            let pod = pod(objects, service);
            let (first, then) = (&pod["initContainers"][0], &pod["containers"][0]);
            assert_eq!(
                (&first["args"], &then["args"]),
                (&json!(["migrate"]), &json!(["serve", "--no-migrate"])),
                "{set}"
            );
            for key in ["image", "envFrom", "volumeMounts", "securityContext"] {
                assert_eq!(first[key], then[key], "{set}: both are the same program with the same configuration");
            }
            let from = json!([{"configMapRef": {"name": service.full()}}, {"secretRef": {"name": service.full()}}]);
            assert_eq!(then["envFrom"], from, "{set}");

            let zone = &pod["topologySpreadConstraints"][0];
            assert_eq!(zone["topologyKey"], "topology.kubernetes.io/zone", "{set}");
            let strict = set.starts_with("production");
            assert_eq!(zone["whenUnsatisfiable"], if strict { "DoNotSchedule" } else { "ScheduleAnyway" }, "{set}");
            assert_eq!(texts(&zone["labelSelector"]["matchLabels"]), selector, "{set}");

            let pdb = &objects.own("PodDisruptionBudget", service)["spec"];
            assert_eq!(
                (&pdb["minAvailable"], texts(&pdb["selector"]["matchLabels"])),
                (&json!(least - 1), selector),
                "{set}"
            );
        }
    }
}

/// A zone that is lost takes one broker, and one replica of each partition.
#[test]
fn brokers_are_one_to_a_zone() {
    for name in ["production", "production-ingress"] {
        let objects = overlay(name);
        let pool = &objects.get("KafkaNodePool", "nova");
        let constraint = &pool["spec"]["template"]["pod"]["topologySpreadConstraints"][0];
        let labels = json!({"strimzi.io/cluster": pool["metadata"]["labels"]["strimzi.io/cluster"],
            "strimzi.io/pool-name": pool["metadata"]["name"]});
        let expected = json!({"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": labels}});
        assert_eq!(*constraint, expected, "{name}");
        let kafka = &objects.get("Kafka", "nova")["spec"]["kafka"];
        assert_eq!(kafka["rack"]["topologyKey"], constraint["topologyKey"], "{name}");
    }
}

#[test]
fn replicas_follow_the_work() {
    for service in SERVICES {
        let spec = &BASE.own("HorizontalPodAutoscaler", service)["spec"];
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": service.full()});
        assert_eq!(
            (&spec["scaleTargetRef"], &spec["minReplicas"], &spec["maxReplicas"]),
            (&target, &json!(3), &json!(10))
        );
        let metrics: BTreeMap<&str, u64> = list(&spec["metrics"])
            .iter()
            .map(|m| {
                (text(&m["resource"]["name"]), m["resource"]["target"]["averageUtilization"].as_u64().expect("percent"))
            })
            .collect();
        assert_eq!(metrics, [("cpu", 70), ("memory", 80)].into());
        let period = |way: &str| -> BTreeSet<u64> {
            list(&spec["behavior"][way]["policies"])
                .iter()
                .filter_map(|policy| policy["periodSeconds"].as_u64())
                .collect()
        };
        assert_eq!((period("scaleUp"), period("scaleDown")), ([15].into(), [60].into()));
        assert_eq!(spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"], 0);
    }
}

/// Every pod of Nova's own, in every set.
fn pods(objects: &Objects) -> impl Iterator<Item = (&Value, &Value)> {
    let kinds = ["Deployment", "StatefulSet", "CronJob"].into_iter().flat_map(|kind| objects.of(kind));
    kinds.map(|object| {
        let spec = if object["kind"] == "CronJob" { &object["spec"]["jobTemplate"]["spec"] } else { &object["spec"] };
        (object, &spec["template"]["spec"])
    })
}

#[test]
fn pods_can_do_no_more_than_they_must() {
    let dev = ("dev", overlay("dev"));
    for (set, objects) in SETS.iter().chain([&dev]) {
        let mut seen = 0;
        for (object, pod) in pods(objects) {
            let name = format!("{set}: {}", object["metadata"]["name"]);
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], true, "{name}");
            assert!(context["runAsUser"].as_u64().is_some_and(|user| user > 0), "{name}");
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            for key in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
                assert!(pod[key].is_null(), "{name}: {key}");
            }
            for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
                seen += 1;
                let context = &container["securityContext"];
                let expected = json!({
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
                });
                assert_eq!(*context, expected, "{name}");
                assert!(
                    !text(&container["image"]).ends_with(":latest") && text(&container["image"]).contains(':'),
                    "{name}"
                );
            }
        }
        assert!(seen > 0, "{set} has no containers");
        // Nothing asks the Kubernetes API: there is nothing that may be read there.
        for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"] {
            assert!(objects.of(kind).is_empty(), "{set} has a {kind}");
        }
        for account in objects.of("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{set}");
        }
    }
    let wanted = json!({"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1000m", "memory": "512Mi"}});
    for service in SERVICES {
        assert_eq!(pod(&BASE, service)["containers"][0]["resources"], wanted);
        assert_eq!(pod(&BASE, service)["serviceAccountName"], service.full());
    }
}

#[test]
fn one_process_in_one_namespace_needs_nothing_filled_in() {
    let dev = overlay("dev");
    let namespaces: BTreeSet<&str> = dev
        .0
        .iter()
        .map(|object| match object["kind"].as_str() {
            Some("Namespace") => text(&object["metadata"]["name"]),
            _ => text(&object["metadata"]["namespace"]),
        })
        .collect();
    assert_eq!(namespaces, ["nova-dev"].into());
    assert!(dev.of("Secret").is_empty() && dev.of("StatefulSet").len() == 1);
    let container = &dev.get("StatefulSet", "nova")["spec"]["template"]["spec"]["containers"][0];
    let environment: BTreeMap<&str, &str> =
        list(&container["env"]).iter().map(|entry| (text(&entry["name"]), text(&entry["value"]))).collect();
    // It listens within the pod, where secrets may be made up; only probes and metrics are reached from outside.
    assert!(environment.keys().all(|key| !key.contains("HOST")), "{environment:?}");
    let ops: std::net::SocketAddr = environment["NOVA_FRONT_DOOR__OPS"].parse().expect("an address");
    assert_eq!(container["readinessProbe"]["grpc"]["port"], ops.port());
    let inside = list(&container["volumeMounts"]).iter().find(|mount| mount["name"] == "data").expect("a volume");
    assert!(environment["NOVA_DATA_DIR"].starts_with(text(&inside["mountPath"])), "{environment:?}");
}
