//! `nova` itself in production: its configuration is whole, it comes to the data and to nothing else, and what it does over the bus it may.

use std::collections::{BTreeMap, BTreeSet};

use chassis::config::{Log, ServiceConfig, Source};
use serde_json::{Value, json};

use super::config::{Missing, environment, filled_in};
use super::{Objects, SERVICES, list, overlay, root, text, texts};

const NAME: &str = "nova-admin";

/// What `nova` is told, filled in.
fn told(objects: &Objects) -> BTreeMap<String, String> {
    let mut told = texts(&objects.get("ConfigMap", NAME)["data"]);
    let secrets = texts(&objects.get("ExternalSecret", NAME)["spec"]["target"]["template"]["data"]);
    told.extend(secrets.into_iter().map(|(key, value)| {
        let value = filled_in(&key, &value);
        (key, value)
    }));
    told
}

/// The templates of its pods: to work in, and for backups.
fn templates(objects: &Objects) -> [&Value; 2] {
    let backup = &objects.get("CronJob", "nova-backup")["spec"]["jobTemplate"]["spec"]["template"];
    [&objects.get("Deployment", NAME)["spec"]["template"], backup]
}

fn read<C: ServiceConfig>(source: &Source, faults: &mut Vec<String>, missing: &mut Missing) -> C {
    let mut found = vec![];
    let mut config: C = source.section(C::SECTION, &mut found);
    config.fill_secrets(missing);
    // The image speaks TLS to Kafka, this build need not.
    found.retain(|fault| !fault.problem.contains("--features kafka-tls"));
    faults.extend(found.into_iter().map(|fault| fault.key));
    config
}

#[test]
fn its_configuration_is_whole_and_the_services_own() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let told = told(&objects);
        let source = Source::from_parts("", "", told.clone()).expect("no file");
        let mut unknown = source.unknown_sections(&["log", "front_door", "auth", "user", "messaging"]);
        let _: Log = source.section("log", &mut unknown);
        let mut faults: Vec<String> = unknown.into_iter().map(|fault| fault.key).collect();
        let mut missing = Missing::default();
        let auth: auth_service::Config = read(&source, &mut faults, &mut missing);
        let user: user_service::Config = read(&source, &mut faults, &mut missing);
        let messaging: messaging_service::Config = read(&source, &mut faults, &mut missing);
        assert_eq!(faults, [""; 0], "{name}");
        // Made up, since nobody listens to it: what services know each other by. Never a master key.
        assert!(!missing.0.iter().any(|key| key.contains("master_key")), "{name}: {:?}", missing.0);
        assert!(
            auth.listen.host.is_loopback() && user.listen.host.is_loopback() && messaging.listen.host.is_loopback()
        );
        // It sees what the services see.
        let services: BTreeMap<String, String> =
            SERVICES.into_iter().flat_map(|service| environment(&objects, service)).collect();
        let same = told.iter().filter(|(key, _)| key.ends_with("__URL") || key.ends_with("__BROKERS"));
        let same: Vec<_> =
            same.inspect(|(key, value)| assert_eq!(services.get(*key), Some(*value), "{name}")).collect();
        assert_eq!(same.len(), 4 + 3, "{name}: databases and brokers");
        let remote = |secret: &str, key: &str| {
            let spec = &objects.get("ExternalSecret", secret)["spec"];
            let template = text(&spec["target"]["template"]["data"][key]).to_owned();
            list(&spec["data"])
                .iter()
                .filter(|entry| template.contains(&format!("{{{{ .{} }}}}", text(&entry["secretKey"]))))
                .map(|entry| entry["remoteRef"].clone())
                .collect::<Vec<_>>()
        };
        let secrets = texts(&objects.get("ExternalSecret", NAME)["spec"]["target"]["template"]["data"]);
        for key in secrets.keys().filter(|key| !key.contains("KAFKA")) {
            let of = SERVICES.into_iter().find(|service| key.starts_with(&service.prefix())).expect("a service");
            let own = remote(NAME, key);
            assert!(own.len() == 1 && own == remote(&of.full(), key), "{name}: {key} is not the service's own");
        }
    }
}

#[test]
fn its_pods_are_told_so_and_lie_nowhere_by_themselves() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        assert_eq!(objects.get("Deployment", NAME)["spec"]["replicas"], 0, "{name}");
        assert_eq!(objects.get("CronJob", "nova-backup")["spec"]["suspend"], true, "{name}");
        for template in templates(&objects) {
            let container = &template["spec"]["containers"][0];
            assert_eq!(
                container["envFrom"],
                json!([{"configMapRef": {"name": NAME}}, {"secretRef": {"name": NAME}}]),
                "{name}"
            );
            let mounted: BTreeMap<&str, &str> = list(&container["volumeMounts"])
                .iter()
                .map(|mount| (text(&mount["mountPath"]), text(&mount["name"])))
                .collect();
            let told = told(&objects);
            assert!(mounted.keys().any(|path| told["NOVA_DATA_DIR"].starts_with(path)), "{name}: {mounted:?}");
            let folders = list(&container["args"]).iter().map(text).filter(|argument| argument.starts_with('/'));
            let of = |path: &str| mounted.iter().find(|(at, _)| path.starts_with(*at)).map(|(_, volume)| *volume);
            let volumes: Vec<Option<&str>> = folders.map(of).collect();
            // People's keys never lie in the volume of the backups.
            assert!(volumes.is_empty() || volumes == [Some("backups"), Some("keys")], "{name}: {volumes:?}");
            let claims: BTreeSet<&str> = list(&template["spec"]["volumes"])
                .iter()
                .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
                .collect();
            assert_eq!(claims, ["nova-backups", "nova-keys-backup"].into(), "{name}");
            assert!(claims.iter().all(|claim| objects.find("PersistentVolumeClaim", claim).is_some()), "{name}");
        }
    }
}

/// Whether one of the peers is this namespace's pods with these labels, all of which the pod has.
fn admits(peers: &Value, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    list(peers).iter().any(|peer| {
        let wanted = texts(&peer["podSelector"]["matchLabels"]);
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] == namespace
            && !wanted.is_empty()
            && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

#[test]
fn it_comes_to_the_data_and_to_nothing_else() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let policies: Vec<&Value> =
            objects.of("NetworkPolicy").into_iter().filter(|policy| policy["metadata"]["namespace"] == NAME).collect();
        let all = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        assert!(policies.len() == 2 && policies.iter().any(|policy| policy["spec"] == all), "{name}");
        let own = &policies.iter().find(|policy| policy["spec"] != all).expect("one more")["spec"];
        assert!(own["ingress"].is_null(), "{name}");
        let outside = list(&own["egress"]).iter().flat_map(|rule| list(&rule["to"])).filter(|peer| {
            let namespace = &peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
            namespace != "nova-data" && namespace != "kube-system"
        });
        assert_eq!(outside.count(), 0, "{name}");
        for template in templates(&objects) {
            let labels = texts(&template["metadata"]["labels"]);
            let selected = texts(&own["podSelector"]["matchLabels"]);
            assert!(selected.iter().all(|(key, value)| labels.get(key) == Some(value)), "{name}");
            for (policy, port, pods) in [
                ("nova-postgres", 5432, json!({"cnpg.io/cluster": "nova"})),
                ("nova-keys-postgres", 5432, json!({"cnpg.io/cluster": "nova-keys"})),
            ] {
                let rules = list(&objects.get("NetworkPolicy", policy)["spec"]["ingress"]).iter();
                let mut rules = rules.filter(|rule| list(&rule["ports"]).iter().any(|p| p["port"] == port));
                assert!(rules.any(|rule| admits(&rule["from"], NAME, &labels)), "{name}: {policy} keeps it out");
                let mut out = list(&own["egress"]).iter().filter(|rule| rule["ports"][0]["port"] == port);
                assert!(out.any(|rule| admits(&rule["to"], "nova-data", &texts(&pods))), "{name}: not out to {policy}");
            }
            let listener = &objects.get("Kafka", "nova")["spec"]["kafka"]["listeners"][0];
            assert!(admits(&listener["networkPolicyPeers"], NAME, &labels), "{name}: Kafka keeps it out");
            let brokers = texts(&json!({"strimzi.io/cluster": "nova", "strimzi.io/name": "nova-kafka"}));
            let mut out = list(&own["egress"]).iter().filter(|rule| rule["ports"][0]["port"] == listener["port"]);
            assert!(out.any(|rule| admits(&rule["to"], "nova-data", &brokers)), "{name}: not out to Kafka");
        }
    }
}

#[test]
fn it_reads_the_bus_as_its_own_user_and_writes_nothing() {
    let code = std::fs::read_to_string(root().join("backend/nova/src/bus.rs")).expect("a source");
    assert!(code.contains("let section = &config.user.events;"), "which section is the bus's?");
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let told = told(&objects);
        assert_eq!(told["NOVA_USER__EVENTS__KAFKA__PROPERTIES__SASL.USERNAME"], NAME, "{name}");
        let user = &objects.get("KafkaUser", NAME)["spec"];
        let password = &user["authentication"]["password"]["valueFrom"]["secretKeyRef"]["name"];
        let (checked, shown) =
            (&objects.get("ExternalSecret", text(password))["spec"], &objects.get("ExternalSecret", NAME)["spec"]);
        let shown = list(&shown["data"]).iter().find(|entry| entry["secretKey"] == "kafka").expect("a password");
        assert_eq!(checked["data"][0]["remoteRef"], shown["remoteRef"], "{name}");
        let may: BTreeSet<(&str, &str, &str)> = list(&user["authorization"]["acls"])
            .iter()
            .flat_map(|acl| {
                let resource = &acl["resource"];
                assert_eq!(resource["patternType"], "prefix", "{name}");
                list(&acl["operations"])
                    .iter()
                    .map(|operation| (text(&resource["type"]), text(&resource["name"]), text(operation)))
            })
            .collect();
        let mut wanted = BTreeSet::from([("topic", "nova.", "Read"), ("topic", "nova.", "Describe")]);
        wanted.extend(["auth.", "user.", "messaging."].map(|group| ("group", group, "Read")));
        assert_eq!(may, wanted, "{name}");
    }
}
