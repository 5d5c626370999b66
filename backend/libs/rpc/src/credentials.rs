//! Our own identity towards other services: a service token, renewed before it expires.

use std::sync::Arc;
use std::time::Duration;

use protos::auth::v1::IssueServiceTokenRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

/// A token is renewed when this little of its life is left.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// How long the auth service may take to issue one.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(2);

/// Gets service tokens from the auth service. Cheap to clone; all clones share one token.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    token: Mutex<Option<Token>>,
}

enum Issuer {
    Remote { auth: Channel, client_id: String, client_secret: SecretString },
    Local(Box<dyn Fn() -> Result<(String, Duration), Status> + Send + Sync>),
}

#[derive(Clone)]
struct Token {
    header: MetadataValue<Ascii>,
    renew_at: Instant,
    expires_at: Instant,
}

impl Credentials {
    /// Credentials of the service `client_id`, issued by the auth service behind `auth`.
    pub fn new(auth: Channel, client_id: impl Into<String>, client_secret: SecretString) -> Self {
        let issuer = Issuer::Remote { auth, client_id: client_id.into(), client_secret };
        Self(Arc::new(Inner { issuer, token: Mutex::default() }))
    }

    /// Credentials of the auth service itself: `issue` makes a token and tells how long it lives.
    pub fn local(issue: impl Fn() -> Result<(String, Duration), Status> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { issuer: Issuer::Local(Box::new(issue)), token: Mutex::default() }))
    }

    /// The `authorization` header; one call at most is under way to renew it.
    pub(crate) async fn header(&self) -> Result<MetadataValue<Ascii>, Status> {
        let mut token = self.0.token.lock().await;
        if let Some(token) = token.as_ref().filter(|t| t.renew_at > Instant::now()) {
            return Ok(token.header.clone());
        }
        match (self.issue().await, token.as_ref()) {
            (Ok(fresh), _) => Ok(token.insert(fresh).header.clone()),
            // The auth service may be back before the old one ends.
            (Err(_), Some(old)) if old.expires_at > Instant::now() => Ok(old.header.clone()),
            (Err(status), _) => Err(status),
        }
    }

    /// Forgets a token that a peer has refused.
    pub(crate) async fn forget(&self, refused: &MetadataValue<Ascii>) {
        let mut token = self.0.token.lock().await;
        if token.as_ref().is_some_and(|t| t.header == *refused) {
            *token = None;
        }
    }

    async fn issue(&self) -> Result<Token, Status> {
        let (token, life) = match &self.0.issuer {
            Issuer::Local(issue) => issue()?,
            Issuer::Remote { auth, client_id, client_secret } => ask(auth, client_id, client_secret).await?,
        };
        let mut header = MetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Status::unavailable("the auth service gave a token that is no header value"))?;
        header.set_sensitive(true);
        let now = Instant::now();
        let renew_in = life.saturating_sub(RENEW_BEFORE).max(life / 2);
        Ok(Token { header, renew_at: now + renew_in, expires_at: now + life })
    }
}

/// Asks a remote auth service for a token.
async fn ask(auth: &Channel, client_id: &str, client_secret: &SecretString) -> Result<(String, Duration), Status> {
    let mut request = tonic::Request::new(IssueServiceTokenRequest {
        client_id: client_id.to_owned(),
        client_secret: client_secret.expose_secret().to_owned(),
    });
    request.set_timeout(ISSUE_TIMEOUT);
    let mut client = AuthServiceClient::new(auth.clone());
    let answer = tokio::time::timeout(ISSUE_TIMEOUT, client.issue_service_token(request))
        .await
        .map_err(|_| Status::unavailable("the auth service does not answer"))??
        .into_inner();
    Ok((answer.access_token, Duration::from_secs(u64::try_from(answer.expires_in).unwrap_or(0))))
}
