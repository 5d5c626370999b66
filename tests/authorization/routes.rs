//! A request in JSON as what a REST route wants: path, query, body.

use http::Method;
use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value};

/// One way to call an RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    Grpc,
    /// A verb, a path with `{fields}`, and whether what is not in the path is the body.
    Rest(Method, String, bool),
    /// A path that is asked for an upgrade.
    WebSocket(String),
}

impl Transport {
    /// All ways to call an RPC.
    pub fn of(method: &MethodDescriptor) -> Vec<Self> {
        let mut all = vec![Self::Grpc];
        for (verb, path, body) in crate::rest::rules(method) {
            if method.is_server_streaming() {
                all.push(Self::WebSocket(path.clone()));
            }
            let verb = verb.to_uppercase().parse().expect("a verb");
            all.push(Self::Rest(verb, path, body == "*"));
        }
        all
    }
}

/// The path and query, and the body if there is one.
pub fn filled(path: &str, has_body: bool, request: &Value) -> (String, Option<Value>) {
    let mut rest: Map<String, Value> = request.as_object().expect("requests are objects").clone();
    let segment = |segment: &str| match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
        None => segment.to_owned(),
        Some(field) => rest.remove(field).map_or_else(|| "me".to_owned(), |value| text(&value)),
    };
    let path: Vec<String> = path.split('/').map(segment).collect();
    let path = path.join("/");
    if has_body {
        return (path, Some(Value::Object(rest)));
    }
    let pairs = rest.iter().flat_map(|(name, value)| match value {
        Value::Array(items) => items.iter().map(|item| format!("{name}={}", text(item))).collect(),
        one => vec![format!("{name}={}", text(one))],
    });
    let query: Vec<String> = pairs.collect();
    let path = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
    (path, None)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
