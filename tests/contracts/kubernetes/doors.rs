//! Gateway and ingress lead each call to the service that answers it, over a connection on which the service must show who it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::config::{environment, listen};
use super::{Objects, SERVICES, Service, list, overlay, text};
use crate::descriptors::services;
use crate::rest::rules;

/// Paths that are served besides those of the protos.
const JWKS: &str = "/.well-known/jwks.json";

/// A path that leads somewhere: how it is matched, and the port.
type Door = (bool, String, u64);

/// The doors of a service, by its HTTPRoute or its Ingress.
fn doors(objects: &Objects, service: Service) -> Vec<Door> {
    if let Some(route) = objects.find("HTTPRoute", &service.full()) {
        let rules = list(&route["spec"]["rules"]).iter();
        return rules
            .flat_map(|rule| {
                let backend = &rule["backendRefs"][0];
                assert_eq!(backend["name"], service.full());
                let port = backend["port"].as_u64().expect("a port");
                list(&rule["matches"])
                    .iter()
                    .map(move |m| (m["path"]["type"] == "Exact", text(&m["path"]["value"]).to_owned(), port))
            })
            .collect();
    }
    let ingress = objects.own("Ingress", service);
    let ports = &objects.own("Service", service)["spec"]["ports"];
    let paths = list(&ingress["spec"]["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"]));
    paths
        .map(|path| {
            let backend = &path["backend"]["service"];
            assert_eq!(backend["name"], service.full());
            let port = list(ports).iter().find(|port| port["name"] == backend["port"]["name"]).expect("a port");
            (path["pathType"] == "Exact", text(&path["path"]).to_owned(), port["port"].as_u64().expect("a number"))
        })
        .collect()
}

/// The service that a path leads to: an exact door before others, then the longest.
fn led(objects: &Objects, path: &str) -> Option<(&'static str, u64)> {
    let all = SERVICES.into_iter().flat_map(|s| doors(objects, s).into_iter().map(move |door| (s.name, door)));
    let fits = |(_, (exact, prefix, _)): &(&str, Door)| {
        path == prefix || (!exact && path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    let best = all.filter(fits).max_by_key(|(_, (exact, prefix, _))| (*exact, prefix.len()));
    best.map(|(service, (_, _, port))| (service, port))
}

#[test]
fn every_call_comes_to_its_service() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let mut seen = 0;
        for descriptor in services() {
            let Some(service) = SERVICES.into_iter().find(|service| service.grpc == descriptor.full_name()) else {
                panic!("{} has no manifests", descriptor.full_name())
            };
            let (http, grpc) = (listen(&objects, service).http_port.into(), listen(&objects, service).grpc_port.into());
            for method in descriptor.methods() {
                for (_, path, _) in rules(&method) {
                    // `me`, and an id.
                    for value in ["me", "01890a5d-ac96-774b-bcce-b302099a8057"] {
                        let path: Vec<&str> =
                            path.split('/').map(|s| if s.starts_with('{') { value } else { s }).collect();
                        let path = path.join("/");
                        assert_eq!(led(&objects, &path), Some((service.name, http)), "{name}: {path}");
                        seen += 1;
                    }
                }
            }
            // gRPC-Web over HTTP/1.1, and gRPC where it has no name of its own.
            let port = if objects.of("GRPCRoute").is_empty() { grpc } else { http };
            assert_eq!(led(&objects, &format!("/{}/Call", service.grpc)), Some((service.name, port)), "{name}");
        }
        assert!(seen > 100, "{name}: only {seen} paths");
        let [auth, ..] = SERVICES;
        assert_eq!(led(&objects, JWKS), Some(("auth", listen(&objects, auth).http_port.into())), "{name}");
        for inside in ["/metrics", "/livez", "/readyz", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] {
            assert_eq!(led(&objects, inside), None, "{name}: {inside} is nobody's business outside");
        }
    }
}

#[test]
fn grpc_has_a_name_of_its_own_at_the_gateway() {
    for name in ["staging", "production"] {
        let objects = overlay(name);
        let gateway = objects.get("Gateway", "nova");
        let hosts = |section: &str| -> &Value {
            let listeners = list(&gateway["spec"]["listeners"]);
            &listeners.iter().find(|listener| listener["name"] == section).expect("a listener")["hostname"]
        };
        for service in SERVICES {
            for (kind, section) in [("HTTPRoute", "https"), ("GRPCRoute", "grpc")] {
                let route = objects.own(kind, service);
                let parent = json!([{"name": "nova", "namespace": "nova-gateway", "sectionName": section}]);
                assert_eq!(route["spec"]["parentRefs"], parent, "{name}");
                // A name belongs to routes of one kind.
                assert_eq!(route["spec"]["hostnames"], json!([hosts(section)]), "{name}: {kind}");
            }
            let rule = &objects.own("GRPCRoute", service)["spec"]["rules"][0];
            assert_eq!(rule["matches"], json!([{"method": {"service": service.grpc}}]), "{name}");
            assert_eq!(rule["backendRefs"][0]["port"], u64::from(listen(&objects, service).grpc_port), "{name}");
        }
        assert_ne!(hosts("https"), hosts("grpc"), "{name}");
        let certificate = list(&objects.get("Certificate", "nova")["spec"]["dnsNames"]).iter().collect::<Vec<_>>();
        assert_eq!(certificate.len(), 2, "{name}");
        assert!(certificate.contains(&hosts("https")) && certificate.contains(&hosts("grpc")), "{name}");
        let [auth, ..] = SERVICES;
        let url = format!("https://{}", text(hosts("https")));
        assert_eq!(
            environment(&objects, auth)["NOVA_AUTH__MAIL__PUBLIC_URL"],
            url,
            "{name}: links in mails lead elsewhere"
        );
    }
}

#[test]
fn certificates_are_for_the_names_that_are_asked_for() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let names = |secret: &str| -> Vec<String> {
            let of = objects.of("Certificate").into_iter().find(|c| c["spec"]["secretName"] == secret);
            let names = &of.unwrap_or_else(|| panic!("{name}: nobody makes {secret}"))["spec"]["dnsNames"];
            list(names).iter().map(|name| text(name).to_owned()).collect()
        };
        let mut asked = BTreeSet::new();
        for service in SERVICES {
            let listen = listen(&objects, service);
            let own = names(&format!("{}-tls", service.full()));
            // The first is what the others know it by.
            assert!(own[0] == service.full() && listen.tls.service_names.contains(&own[0]), "{name}: {own:?}");
            for host in environment(&objects, service).values().filter_map(|value| value.split_once("://")) {
                let host = host.1.rsplit_once('@').map_or(host.1, |(_, rest)| rest);
                let host = host.split([':', '/']).next().unwrap_or_default();
                if let Some(peer) = host.split_once("-service-headless.").map(|(peer, _)| peer) {
                    let names = names(&format!("{peer}-service-tls"));
                    assert!(names.iter().any(|name| name == host), "{name}: {host} is not among {names:?}");
                    asked.insert(peer.to_owned());
                }
                if let Some(cluster) = host.strip_suffix("-rw.nova-data.svc.cluster.local") {
                    let names = names(&format!("{cluster}-postgres-tls"));
                    assert!(names.iter().any(|name| name == host), "{name}: {host} is not among {names:?}");
                    let certificates = &objects.get("Cluster", cluster)["spec"]["certificates"];
                    assert_eq!(certificates["serverTLSSecret"], format!("{cluster}-postgres-tls"), "{name}");
                    asked.insert(cluster.to_owned());
                }
            }
            // What the gateway or the ingress checks.
            let checked = match objects.find("BackendTLSPolicy", &service.full()) {
                Some(policy) => &policy["spec"]["validation"]["hostname"],
                None => &objects.own("ServersTransport", service)["spec"]["serverName"],
            };
            assert!(own.iter().any(|name| name == checked), "{name}: {checked} is not among {own:?}");
        }
        assert_eq!(asked, ["auth", "messaging", "nova", "nova-keys", "user"].map(str::to_owned).into(), "{name}");
    }
}

#[test]
fn topics_are_those_of_the_code() {
    for name in super::OVERLAYS {
        let objects = overlay(name);
        let made: BTreeSet<&str> =
            objects.of("KafkaTopic").iter().map(|topic| text(&topic["metadata"]["name"])).collect();
        let own = [events::Topic::Auth, events::Topic::User, events::Topic::Messaging].map(events::Topic::name);
        assert_eq!(made, own.into(), "{name}");
        for topic in objects.of("KafkaTopic") {
            let kept = topic["spec"]["config"]["retention.ms"].as_u64().map(std::time::Duration::from_millis);
            assert_eq!(kept, Some(chassis::config::Events::default().retention), "{name}");
            let partitions = u64::try_from(chassis::config::Kafka::default().partitions).expect("some");
            assert_eq!(topic["spec"]["partitions"], partitions, "{name}");
        }
        for service in SERVICES {
            let made = &environment(&objects, service)[&format!("{}EVENTS__KAFKA__MAKE_TOPICS", service.prefix())];
            assert_eq!(made, "false", "{name}: the operator makes the topics");
        }
    }
}
