//! Our own identity towards other services: a service token, renewed before it expires.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protos::auth::v1::IssueServiceTokenRequest;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::{Ascii, MetadataValue};

use crate::PeerChannel;

/// A token is renewed when this little of its life is left.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// Between two tries to get a token at least, whatever peers say of it and however many ask for one.
const PAUSE: Duration = Duration::from_millis(200);

/// Gets service tokens from the auth service. Cheap to clone; all clones share one token.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    token: Mutex<Option<Token>>,
    /// Held by who gets a new token; what came of the last try, if that failed.
    turn: tokio::sync::Mutex<Option<Failure>>,
}

enum Issuer {
    Remote { auth: PeerChannel, client_id: String, client_secret: SecretString },
    Local(Box<dyn Fn() -> Result<(String, Duration), Status> + Send + Sync>),
}

#[derive(Clone)]
struct Token {
    header: MetadataValue<Ascii>,
    issued_at: Instant,
    renew_at: Instant,
    expires_at: Instant,
}

struct Failure {
    at: Instant,
    status: Status,
}

impl Failure {
    fn is_recent(&self) -> bool {
        self.at.elapsed() < PAUSE
    }
}

impl Credentials {
    /// Credentials of the service `client_id`, issued by the auth service behind `auth`.
    pub fn new(auth: PeerChannel, client_id: impl Into<String>, client_secret: SecretString) -> Self {
        let auth = auth.for_upkeep();
        Self::of(Issuer::Remote { auth, client_id: client_id.into(), client_secret })
    }

    /// Credentials of the auth service itself: `issue` makes a token and tells how long it lives.
    pub fn local(issue: impl Fn() -> Result<(String, Duration), Status> + Send + Sync + 'static) -> Self {
        Self::of(Issuer::Local(Box::new(issue)))
    }

    fn of(issuer: Issuer) -> Self {
        Self(Arc::new(Inner { issuer, token: Mutex::default(), turn: tokio::sync::Mutex::default() }))
    }

    /// The `authorization` header. An auth service that is slow or down is waited for only by who has no token; while the old
    /// one holds, the next is got in the background.
    pub(crate) async fn header(&self) -> Result<MetadataValue<Ascii>, Status> {
        let now = Instant::now();
        match self.current().filter(|token| token.expires_at > now) {
            Some(token) if token.renew_at > now => Ok(token.header),
            Some(token) => {
                let is_due =
                    self.0.turn.try_lock().is_ok_and(|failed| !failed.as_ref().is_some_and(Failure::is_recent));
                if is_due {
                    tokio::spawn(self.clone().renew());
                }
                Ok(token.header)
            }
            // A task of its own: who has little time doesn't end the try that others wait for.
            None => tokio::spawn(self.clone().renew())
                .await
                .unwrap_or_else(|_| Err(Status::unavailable("no service token can be had"))),
        }
    }

    /// Forgets a token that a peer has refused, unless it is so new that the peer's word is no reason to ask for another.
    pub(crate) fn forget(&self, refused: &MetadataValue<Ascii>) {
        let mut token = self.0.token.lock().unwrap_or_else(PoisonError::into_inner);
        if token.as_ref().is_some_and(|t| t.header == *refused && t.issued_at.elapsed() >= PAUSE) {
            *token = None;
        }
    }

    fn current(&self) -> Option<Token> {
        self.0.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets a new token, unless somebody else has just done so or failed to.
    async fn renew(self) -> Result<MetadataValue<Ascii>, Status> {
        let mut failed = self.0.turn.lock().await;
        if let Some(token) = self.current().filter(|token| token.renew_at > Instant::now()) {
            return Ok(token.header);
        }
        if let Some(failure) = failed.as_ref().filter(|failure| failure.is_recent()) {
            return Err(failure.status.clone());
        }
        match self.issue().await {
            Ok(token) => {
                *failed = None;
                let header = token.header.clone();
                *self.0.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
                Ok(header)
            }
            Err(status) => {
                *failed = Some(Failure { at: Instant::now(), status: status.clone() });
                Err(status)
            }
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
        Ok(Token { header, issued_at: now, renew_at: now + renew_in, expires_at: now + life })
    }
}

/// Asks a remote auth service for a token.
async fn ask(auth: &PeerChannel, client_id: &str, client_secret: &SecretString) -> Result<(String, Duration), Status> {
    let request = IssueServiceTokenRequest {
        client_id: client_id.to_owned(),
        client_secret: client_secret.expose_secret().to_owned(),
    };
    let answer = AuthServiceClient::new(auth.clone()).issue_service_token(request).await?.into_inner();
    Ok((answer.access_token, Duration::from_secs(u64::try_from(answer.expires_in).unwrap_or(0))))
}
