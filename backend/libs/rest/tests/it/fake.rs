//! A gRPC service that remembers what it was asked and answers what it was told, with REST in front of it.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;
use tonic::Status;
use tower::{ServiceExt, service_fn};

pub static ZOO: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let here = env!("CARGO_MANIFEST_DIR");
    let mut compiler =
        protox::Compiler::new([format!("{here}/tests/it"), format!("{here}/../../../proto")]).expect("folders");
    compiler.include_imports(true).include_source_info(true).open_file("zoo.proto").expect("the proto is valid");
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("descriptors")
});
pub static NOVA: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("descriptors"));

/// What the service was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    pub rpc: String,
    pub headers: HeaderMap,
    /// With the proto's names, and nothing but what was set.
    pub request: Value,
}

/// See the module.
#[derive(Clone)]
pub struct Fake {
    pub app: Router,
    seen: Arc<Mutex<Vec<Seen>>>,
    reply: Arc<Mutex<Result<Value, Status>>>,
}

impl Fake {
    pub fn zoo() -> Self {
        Self::with(&ZOO, &["nova.zoo.v1.ZooService"], rest::Limits::default())
    }

    pub fn nova() -> Self {
        let services = ["nova.auth.v1.AuthService", "nova.user.v1.UserService", "nova.messaging.v1.MessagingService"];
        Self::with(&NOVA, &services, rest::Limits::default())
    }

    pub fn with(pool: &'static DescriptorPool, services: &[&str], limits: rest::Limits) -> Self {
        let seen = Arc::default();
        let reply = Arc::new(Mutex::new(Ok(Value::Object(Default::default()))));
        let (asked, told) = (Arc::clone(&seen), Arc::clone(&reply));
        let service = service_fn(move |request: Request<Body>| {
            let (asked, told) = (Arc::clone(&asked), Arc::clone(&told));
            async move { Ok::<_, Infallible>(answer(pool, request, &asked, &told).await) }
        });
        let grpc = Router::new().fallback_service(service);
        let mut routes = Router::new();
        for service in services {
            routes = routes.merge(rest::routes_of(pool, service, grpc.clone(), limits).expect("the rules are valid"));
        }
        let app = rest::gate(routes).fallback(rest::not_found);
        Self { app, seen, reply }
    }

    pub fn replies(&self, json: Value) {
        *self.reply.lock().unwrap() = Ok(json);
    }

    pub fn refuses(&self, status: Status) {
        *self.reply.lock().unwrap() = Err(status);
    }

    /// What was asked since the last time.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The one request that was asked.
    pub fn request(&self) -> Value {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].request.clone()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn json(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string()).await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("an address");
        for (name, value) in headers {
            let name: http::HeaderName = name.parse().expect("a header");
            request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        self.call(request).await
    }

    pub async fn call(&self, request: Request<Body>) -> Answer {
        call(self.app.clone(), request).await
    }
}

pub async fn call(app: Router, request: Request<Body>) -> Answer {
    let Ok(response) = app.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("an answer has an end").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// Sends a request to a port.
pub async fn over_the_network(request: Request<Body>) -> Answer {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("an answer has an end").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn answer(
    pool: &DescriptorPool,
    request: Request<Body>,
    seen: &Mutex<Vec<Seen>>,
    reply: &Mutex<Result<Value, Status>>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let rpc = parts.uri.path().trim_start_matches('/').to_owned();
    let (service, name) = rpc.split_once('/').expect("a gRPC path");
    let service = pool.get_service_by_name(service).expect("a service");
    let method = service.methods().find(|method| method.name() == name).expect("a method");
    let mut frame = body.collect().await.expect("a body").to_bytes();
    assert_eq!(frame.get_u8(), 0, "not compressed");
    assert_eq!(frame.get_u32() as usize, frame.len(), "one whole message");
    let message = DynamicMessage::decode(method.input(), frame).expect("a message");
    let options = SerializeOptions::new().use_proto_field_name(true);
    let request = message.serialize_with_options(serde_json::value::Serializer, &options).expect("JSON");
    seen.lock().unwrap().push(Seen { rpc, headers: parts.headers, request });
    let json = match reply.lock().unwrap().clone() {
        Ok(json) => json,
        Err(status) => return status.into_http(),
    };
    let message = DynamicMessage::deserialize(method.output(), json).expect("the reply fits");
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).expect("small"));
    message.encode(&mut frame).expect("it grows");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = http_body_util::Full::new(frame.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    Response::new(Body::new(body))
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body of a success.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert!(!self.header("x-request-id").is_empty());
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The problem document of a failure.
    pub fn problem(&self, status: u16, reason: &str) -> Value {
        let problem = self.any_problem();
        assert_eq!((self.status.as_u16(), problem["reason"].as_str()), (status, Some(reason)), "{problem}");
        problem
    }

    /// The same, whatever it is.
    pub fn any_problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        let reason = problem["reason"].as_str().expect("a reason");
        assert_eq!(problem["type"], format!("urn:nova:error:{reason}"));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        assert!(!self.header("x-request-id").is_empty());
        for text in ["title", "detail", "domain"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {problem}");
        }
        assert!(problem["metadata"].is_object() && problem["violations"].is_array(), "{problem}");
        problem
    }

    /// The fields that a refusal names.
    pub fn refused_fields(&self) -> Vec<String> {
        let problem = self.problem(400, "INVALID_ARGUMENT");
        let violations = problem["violations"].as_array().expect("violations").iter();
        violations.map(|v| v["field"].as_str().expect("a field").to_owned()).collect()
    }
}
