//! A call as the plainest REST requests that say it.

use axum::body::Body;
use http::{Method, Request};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, ReflectMessage, SerializeOptions, Value};

use crate::Seen;

/// One request for each rule of the RPC that has room for all that the call says.
///
/// # Panics
/// If the protos have no rules.
pub fn requests(pool: &DescriptorPool, seen: &Seen) -> Vec<Request<Body>> {
    let http = pool.get_extension_by_name("google.api.http").expect("the protos import it");
    let options = seen.rpc.options();
    let main = match options.get_extension(&http).as_ref() {
        Value::Message(rule) => rule.clone(),
        _ => unreachable!("a rule is a message"),
    };
    let more = match main.get_field_by_name("additional_bindings").as_deref() {
        Some(Value::List(rules)) => rules.iter().filter_map(Value::as_message).cloned().collect(),
        _ => vec![],
    };
    std::iter::once(main).chain(more).filter_map(|rule| written(&rule, &seen.request)).collect()
}

fn written(rule: &DynamicMessage, call: &DynamicMessage) -> Option<Request<Body>> {
    let verbs = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("patch", Method::PATCH),
        ("delete", Method::DELETE),
    ];
    let (name, verb) = verbs.into_iter().find(|(name, _)| rule.has_field_by_name(name))?;
    let text = |name: &str| rule.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned));
    let (mut address, mut in_path) = (String::new(), vec![]);
    for segment in text(name)?.split('/').skip(1) {
        address.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(field) => {
                // Every byte is escaped: a value that looks like a segment of another path must not be one.
                let value = scalar(call, field).filter(|value| !value.is_empty())?;
                value.bytes().for_each(|byte| address.push_str(&format!("%{byte:02X}")));
                in_path.push(field.to_owned());
            }
            None => address.push_str(segment),
        }
    }
    let body = match text("body").as_deref() {
        Some("*") => json(call),
        None | Some("") => {
            let mut pairs = vec![];
            flat(call, "", &mut pairs);
            pairs.retain(|(name, _)| !in_path.contains(name));
            let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
            address.push('?');
            address.push_str(&pairs.join("&"));
            vec![]
        }
        Some(_) => return None,
    };
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = verb;
    // Longer addresses than this are refused before REST sees them.
    *request.uri_mut() = address.parse().ok()?;
    request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Some(request)
}

fn json(call: &DynamicMessage) -> Vec<u8> {
    let mut writer = serde_json::Serializer::new(vec![]);
    call.serialize_with_options(&mut writer, &SerializeOptions::new()).expect("calls can be written as JSON");
    writer.into_inner()
}

fn scalar(call: &DynamicMessage, path: &str) -> Option<String> {
    match path.split_once('.') {
        None => shown(call.get_field_by_name(path)?.as_ref()),
        Some((head, rest)) => scalar(call.get_field_by_name(head)?.as_message()?, rest),
    }
}

fn flat(message: &DynamicMessage, prefix: &str, pairs: &mut Vec<(String, String)>) {
    for field in message.descriptor().fields().filter(|field| message.has_field(field)) {
        let name = format!("{prefix}{}", field.name());
        match (message.get_field(&field).as_ref(), field.kind()) {
            (Value::Message(inner), Kind::Message(_)) => flat(inner, &format!("{name}."), pairs),
            (Value::List(values), _) => {
                pairs.extend(values.iter().filter_map(shown).map(|value| (name.clone(), value)));
            }
            (value, _) => pairs.extend(shown(value).map(|value| (name, value))),
        }
    }
}

fn shown(value: &Value) -> Option<String> {
    use base64::Engine;
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Bytes(value) => base64::engine::general_purpose::STANDARD.encode(value),
        Value::Message(_) | Value::List(_) | Value::Map(_) => return None,
    })
}
