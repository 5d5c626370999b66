//! NetworkPolicies let through what the design draws: each service's calls to its peers and to what it keeps its data in, clients, probes'
//! and Prometheus' look – and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};
use webhooks::Guard;

use super::config::{environment, listen};
use super::{BASE, Objects, SERVICES, SETS, Service, list, root, text, texts};

/// Who is at the other end: a namespace and the labels of pods there, or networks.
type End = String;
/// One allowed way: the other end, the protocol, and the ports.
type Way = (End, String, String);

fn end(peer: &Value, own_namespace: &str) -> End {
    if let Some(cidr) = peer["ipBlock"]["cidr"].as_str() {
        return if peer["ipBlock"]["except"].is_null() { cidr.to_owned() } else { "the public internet".to_owned() };
    }
    let namespace = match peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str() {
        Some(named) => named,
        None => own_namespace,
    };
    let labels = texts(&peer["podSelector"]["matchLabels"]);
    assert!(!labels.is_empty(), "a whole namespace is let through: {peer}");
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{namespace}/{}", labels.join(","))
}

/// The ways that policies open for the pods of a service, in (`ingress`, `from`) or out (`egress`, `to`).
fn ways(objects: &Objects, service: Service, (direction, key): (&str, &str)) -> BTreeSet<Way> {
    let own = objects.of("NetworkPolicy").into_iter().filter(|policy| {
        policy["metadata"]["namespace"] == service.namespace()
            && texts(&policy["spec"]["podSelector"]["matchLabels"])
                == [("app.kubernetes.io/name".to_owned(), service.full())].into()
    });
    let mut ways = BTreeSet::new();
    for rule in own.flat_map(|policy| list(&policy["spec"][direction])) {
        let (ends, ports) = (list(&rule[key]), list(&rule["ports"]));
        // An empty list would mean everybody, or every port.
        assert!(!ends.is_empty() && !ports.is_empty(), "{rule}");
        for port in ports {
            let last = port["endPort"].as_u64().map(|last| format!("-{last}")).unwrap_or_default();
            let port_text = format!("{}{last}", port["port"].as_u64().expect("a number"));
            for peer in ends {
                ways.insert((end(peer, &service.namespace()), text(&port["protocol"]).to_owned(), port_text.clone()));
            }
        }
    }
    ways
}

fn tcp(end: impl Into<String>, port: u16) -> Way {
    (end.into(), "TCP".to_owned(), port.to_string())
}

fn pods_of(service: Service) -> End {
    format!("{}/app.kubernetes.io/name={}", service.namespace(), service.full())
}

fn named(name: &str) -> Service {
    SERVICES.into_iter().find(|service| service.name == name).expect("a service")
}

#[test]
fn nothing_is_let_through_that_is_not_named() {
    for (set, objects) in SETS.iter() {
        let pods = ["Deployment", "StatefulSet", "CronJob", "Cluster", "Kafka"].into_iter();
        let namespaces: BTreeSet<&str> =
            pods.flat_map(|kind| objects.of(kind)).map(|object| text(&object["metadata"]["namespace"])).collect();
        assert!(namespaces.len() >= SERVICES.len(), "{set}: {namespaces:?}");
        for namespace in namespaces {
            // What databases and brokers go out to is their operators' to know.
            let types = if namespace == "nova-data" { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
            let denies = objects.of("NetworkPolicy").into_iter().any(|policy| {
                policy["metadata"]["namespace"] == namespace
                    && policy["spec"] == json!({"podSelector": {}, "policyTypes": types})
            });
            assert!(denies, "{set}: {namespace}");
        }
    }
}

#[test]
fn who_calls_whom_is_what_the_code_says() {
    for service in SERVICES {
        for (callee, file, line) in service.calls {
            let code = std::fs::read_to_string(root().join("backend").join(file)).expect("a source");
            assert!(code.contains(line), "{file} no longer says {line}: does {} still call {callee}?", service.full());
        }
        // No call besides: a third peer would be the service itself.
        let folder = root().join("backend").join(service.full()).join("src");
        let own = if service.name == "auth" { "peers.auth_url" } else { &format!("peers.{}()", service.name) };
        let files = ["lib.rs", "start.rs"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap_or_default());
        assert!(!files.concat().contains(own), "{} calls itself", service.full());
    }
}

#[test]
fn exactly_the_drawn_calls_go_out() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let environment = environment(objects, service);
            let mut drawn = BTreeSet::from([
                tcp("kube-system/k8s-app=kube-dns", 53),
                ("kube-system/k8s-app=kube-dns".to_owned(), "UDP".to_owned(), "53".to_owned()),
                tcp("nova-data/cnpg.io/cluster=nova", 5432),
                tcp("nova-data/app.kubernetes.io/name=valkey", 6379),
                tcp("nova-data/strimzi.io/cluster=nova,strimzi.io/name=nova-kafka", 9093),
                tcp("monitoring/app.kubernetes.io/name=opentelemetry-collector", 4317),
            ]);
            for (callee, ..) in service.calls {
                let port = listen(objects, named(callee)).grpc_port;
                drawn.insert(tcp(pods_of(named(callee)), port));
                let url = &environment[&format!("{}PEERS__{}_URL", service.prefix(), callee.to_uppercase())];
                let at = format!("https://{callee}-service-headless.nova-{callee}.svc.cluster.local:{port}");
                assert_eq!(*url, at, "{set}");
            }
            if service.name == "messaging" {
                drawn.insert(tcp("nova-data/cnpg.io/cluster=nova-keys", 5432));
            }
            if service.name == "auth" {
                // Mails, and webhooks: those have port 443 or one of 1024 and above.
                let ports = ["25", "443", "465", "587", "1024-65535"];
                drawn.extend(ports.map(|port| ("the public internet".to_owned(), "TCP".to_owned(), port.to_owned())));
            }
            assert_eq!(ways(objects, service, ("egress", "to")), drawn, "{set}: {}", service.full());

            // What the configuration names is where the policy leads.
            for (value, host) in environment.values().filter_map(|value| Some((value, host(value)?))) {
                let reached =
                    drawn.iter().any(|(end, _, port)| leads(end, &host) && value.contains(&format!(":{port}")));
                assert!(reached || host.ends_with("example.org"), "{set}: {} can't reach {value}", service.full());
            }
        }
    }
}

/// The host of an address that leads into the cluster.
fn host(value: &str) -> Option<String> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let host = rest.split([':', '/', '?']).next().unwrap_or_default();
    host.ends_with(".svc.cluster.local").then(|| host.to_owned())
}

/// Whether pods at `end` are behind a Service of that name. Operators' Services are known by their names.
fn leads(end: &str, host: &str) -> bool {
    let (service, rest) = host.split_once('.').expect("a name");
    let namespace = rest.split('.').next().unwrap_or_default();
    let labels = match service {
        "nova-rw" => "cnpg.io/cluster=nova".to_owned(),
        "nova-keys-rw" => "cnpg.io/cluster=nova-keys".to_owned(),
        "nova-kafka-bootstrap" => "strimzi.io/cluster=nova,strimzi.io/name=nova-kafka".to_owned(),
        other => format!("app.kubernetes.io/name={}", other.trim_end_matches("-headless")),
    };
    end == format!("{namespace}/{labels}")
}

#[test]
fn exactly_the_drawn_calls_come_in() {
    for (set, objects) in SETS.iter() {
        for service in SERVICES {
            let listen = listen(objects, service);
            let ops = listen.ops.expect("a port for the platform").port();
            let mut drawn = BTreeSet::from([tcp("monitoring/app.kubernetes.io/name=prometheus", ops)]);
            for caller in
                SERVICES.iter().filter(|caller| caller.calls.iter().any(|(callee, ..)| *callee == service.name))
            {
                drawn.insert(tcp(pods_of(*caller), listen.grpc_port));
            }
            let envoy = "envoy-gateway-system/app.kubernetes.io/component=proxy,app.kubernetes.io/name=envoy";
            let mut doors = vec![envoy.to_owned(), "traefik/app.kubernetes.io/name=traefik".to_owned()];
            if *set == "microservices" {
                let ranges = &objects.own("Service", service)["spec"]["loadBalancerSourceRanges"];
                doors.extend(list(ranges).iter().map(|range| text(range).to_owned()));
                assert!(doors.len() > 2, "whoever may come through the load balancer is named");
            }
            for door in doors {
                drawn.extend([tcp(door.clone(), listen.http_port), tcp(door, listen.grpc_port)]);
            }
            assert_eq!(ways(objects, service, ("ingress", "from")), drawn, "{set}: {}", service.full());
        }
    }
}

/// A policy that names labels that no pod has opens nothing: the labels of Nova's own pods are the pods'.
#[test]
fn policies_name_labels_that_pods_have() {
    for (set, objects) in SETS.iter() {
        let kinds = ["Deployment", "StatefulSet"].into_iter().flat_map(|kind| objects.of(kind));
        let mut there: Vec<(String, BTreeMap<String, String>)> = kinds
            .map(|o| {
                (text(&o["metadata"]["namespace"]).to_owned(), texts(&o["spec"]["template"]["metadata"]["labels"]))
            })
            .collect();
        // Operators give their pods labels by the names of what they are of.
        for cluster in objects.of("Cluster") {
            let label = ("cnpg.io/cluster".to_owned(), text(&cluster["metadata"]["name"]).to_owned());
            there.push(("nova-data".to_owned(), [label].into()));
        }
        for kafka in objects.of("Kafka") {
            let name = text(&kafka["metadata"]["name"]);
            let labels = [("strimzi.io/cluster", name.to_owned()), ("strimzi.io/name", format!("{name}-kafka"))];
            there.push(("nova-data".to_owned(), labels.map(|(key, value)| (key.to_owned(), value)).into()));
        }
        for policy in objects.of("NetworkPolicy") {
            let namespace = text(&policy["metadata"]["namespace"]);
            let rules = list(&policy["spec"]["ingress"]).iter().flat_map(|rule| list(&rule["from"]));
            let rules = rules.chain(list(&policy["spec"]["egress"]).iter().flat_map(|rule| list(&rule["to"])));
            let peers = rules.filter(|peer| peer["ipBlock"].is_null()).map(|peer| {
                let named = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"].as_str();
                (named.unwrap_or(namespace).to_owned(), texts(&peer["podSelector"]["matchLabels"]))
            });
            for (namespace, labels) in
                peers.chain([(namespace.to_owned(), texts(&policy["spec"]["podSelector"]["matchLabels"]))])
            {
                let data_elsewhere = *set == "microservices" && namespace == "nova-data";
                if !namespace.starts_with("nova-") || data_elsewhere {
                    continue;
                }
                let fits = |(at, has): &(String, BTreeMap<String, String>)| {
                    *at == namespace && labels.iter().all(|(key, value)| has.get(key) == Some(value))
                };
                assert!(there.iter().any(fits), "{set}: no pod in {namespace} has {labels:?}");
            }
        }
    }
}

/// What a service refuses to call, whoever asks it to, its policy does not let out either.
#[test]
fn the_public_internet_is_what_webhooks_may_reach() {
    let policy = BASE.own("NetworkPolicy", named("auth"));
    let rules = list(&policy["spec"]["egress"]).iter().flat_map(|rule| list(&rule["to"]));
    let blocks: Vec<&Value> = rules.map(|peer| &peer["ipBlock"]).filter(|block| !block.is_null()).collect();
    assert_eq!(blocks.len(), 2, "one of IPv4, one of IPv6");
    let network = |value: &Value| text(value).parse::<IpNet>().expect("a network");
    let lets_out = |address: IpAddr| {
        blocks.iter().any(|block| {
            let excepted = list(&block["except"]).iter().any(|except| network(except).contains(&address));
            network(&block["cidr"]).contains(&address) && !excepted
        })
    };
    let guard = Guard::default();
    // The edges of every block, and some from everywhere.
    let edges = blocks.iter().flat_map(|block| list(&block["except"]).iter().chain([&block["cidr"]]));
    let edges = edges.map(network).flat_map(|network| [network.network(), network.broadcast()]);
    let next_to = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            [v4.to_bits().wrapping_sub(1), v4.to_bits().wrapping_add(1)].map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(v6) => {
            [v6.to_bits().wrapping_sub(1), v6.to_bits().wrapping_add(1)].map(|bits| IpAddr::V6(bits.into()))
        }
    };
    let mut addresses: Vec<IpAddr> = edges.flat_map(|edge| [[edge; 2], next_to(edge)].concat()).collect();
    addresses.extend((0..=u8::MAX).flat_map(|a| [0, 64, 127, 254].map(|b| IpAddr::from([a, b, 7, 9]))));
    let known = [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "::1",
        "fe80::1",
        "fd00::1",
        "2606:4700::1111",
        "::ffff:10.0.0.1",
    ];
    addresses.extend(known.map(|text| text.parse::<IpAddr>().expect("an address")));
    for address in addresses {
        assert_eq!(lets_out(address), guard.admits(address), "{address}");
    }
}
