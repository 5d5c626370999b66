//! Where the services are, what can go wrong with a call, and clients that call as somebody.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use errors::ErrorDetailsOf;
use ids::SessionId;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::user::v1::user_service_client::UserServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, GrpcMethod, Request, Status};

use crate::ServiceName;

/// Header that names a call in the logs of every service.
pub const REQUEST_ID: &str = "x-request-id";
/// Calls that a failure tells of.
const REMEMBERED_CALLS: usize = 40;

/// What a test returns.
pub type Outcome<T = ()> = Result<T, GrpcTestError>;

/// Endpoints of running services, from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcConfig {
    /// `AUTH_SERVICE_GRPC_URL`, by default `http://127.0.0.1:9080`.
    pub auth_url: String,
    /// `USER_SERVICE_GRPC_URL`, by default `http://127.0.0.1:9081`.
    pub user_url: String,
    /// `MESSAGING_SERVICE_GRPC_URL`, by default `http://127.0.0.1:9085`.
    pub messaging_url: String,
    /// `GRPC_REQUEST_TIMEOUT_SECS`, by default 10: how long connecting, and each call, may take.
    pub request_timeout: Duration,
}

impl GrpcConfig {
    /// Reads the environment.
    ///
    /// # Errors
    /// [`GrpcTestError::Unexpected`] names the variable that can't be read.
    pub fn from_env() -> Outcome<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same from any source of variables.
    ///
    /// # Errors
    /// [`GrpcTestError::Unexpected`] names the variable that can't be read.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Outcome<Self> {
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let url = |name: &str, default: &str| {
            let url = set(name).unwrap_or_else(|| default.to_owned());
            // The scheme is left out often enough.
            if url.contains("://") { url } else { format!("http://{url}") }
        };
        let request_timeout = match set("GRPC_REQUEST_TIMEOUT_SECS") {
            None => Duration::from_secs(10),
            Some(text) => match text.parse() {
                Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
                _ => {
                    return Err(unexpected(format!(
                        "GRPC_REQUEST_TIMEOUT_SECS={text} is no number of seconds above 0"
                    )));
                }
            },
        };
        Ok(Self {
            auth_url: url("AUTH_SERVICE_GRPC_URL", "127.0.0.1:9080"),
            user_url: url("USER_SERVICE_GRPC_URL", "127.0.0.1:9081"),
            messaging_url: url("MESSAGING_SERVICE_GRPC_URL", "127.0.0.1:9085"),
            request_timeout,
        })
    }

    /// Whether `SERVICES_RUNNING=true` asks for services that run already.
    pub fn services_running() -> bool {
        std::env::var("SERVICES_RUNNING").is_ok_and(|value| matches!(value.as_str(), "true" | "1"))
    }

    /// Address of a service.
    pub fn url(&self, service: ServiceName) -> &str {
        match service {
            ServiceName::Auth => &self.auth_url,
            ServiceName::User => &self.user_url,
            ServiceName::Messaging => &self.messaging_url,
        }
    }

    /// Connects to a service.
    ///
    /// # Errors
    /// [`GrpcTestError::Connection`] if nothing answers there, [`GrpcTestError::TimedOut`] if that takes too long.
    pub async fn connect(&self, service: ServiceName) -> Outcome<Channel> {
        let url = self.url(service);
        let failed = |cause: String| GrpcTestError::Connection { service: service.name(), url: url.to_owned(), cause };
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|e| failed(chain(&e)))?.tcp_nodelay(true);
        match tokio::time::timeout(self.request_timeout, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(failed(chain(&error))),
            Err(_) => {
                Err(GrpcTestError::TimedOut { what: format!("connecting to {url}"), after: self.request_timeout })
            }
        }
    }
}

/// Why a test's call, or a wait, did not end as hoped.
#[derive(thiserror::Error)]
pub enum GrpcTestError {
    /// Nothing answers at the address.
    #[error("the {service} service can't be reached at {url}: {cause}")]
    Connection {
        /// Which service.
        service: &'static str,
        /// Where.
        url: String,
        /// Why.
        cause: String,
    },
    /// The answer did not come in time.
    #[error("{what} took longer than {after:?}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A service answered with another status than OK.
    #[error("{code:?} {reason}: {} [request {}]", status.message(), request_id(status))]
    Status {
        /// The gRPC code.
        code: Code,
        /// The machine-readable reason; empty if there is none, which is a fault in itself.
        reason: String,
        /// Everything else.
        status: Box<Status>,
    },
    /// The test asked for something that can't be done to services that somebody else runs.
    #[error("refused: {0}")]
    Refused(String),
    /// An answer that a test did not expect.
    #[error("{0}")]
    Unexpected(String),
}

/// A test that returns an error shows it in this form.
impl fmt::Debug for GrpcTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Status> for GrpcTestError {
    fn from(status: Status) -> Self {
        Self::Status { code: status.code(), reason: status.reason().unwrap_or_default(), status: Box::new(status) }
    }
}

/// An answer that was not expected.
pub fn unexpected(what: impl Into<String>) -> GrpcTestError {
    GrpcTestError::Unexpected(what.into())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn request_id(status: &Status) -> &str {
    status.metadata().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("unknown")
}

/// Claims about calls that must be refused.
pub trait Refusal {
    /// Whether the call was refused with this reason.
    fn is_refused(&self, reason: &str) -> bool;
    /// The status of a call that must be refused with this code and reason, with all that every status must carry.
    ///
    /// # Panics
    /// If the call was not refused, or otherwise.
    fn refused(self, code: Code, reason: &str) -> Status;
    /// The same for a field that is out of bounds.
    ///
    /// # Panics
    /// If the call was not refused, or the field is not named.
    fn refused_field(self, field: &str);
}

impl<T: fmt::Debug, E: Into<GrpcTestError> + IsRefused> Refusal for Result<T, E> {
    fn is_refused(&self, reason: &str) -> bool {
        self.as_ref().is_err_and(|error| error.has_reason(reason))
    }

    #[track_caller]
    fn refused(self, code: Code, reason: &str) -> Status {
        match self.map_err(Into::into) {
            Err(GrpcTestError::Status { status, .. }) => {
                testkit::assert_reason(&status, code, reason);
                *status
            }
            Err(other) => panic!("not refused with {code:?} {reason} but: {other}"),
            Ok(answer) => panic!("not refused with {code:?} {reason} but answered: {answer:?}"),
        }
    }

    #[track_caller]
    fn refused_field(self, field: &str) {
        let status = self.refused(Code::InvalidArgument, "INVALID_ARGUMENT");
        let fields = status.violated_fields();
        assert!(fields.iter().any(|f| f == field), "{field} is not named, but {fields:?}: {}", status.message());
    }
}

/// What [`Refusal`] needs of an error.
pub trait IsRefused {
    /// Whether this is a status with this reason.
    fn has_reason(&self, reason: &str) -> bool;
}

impl IsRefused for Status {
    fn has_reason(&self, reason: &str) -> bool {
        self.reason().as_deref() == Some(reason)
    }
}

impl IsRefused for GrpcTestError {
    fn has_reason(&self, wanted: &str) -> bool {
        matches!(self, Self::Status { reason, .. } if reason == wanted)
    }
}

/// The last calls of a test and their request ids; a failure prints them, so that they can be found in the logs.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<Calls>>);

struct Calls {
    prefix: String,
    made: u64,
    last: VecDeque<String>,
}

impl Journal {
    /// An empty journal with a prefix of its own for request ids.
    pub fn new() -> Self {
        let prefix = SessionId::generate(Clock::system().now()).uuid().simple().to_string();
        // the first half of a UUIDv7 is the time
        let prefix = format!("test-{}", &prefix[16..]);
        Self(Arc::new(Mutex::new(Calls { prefix, made: 0, last: VecDeque::new() })))
    }

    fn next(&self, method: Option<&GrpcMethod<'_>>) -> String {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.made += 1;
        let id = format!("{}-{}", calls.prefix, calls.made);
        let name = method.map_or_else(|| "a call".to_owned(), |m| format!("{}/{}", m.service(), m.method()));
        if calls.last.len() == REMEMBERED_CALLS {
            calls.last.pop_front();
        }
        calls.last.push_back(format!("{id}  {name}"));
        id
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(f, "the last {} of {} calls, by request id:", calls.last.len(), calls.made)?;
        calls.last.iter().try_for_each(|call| write!(f, "\n  {call}"))
    }
}

/// Puts a token, a request id and a deadline on each call.
#[derive(Clone)]
pub struct CallAs {
    token: Option<MetadataValue<Ascii>>,
    timeout: Duration,
    journal: Journal,
}

/// A channel that calls as somebody.
pub type Authorized = InterceptedService<Channel, CallAs>;

impl CallAs {
    /// Calls with `token`, or as nobody if it is empty.
    pub fn new(token: &str, timeout: Duration, journal: Journal) -> Self {
        let token = (!token.is_empty()).then(|| format!("Bearer {token}").parse().expect("tokens are header values"));
        Self { token, timeout, journal }
    }
}

impl Interceptor for CallAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let id = self.journal.next(request.extensions().get::<GrpcMethod<'_>>());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request.metadata_mut().insert(REQUEST_ID, id.parse().expect("ids are header values"));
        if request.metadata().get("grpc-timeout").is_none() {
            request.set_timeout(self.timeout);
        }
        Ok(request)
    }
}

/// Clients of all services that call as the same somebody.
#[derive(Clone)]
pub struct Clients {
    /// The auth service.
    pub auth: AuthServiceClient<Authorized>,
    /// The user service.
    pub user: UserServiceClient<Authorized>,
    /// The messaging service.
    pub messaging: MessagingServiceClient<Authorized>,
}

impl Clients {
    /// Clients over these channels (auth, user, messaging).
    pub fn new([auth, user, messaging]: [Channel; 3], call_as: &CallAs) -> Self {
        Self {
            auth: AuthServiceClient::with_interceptor(auth, call_as.clone()),
            user: UserServiceClient::with_interceptor(user, call_as.clone()),
            messaging: MessagingServiceClient::with_interceptor(messaging, call_as.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Outcome<GrpcConfig> {
        GrpcConfig::from_variables(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn endpoints_come_from_the_environment_over_defaults() -> Outcome {
        let config =
            read(&[("USER_SERVICE_GRPC_URL", "https://user.staging.example:443"), ("GRPC_REQUEST_TIMEOUT_SECS", "3")])?;
        assert_eq!(config.auth_url, "http://127.0.0.1:9080");
        assert_eq!(config.user_url, "https://user.staging.example:443");
        assert_eq!(config.messaging_url, "http://127.0.0.1:9085");
        assert_eq!(config.request_timeout, Duration::from_secs(3));
        Ok(())
    }

    #[test]
    fn a_bad_timeout_is_named() {
        for bad in ["0", "-1", "soon"] {
            let error = read(&[("GRPC_REQUEST_TIMEOUT_SECS", bad)]).expect_err("refused");
            assert!(error.to_string().contains("GRPC_REQUEST_TIMEOUT_SECS"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_a_connection_error_with_its_address() -> Outcome {
        let config = read(&[("AUTH_SERVICE_GRPC_URL", "127.0.0.1:1")])?;
        match config.connect(ServiceName::Auth).await {
            Err(GrpcTestError::Connection { service: "auth", url, .. }) if url == "http://127.0.0.1:1" => Ok(()),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}
