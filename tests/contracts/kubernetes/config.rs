//! Each key of ConfigMaps and Secrets is one of the service's configuration, and nothing that it needs is missing.

use std::collections::{BTreeMap, BTreeSet};

use chassis::config::{PLACEHOLDER, Secret, SecretName, Secrets, ServiceConfig, Source};

use super::{BASE, Objects, SERVICES, SETS, Service, list, overlay, text, texts};

/// Any 32 bytes.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Notes what would have been made up in small mode.
#[derive(Default)]
pub(super) struct Missing(pub(super) Vec<String>);

impl Secrets for Missing {
    fn get(&mut self, key: &str, _: SecretName) -> Secret {
        self.0.push(key.to_owned());
        Secret::default()
    }

    fn other_master_keys(&mut self) -> Vec<Secret> {
        vec![]
    }
}

/// The keys that a service with this environment would refuse to start for.
fn refused<C: ServiceConfig>(environment: &BTreeMap<String, String>) -> Vec<String> {
    let environment = environment.iter().map(|(key, value)| (key.clone(), value.clone()));
    let source = Source::from_parts("", "", environment).expect("no file");
    let mut faults = source.unknown_sections(&["log", C::SECTION]);
    let _: chassis::config::Log = source.section("log", &mut faults);
    let mut config: C = source.section(C::SECTION, &mut faults);
    let mut missing = Missing::default();
    config.fill_secrets(&mut missing);
    // The images speak TLS to Kafka, this build need not: what librdkafka makes of the properties is tried by `make test-kafka-tls`.
    faults.retain(|fault| !fault.problem.contains("--features kafka-tls"));
    faults.into_iter().map(|fault| fault.key).chain(missing.0).collect()
}

fn refused_by(service: Service, environment: &BTreeMap<String, String>) -> Vec<String> {
    match service.name {
        "auth" => refused::<auth_service::Config>(environment),
        "user" => refused::<user_service::Config>(environment),
        _ => refused::<messaging_service::Config>(environment),
    }
}

fn config<C: ServiceConfig>(environment: &BTreeMap<String, String>) -> C {
    let environment = environment.iter().map(|(key, value)| (key.clone(), value.clone()));
    Source::from_parts("", "", environment).expect("no file").section(C::SECTION, &mut vec![])
}

/// The keys of a service's Secret, or of the Secret that External Secrets makes.
fn secrets(objects: &Objects, service: Service) -> BTreeMap<String, String> {
    match objects.find("Secret", &service.full()) {
        Some(secret) => texts(&secret["stringData"]),
        None => texts(&objects.own("ExternalSecret", service)["spec"]["target"]["template"]["data"]),
    }
}

/// A value as somebody would fill it in.
pub(super) fn filled_in(key: &str, value: &str) -> String {
    if key.ends_with("MASTER_KEY") {
        return MASTER_KEY.to_owned();
    }
    let mut value = value.replace(PLACEHOLDER, "0123456789abcdef");
    while let (Some(from), Some(to)) = (value.find("{{"), value.find("}}")) {
        let filled = if key.ends_with("SMTP_URL") { "smtps://nova:0123@smtp.example.org" } else { "0123456789abcdef" };
        value.replace_range(from..to + 2, filled);
    }
    value
}

/// The environment of a service's container, filled in.
pub fn environment(objects: &Objects, service: Service) -> BTreeMap<String, String> {
    let mut environment = texts(&objects.own("ConfigMap", service)["data"]);
    environment.extend(secrets(objects, service).into_iter().map(|(key, value)| {
        let value = filled_in(&key, &value);
        (key, value)
    }));
    environment
}

/// Where a service listens, by its manifests.
pub fn listen(objects: &Objects, service: Service) -> chassis::config::Listen {
    let environment = environment(objects, service);
    match service.name {
        "auth" => config::<auth_service::Config>(&environment).listen,
        "user" => config::<user_service::Config>(&environment).listen,
        _ => config::<messaging_service::Config>(&environment).listen,
    }
}

#[test]
fn every_key_loads_and_none_that_is_needed_is_missing() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            assert_eq!(refused_by(service, &environment(objects, service)), [""; 0], "{set}: {}", service.full());
        }
    }
}

#[test]
fn a_deployment_as_it_is_in_the_repository_is_refused_for_each_of_its_secrets() {
    for service in SERVICES {
        let given = secrets(&BASE, service);
        let mut environment = texts(&BASE.own("ConfigMap", service)["data"]);
        environment.extend(given.clone());
        let told: BTreeSet<String> = refused_by(service, &environment).into_iter().collect();
        let key = |variable: &String| variable.trim_start_matches("NOVA_").to_lowercase().replace("__", ".");
        assert_eq!(told, given.keys().map(key).collect(), "{}", service.full());
        assert!(given.values().all(|value| value.contains(PLACEHOLDER)), "a secret is in the repository: {given:?}");
        let tls = texts(&BASE.get("Secret", &format!("{}-tls", service.full()))["stringData"]);
        assert!(tls.len() == 3 && tls.values().all(|value| value == PLACEHOLDER), "{tls:?}");
    }
}

/// Redis and the keys that have a default may be left out; everything else of a secret is needed.
#[test]
fn no_secret_is_there_for_nothing() {
    for service in SERVICES {
        let whole = environment(&BASE, service);
        for key in secrets(&BASE, service).keys().filter(|key| !key.ends_with("__REDIS__URL")) {
            let mut less = whole.clone();
            less.remove(key);
            let refused = refused_by(service, &less);
            // Without an address Nova would start a PostgreSQL of its own, which is no fault of the configuration.
            assert!(!refused.is_empty() || key.ends_with("__DATABASE__URL"), "{key} is not missed");
        }
        for key in ["LISTEN__TLS__CERTIFICATE", "LISTEN__TLS__KEY", "PEERS__TLS__CA", "EVENTS__KAFKA__BROKERS"] {
            let mut less = whole.clone();
            less.remove(&format!("{}{key}", service.prefix())).unwrap_or_else(|| panic!("{key} is set"));
            assert!(!refused_by(service, &less).is_empty(), "{key} is not missed");
        }
    }
}

#[test]
fn files_that_the_configuration_names_are_mounted() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let pod = &objects.own("Deployment", service)["spec"]["template"]["spec"];
            let mount = pod["containers"][0]["volumeMounts"].as_array().expect("mounts").first().expect("one").clone();
            let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).expect("a volume");
            assert_eq!(volume["secret"]["secretName"], format!("{}-tls", service.full()), "{set}");
            let inside = format!("{}/", text(&mount["mountPath"]));
            let environment = environment(objects, service);
            let named = environment.values().flat_map(|value| value.split(['=', '&'])).filter(|v| v.starts_with('/'));
            let files: Vec<&str> = named.filter_map(|path| path.strip_prefix(&inside)).collect();
            assert!(files.len() >= 7, "{set}: {files:?}");
            assert!(files.iter().all(|file| ["tls.crt", "tls.key", "ca.crt"].contains(file)), "{set}: {files:?}");
        }
    }
}

#[test]
fn services_share_what_they_know_each_other_by() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let remote = |service: Service, key: &str| {
            let spec = &objects.own("ExternalSecret", service)["spec"];
            let template = text(&spec["target"]["template"]["data"][key]).to_owned();
            let property =
                template.split_once("{{ .").and_then(|(_, rest)| rest.split_once(" }}")).expect("a template").0;
            let data = list(&spec["data"]).iter().find(|entry| entry["secretKey"] == property).expect("where it is");
            data["remoteRef"].clone()
        };
        let [auth, user, messaging] = SERVICES;
        let shared = remote(auth, "NOVA_AUTH__SERVICE_CLIENTS__USER");
        assert_eq!(shared, remote(user, "NOVA_USER__PEERS__CLIENT_SECRET"), "{name}");
        let other = remote(auth, "NOVA_AUTH__SERVICE_CLIENTS__MESSAGING");
        assert_eq!(other, remote(messaging, "NOVA_MESSAGING__PEERS__CLIENT_SECRET"), "{name}");
        assert_ne!(shared, other, "{name}: each service has a secret of its own");
        // The roles of the databases have the passwords that are in the addresses.
        for (service, key, role) in [
            (auth, "NOVA_AUTH__DATABASE__URL", "nova-auth-role"),
            (user, "NOVA_USER__DATABASE__URL", "nova-user-role"),
            (messaging, "NOVA_MESSAGING__DATABASE__URL", "nova-messaging-role"),
            (messaging, "NOVA_MESSAGING__KEYS__URL", "nova-keys-role"),
        ] {
            let spec = &objects.get("ExternalSecret", role)["spec"];
            assert_eq!(spec["data"][0]["remoteRef"], remote(service, key), "{name}: {role}");
            let url = environment(&objects, service)[key].clone();
            let user = text(&spec["target"]["template"]["data"]["username"]);
            assert!(url.starts_with(&format!("postgres://{user}:")), "{name}: {url} is not of {user}");
        }
        for service in SERVICES {
            assert_eq!(
                secrets(&objects, service).keys().collect::<Vec<_>>(),
                secrets(&BASE, service).keys().collect::<Vec<_>>()
            );
        }
    }
}

/// All replicas there can be, and one more of each while they are replaced.
#[test]
fn databases_take_the_connections_of_all_replicas() {
    for (set, objects) in SETS.iter().filter(|(set, _)| *set != "microservices") {
        let replicas = |service: Service| {
            objects.own("HorizontalPodAutoscaler", service)["spec"]["maxReplicas"].as_u64().expect("a number") + 1
        };
        let most = |cluster: &str| {
            let spec = &objects.get("Cluster", cluster)["spec"];
            text(&spec["postgresql"]["parameters"]["max_connections"]).parse::<u64>().expect("a number")
        };
        let [auth, user, messaging] = SERVICES;
        let environment = |service| environment(objects, service);
        let own = |database: &chassis::config::Database| database.max_connections as u64;
        let config: messaging_service::Config = config(&environment(messaging));
        let lanes = config.send.lanes as u64;
        let wanted = replicas(auth) * own(&self::config::<auth_service::Config>(&environment(auth)).database)
            + replicas(user) * own(&self::config::<user_service::Config>(&environment(user)).database)
            + replicas(messaging) * (own(&config.database) + lanes);
        // A few are left for migrations and for people.
        assert!(wanted + 20 <= most("nova"), "{set}: {wanted} of {}", most("nova"));
        let wanted = replicas(messaging) * own(&config.keys);
        assert!(wanted + 20 <= most("nova-keys"), "{set}: {wanted} of {}", most("nova-keys"));
    }
}
