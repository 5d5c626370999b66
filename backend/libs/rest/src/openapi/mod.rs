//! OpenAPI 3.1 from the descriptors: comments become descriptions, and what they say of bounds becomes schema.

pub(crate) mod comments;
mod schema;

use std::collections::BTreeMap;

use http::Method;
use prost_reflect::MethodDescriptor;
use serde_json::{Map, Value, json};

use crate::descriptors::{Fault, POOL, Rule, served};
use crate::endpoint::{BodyRule, Endpoint};
use crate::fields::Field;
use crate::form::{EVENTS, LINES};
use crate::shape::Shape;
use comments::Comments;
use schema::Schemas;

/// A service to describe.
#[derive(Clone, Debug)]
pub struct Described {
    /// Full name.
    pub service: String,
    /// RPCs that may be called without a token.
    pub public: Vec<String>,
}

/// The document of these services.
///
/// # Errors
/// If the protos say what REST can't serve.
pub fn document(services: &[Described]) -> Result<Value, Fault> {
    let comments = Comments::of(&POOL);
    let mut schemas = Schemas::new(&comments);
    let mut paths = Paths::default();
    let mut tags = vec![];
    for described in services {
        let service =
            POOL.get_service_by_name(&described.service).ok_or_else(|| Fault::NoService(described.service.clone()))?;
        tags.push(json!({ "name": service.name(), "description": comments.of_service(&service) }));
        for (method, rules) in served(&POOL, &described.service)? {
            for (place, rule) in rules.iter().enumerate() {
                let endpoint = Endpoint::new(&method, rule)?;
                let names = paths.parameters(&endpoint, rule);
                let public = described.public.iter().any(|name| name == method.name());
                let operation = operation(&method, &endpoint, place, &names, public, &mut schemas);
                paths.add(&endpoint, operation);
            }
        }
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nova",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths.finish(),
        "components": {
            "schemas": schemas.finish(),
            "responses": { "Problem": problem_response() },
            "headers": {
                "RequestId": { "description": "Names the call in the server's log.", "schema": { "type": "string" } },
                "ETag": {
                    "description": "The record's version, and where the answer shows more than that, a digest. For if-match and if-none-match.",
                    "schema": { "type": "string" },
                },
            },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token, from Register, Login or RefreshToken." },
            },
        },
    }))
}

const ABOUT: &str = "Numbers of 64 bits are texts, enums are names, times are RFC 3339 in UTC, bytes are base64. A field that is \
not there is not set; a field that is unknown is refused. Names are accepted as `displayName` and as `display_name`.";

/// What HTTP adds to an RPC that streams.
const AS_A_STREAM: &str = "\n\nServer-Sent Events: `data` is one JSON object of the schema `x-data-schema`, `event` the name of its \
kind, `id` its cursor. An event `problem`, with a problem document, says why the server ends the stream. Asked for by an upgrade the \
same is a WebSocket: each text frame is one JSON object, `{\"problem\": …}` the last one, and the close code is 4000 and the problem's \
status; a browser gives its token as a subprotocol, `nova.v1, nova.bearer.<access token>`. Accepted as `application/x-ndjson` it is \
a file of JSON lines, of which the last is `{\"problem\": …}` if the server ends the stream.";

/// Paths by their shape: one shape has one spelling of its parameters, whatever each RPC calls them.
#[derive(Default)]
struct Paths(BTreeMap<String, Path>);

struct Path {
    template: String,
    parameters: Vec<String>,
    operations: Map<String, Value>,
}

impl Paths {
    fn parameters(&mut self, endpoint: &Endpoint, rule: &Rule) -> Vec<String> {
        let path = self.0.entry(endpoint.pattern.clone()).or_insert_with(|| Path {
            template: rule.path.clone(),
            parameters: endpoint.path.iter().map(|field| field.name.clone()).collect(),
            operations: Map::new(),
        });
        path.parameters.clone()
    }

    fn add(&mut self, endpoint: &Endpoint, operation: Value) {
        if let Some(path) = self.0.get_mut(&endpoint.pattern) {
            path.operations.insert(endpoint.verb.as_str().to_lowercase(), operation);
        }
    }

    fn finish(self) -> Map<String, Value> {
        self.0.into_values().map(|path| (path.template, Value::Object(path.operations))).collect()
    }
}

fn operation(
    method: &MethodDescriptor,
    endpoint: &Endpoint,
    place: usize,
    names: &[String],
    public: bool,
    schemas: &mut Schemas<'_>,
) -> Value {
    let service = method.parent_service();
    let mut id = format!("{}_{}", service.name(), method.name());
    if place > 0 {
        id.push_str(&format!("_{}", place + 1));
    }
    let in_path = endpoint.path.iter().zip(names).map(|(field, name)| (field, name.clone(), "path"));
    let in_query = endpoint.query.fields().iter().map(|field| (field, field.json_name(), "query"));
    let mut parameters: Vec<Value> =
        in_path.chain(in_query).map(|(field, name, place)| parameter(field, &name, place, schemas)).collect();
    let mut header = |name: &str, schema: Value, description: &str| {
        parameters.push(json!({ "name": name, "in": "header", "description": description, "schema": schema }));
    };
    if endpoint.expected_version.is_some() {
        let schema = json!({ "type": "string", "pattern": "^(\\*|\"[1-9][0-9]{0,17}(-[0-9a-f]{16})?\")$" });
        header("If-Match", schema, "Another spelling of expected_version: the ETag that the change is meant for.");
    }
    if endpoint.client_id.is_some() {
        let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$" });
        header(
            "Idempotency-Key",
            schema,
            "Another spelling of the client's id for what is made: a retry with it gets the first answer.",
        );
    }
    let conditional = endpoint.verb == Method::GET && endpoint.versioned.is_some();
    if conditional {
        header("If-None-Match", json!({ "type": "string" }), "ETags of what the caller has already.");
    }

    if endpoint.stream.as_ref().is_some_and(Shape::can_resume) {
        let description =
            "Another spelling of cursor, which it wins over: the id of the last event that was dealt with.";
        header("Last-Event-ID", json!({ "type": "string" }), description);
    }

    let (summary, mut description) = comments::split(&schemas.comments().of_method(method));
    if endpoint.stream.is_some() {
        description.push_str(AS_A_STREAM);
    }
    let request_id = json!({ "$ref": "#/components/headers/RequestId" });
    let mut headers = json!({ "x-request-id": request_id });
    if endpoint.versioned.is_some() {
        headers["ETag"] = json!({ "$ref": "#/components/headers/ETag" });
    }
    let answer = schemas.reference(&method.output());
    let content = match &endpoint.stream {
        None => json!({ "application/json": { "schema": answer } }),
        // 3.1 has no word for the parts of a stream.
        Some(_) => {
            let part = json!({ "schema": { "type": "string" }, "x-data-schema": answer });
            json!({ EVENTS: part, LINES: part })
        }
    };
    let mut responses = json!({
        "200": { "description": "OK", "headers": headers, "content": content },
        "default": { "$ref": "#/components/responses/Problem" },
    });
    if conditional {
        responses["304"] = json!({ "description": "The caller has it already.", "headers": headers });
    }
    let token = json!({ "bearer": [] });
    let mut operation = json!({
        "operationId": id,
        "tags": [service.name()],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "responses": responses,
        "security": if public { json!([{}, token]) } else { json!([token]) },
    });
    if let Some((schema, required)) = body(method, endpoint, schemas) {
        operation["requestBody"] =
            json!({ "required": required, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn parameter(field: &Field, name: &str, place: &str, schemas: &mut Schemas<'_>) -> Value {
    let descriptor = field.descriptor();
    json!({
        "name": name,
        "in": place,
        "required": place == "path",
        "description": schemas.comments().of_field(descriptor),
        "schema": schemas.field(descriptor),
    })
}

/// The body's schema, without what stands in the path; and whether it may be left out.
fn body(method: &MethodDescriptor, endpoint: &Endpoint, schemas: &mut Schemas<'_>) -> Option<(Value, bool)> {
    match &endpoint.body {
        BodyRule::None => None,
        BodyRule::Field(_, message) => Some((schemas.reference(message), false)),
        BodyRule::Whole => {
            let in_path = |name: &str| endpoint.path.iter().any(|field| field.name == name);
            let schema = schemas.request(&method.input(), in_path);
            let has_fields = schema["properties"].as_object().is_some_and(|p| !p.is_empty());
            Some((schema, has_fields))
        }
    }
}

fn problem_response() -> Value {
    json!({
        "description": "What went wrong, as RFC 9457 has it. Clients branch on `reason`.",
        "headers": {
            "x-request-id": { "$ref": "#/components/headers/RequestId" },
            "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 } },
        },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
