//! One RPC under one verb and path: everything about it that can be known before the first call.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use bytes::Bytes;
use errors::FieldViolation;
use http::request::Parts;
use http::{Method, Uri};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value};

use crate::body;
use crate::conditions::{self, Versioned};
use crate::descriptors::{Fault, Rule};
use crate::fields::Field;
use crate::json;
use crate::limits::Limits;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::shape::Shape;

/// Fields that `Idempotency-Key` is another spelling of.
pub(crate) const CLIENT_IDS: [&str; 2] = ["client_message_id", "client_conversation_id"];
/// The field that `If-Match` is another spelling of.
pub(crate) const EXPECTED_VERSION: &str = "expected_version";

/// See the module.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Error domain of its service.
    pub domain: Arc<str>,
    /// Where the gRPC router has it.
    pub uri: Uri,
    /// HTTP verb.
    pub verb: Method,
    /// The path as the router wants it: parameters are named by their place, for two RPCs may name one differently.
    pub pattern: String,
    /// Fields in the path, in order.
    pub path: Vec<Field>,
    /// Fields in the query string.
    pub query: Parameters,
    /// What the body is.
    pub body: BodyRule,
    /// The field that `If-Match` sets.
    pub expected_version: Option<Field>,
    /// The field that `Idempotency-Key` sets.
    pub client_id: Option<Field>,
    /// Where the answer's ETag comes from.
    pub versioned: Option<Versioned>,
    /// What its messages look like, where it answers by a stream of them.
    pub stream: Option<Shape>,
    input: MessageDescriptor,
    output: MessageDescriptor,
}

/// What the body of a request is.
#[derive(Debug)]
pub(crate) enum BodyRule {
    /// There is none.
    None,
    /// The whole request.
    Whole,
    /// One field of it.
    Field(FieldDescriptor, MessageDescriptor),
}

impl Endpoint {
    pub fn new(method: &MethodDescriptor, rule: &Rule) -> Result<Self, Fault> {
        let (rpc, input) = (method.full_name().to_owned(), method.input());
        let body = match rule.body.as_str() {
            "" => BodyRule::None,
            "*" => BodyRule::Whole,
            name => match input.get_field_by_name(name).map(|field| (field.kind(), field)) {
                Some((Kind::Message(message), field)) if !field.is_list() && !field.is_map() => {
                    BodyRule::Field(field, message)
                }
                _ => return Err(Fault::Body { rpc, body: rule.body.clone() }),
            },
        };
        let (pattern, path) =
            pattern(&input, &rule.path).ok_or_else(|| Fault::Path { rpc, path: rule.path.clone() })?;
        let query = match &body {
            BodyRule::None => Parameters::of(&input, &path, None),
            BodyRule::Whole => Parameters::default(),
            BodyRule::Field(field, _) => Parameters::of(&input, &path, Some(field.name())),
        };
        let service = method.parent_service().full_name().to_owned();
        let find = |name: &str| Field::find(&input, name).filter(|_| rule.verb != Method::GET);
        Ok(Self {
            domain: domain(&service),
            uri: Uri::from_str(&format!("/{service}/{}", method.name())).expect("names of RPCs are plain"),
            verb: rule.verb.clone(),
            pattern,
            expected_version: find(EXPECTED_VERSION),
            client_id: CLIENT_IDS.iter().find_map(|name| find(name)),
            versioned: Versioned::of(&method.output()).filter(|_| !method.is_server_streaming()),
            stream: method.is_server_streaming().then(|| Shape::of(method)),
            path,
            query,
            body,
            output: method.output(),
            input,
        })
    }

    /// The request that an HTTP request says.
    pub async fn request(&self, parts: &mut Parts, body: Body, limits: &Limits) -> Result<DynamicMessage, Problem> {
        let body = body::read(body, &parts.headers, limits).await?;
        let mut message = self.decode(parts, &body)?;
        let parameters = RawPathParams::from_request_parts(parts, &()).await;
        let parameters =
            parameters.map_err(|_| Problem::invalid(vec![FieldViolation::new("path", "must be UTF-8")]))?;
        let mut faults = vec![];
        for (field, (_, value)) in self.path.iter().zip(&parameters) {
            if value.is_empty() {
                return Err(Problem::no_route(parts.uri.path()));
            }
            faults.extend(field.agree(&mut message, value, "path").err());
        }
        faults.extend(self.conditions(parts, &mut message).err());
        if faults.is_empty() { Ok(message) } else { Err(Problem::invalid(faults)) }
    }

    fn decode(&self, parts: &Parts, body: &Bytes) -> Result<DynamicMessage, Problem> {
        let mut message = match &self.body {
            BodyRule::Whole => body::message(&self.input, body, &parts.headers)?,
            BodyRule::Field(field, kind) => {
                let mut message = DynamicMessage::new(self.input.clone());
                message.set_field(field, Value::Message(body::message(kind, body, &parts.headers)?));
                message
            }
            BodyRule::None if body::is_empty(body) => DynamicMessage::new(self.input.clone()),
            BodyRule::None => {
                return Err(Problem::invalid(vec![FieldViolation::new("body", "this call takes no body")]));
            }
        };
        if let Some(query) = parts.uri.query() {
            self.query.read(query, &mut message).map_err(Problem::invalid)?;
        }
        Ok(message)
    }

    fn conditions(&self, parts: &Parts, message: &mut DynamicMessage) -> Result<(), FieldViolation> {
        if let Some(version) = conditions::if_match(&parts.headers)? {
            let unfit = || FieldViolation::new("if-match", "this call checks no version");
            let field = self.expected_version.as_ref().ok_or_else(unfit)?;
            field.agree(message, &version.to_string(), "header if-match")?;
        }
        if let Some(field) = &self.client_id
            && let Some(key) = conditions::idempotency_key(&parts.headers)?
        {
            field.agree(message, key, "header idempotency-key")?;
        }
        if let Some(stream) = &self.stream {
            stream.resume(&parts.headers, message)?;
        }
        Ok(())
    }

    /// The answer, and its JSON.
    pub fn answer(&self, message: Bytes) -> Result<(DynamicMessage, Vec<u8>), tonic::Status> {
        const TYPICAL: usize = 1024;
        let message = DynamicMessage::decode(self.output.clone(), message)
            .map_err(|error| tonic::Status::internal(error.to_string()))?;
        let broken = |error: serde_json::Error| tonic::Status::internal(error.to_string());
        if let Some(shape) = self.stream.as_ref().filter(|shape| shape.has_record()) {
            let json = json::write(&message, serde_json::value::Serializer).map_err(broken)?;
            let json = shape.unfold(json).map_err(broken)?;
            return Ok((message, serde_json::to_vec(&json).map_err(broken)?));
        }
        let mut json = serde_json::Serializer::new(Vec::with_capacity(TYPICAL));
        json::write(&message, &mut json).map_err(broken)?;
        Ok((message, json.into_inner()))
    }
}

/// `nova.user.v1.UserService` is of `user.nova`.
fn domain(service: &str) -> Arc<str> {
    let mut names = service.split('.');
    match (names.next(), names.next()) {
        (Some(root), Some(name)) => format!("{name}.{root}").into(),
        _ => service.into(),
    }
}

/// The path with its parameters named by place, and the fields that they are.
fn pattern(input: &MessageDescriptor, path: &str) -> Option<(String, Vec<Field>)> {
    let (mut pattern, mut fields) = (String::new(), vec![]);
    for segment in path.strip_prefix('/')?.split('/') {
        pattern.push('/');
        match segment.strip_prefix('{') {
            Some(rest) => {
                let field = Field::find(input, rest.strip_suffix('}')?).filter(|field| !field.is_list())?;
                pattern.push_str(&format!("{{p{}}}", fields.len()));
                fields.push(field);
            }
            None if segment.is_empty() || segment.contains(['{', '}', '*', ':']) => return None,
            None => pattern.push_str(segment),
        }
    }
    Some((pattern, fields))
}
