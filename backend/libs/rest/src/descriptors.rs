//! The descriptors, and the `google.api.http` rules in them.

use std::sync::LazyLock;

use http::Method;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

/// Everything in proto/services.
pub(crate) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the build has checked the descriptors")
});

/// A proto that can't be served as REST.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such service.
    #[error("there is no service {0} among the descriptors")]
    NoService(String),
    /// A rule names a body field that the request lacks, or one that is no message.
    #[error("{rpc}: the body {body:?} is neither \"*\" nor a message field of the request")]
    Body {
        /// Full name of the RPC.
        rpc: String,
        /// What the rule says.
        body: String,
    },
    /// A path that can't be routed.
    #[error("{rpc}: {path}: a path is made of plain segments and of {{field}} for scalar fields of the request")]
    Path {
        /// Full name of the RPC.
        rpc: String,
        /// What the rule says.
        path: String,
    },
    /// Two RPCs with one verb and path.
    #[error("{rpc}: {path} is taken by another RPC")]
    Taken {
        /// Full name of the RPC.
        rpc: String,
        /// What the rule says.
        path: String,
    },
}

/// One way to call an RPC by HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub verb: Method,
    /// Such as `/api/v1/users/{user_id}`.
    pub path: String,
    /// Empty, `*`, or a field.
    pub body: String,
}

/// Names of the RPCs of one of Nova's services that answer by a stream; none for a service that is not Nova's.
pub fn server_streams(service: &str) -> Vec<String> {
    let service = POOL.get_service_by_name(service);
    let methods = service.iter().flat_map(prost_reflect::ServiceDescriptor::methods);
    methods.filter(MethodDescriptor::is_server_streaming).map(|method| method.name().to_owned()).collect()
}

/// The RPCs of a service that REST serves, each with its rules; the additional bindings come after the main one.
///
/// Of server streams only what is asked for by GET: an EventSource and an upgrade know no other verb.
pub(crate) fn served(pool: &DescriptorPool, service: &str) -> Result<Vec<(MethodDescriptor, Vec<Rule>)>, Fault> {
    let service = pool.get_service_by_name(service).ok_or_else(|| Fault::NoService(service.to_owned()))?;
    let served = |method: MethodDescriptor| {
        let mut rules = rules(&method);
        rules.retain(|rule| !method.is_server_streaming() || rule.verb == Method::GET);
        (!rules.is_empty()).then_some((method, rules))
    };
    Ok(service.methods().filter(|method| !method.is_client_streaming()).filter_map(served).collect())
}

/// The rules of an RPC.
pub(crate) fn rules(method: &MethodDescriptor) -> Vec<Rule> {
    let mut found = vec![];
    let Some(http) = method.parent_pool().get_extension_by_name("google.api.http") else { return found };
    let options = method.options();
    if options.has_extension(&http)
        && let Value::Message(rule) = options.get_extension(&http).as_ref()
    {
        collect(rule, &mut found);
    }
    found
}

fn collect(rule: &DynamicMessage, found: &mut Vec<Rule>) {
    let text =
        |name: &str| rule.get_field_by_name(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    for (field, verb) in [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("patch", Method::PATCH),
        ("delete", Method::DELETE),
    ] {
        if rule.has_field_by_name(field) {
            found.push(Rule { verb, path: text(field), body: text("body") });
        }
    }
    if let Some(Value::List(more)) = rule.get_field_by_name("additional_bindings").as_deref() {
        more.iter().filter_map(Value::as_message).for_each(|rule| collect(rule, found));
    }
}
