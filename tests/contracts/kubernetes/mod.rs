//! What the manifests of Kubernetes must be like: each file and each overlay as kubectl renders it, held against the configuration, the
//! descriptors and the sources. That they are valid is checked by scripts/manifests.sh.

mod admin;
mod config;
mod doors;
mod monitoring;
mod network;
mod workloads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// The overlays that have the three services.
const OVERLAYS: [&str; 3] = ["staging", "production", "production-ingress"];

/// A service and what its manifests call it.
#[derive(Clone, Copy)]
struct Service {
    /// The section of the configuration.
    name: &'static str,
    /// Its gRPC service.
    grpc: &'static str,
    /// The services that it calls, and the line of its code that says so.
    calls: [(&'static str, &'static str, &'static str); 2],
}

const SERVICES: [Service; 3] = [
    Service {
        name: "auth",
        grpc: "nova.auth.v1.AuthService",
        calls: [
            ("user", "auth-service/src/lib.rs", "connect(\"user\", &peers.user_url"),
            ("messaging", "auth-service/src/lib.rs", "connect(\"messaging\", &peers.messaging_url"),
        ],
    },
    Service {
        name: "user",
        grpc: "nova.user.v1.UserService",
        calls: [
            ("auth", "user-service/src/start.rs", "peers.auth()"),
            ("messaging", "user-service/src/start.rs", "peers.messaging()"),
        ],
    },
    Service {
        name: "messaging",
        grpc: "nova.messaging.v1.MessagingService",
        calls: [
            ("auth", "messaging-service/src/start.rs", "peers.auth()"),
            ("user", "messaging-service/src/start.rs", "peers.user()"),
        ],
    },
];

impl Service {
    fn full(self) -> String {
        format!("{}-service", self.name)
    }

    fn namespace(self) -> String {
        format!("nova-{}", self.name)
    }

    /// The beginning of its environment variables.
    fn prefix(self) -> String {
        format!("NOVA_{}__", self.name.to_uppercase())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// Objects of a set of manifests.
struct Objects(Vec<Value>);

impl Objects {
    fn parse(text: &str) -> Self {
        let documents = serde_yaml_ng::Deserializer::from_str(text);
        let read = documents.map(|document| serde::Deserialize::deserialize(document).expect("YAML"));
        Self(read.filter(|object: &Value| !object.is_null()).collect())
    }

    fn of(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.of(kind).into_iter().find(|object| object["metadata"]["name"] == name)
    }

    fn get(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// The object of this kind and name in the service's namespace.
    fn own(&self, kind: &str, service: Service) -> &Value {
        let found = self.get(kind, &service.full());
        assert_eq!(found["metadata"]["namespace"], service.namespace(), "{kind}");
        found
    }
}

/// The files of a folder that kubectl would take, by their names.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let manifests = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).expect("readable"))
    };
    manifests.map(read).collect()
}

/// What `kubectl apply -f k8s/microservices` applies.
static BASE: LazyLock<Objects> = LazyLock::new(|| {
    let all: Vec<String> = files(&root().join("k8s/microservices")).into_values().collect();
    Objects::parse(&all.join("\n---\n"))
});

/// What `kubectl apply -k k8s/overlays/NAME` applies, in its order.
fn overlay(name: &str) -> Objects {
    let own = root().join("target/tools/bin/kubectl");
    let kubectl = if own.exists() { own } else { "kubectl".into() };
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(root().join("k8s/overlays").join(name))
        .output()
        .expect("kubectl can be run: scripts/setup.sh tests installs it");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Objects::parse(&String::from_utf8(output.stdout).expect("UTF-8"))
}

/// Every set of manifests that has the three services.
static SETS: LazyLock<Vec<(&str, Objects)>> = LazyLock::new(|| {
    let base = Objects(BASE.0.clone());
    std::iter::once(("microservices", base)).chain(OVERLAYS.map(|name| (name, overlay(name)))).collect()
});

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Labels, or any table of texts.
fn texts(value: &Value) -> BTreeMap<String, String> {
    let entries = value.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), text(value).to_owned())).collect()
}
