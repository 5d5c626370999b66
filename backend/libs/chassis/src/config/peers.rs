//! The other services, and how they are reached.

use std::time::Duration;

use rpc::{Bounds, Credentials, Dial, Doorway, PeerChannel};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Fault, PeerBounds, PeersTls, Plaintext, Secret, Validate, duration};
use crate::Lifecycle;

/// `[<service>.peers]`: the other services, and who we are to them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// gRPC address of the auth service.
    pub auth_url: String,
    /// gRPC address of the user service.
    pub user_url: String,
    /// gRPC address of the messaging service.
    pub messaging_url: String,
    /// Name in the auth service's certificate. Empty: the host of its address.
    pub auth_name: String,
    /// Name in the user service's certificate. Empty: the host of its address.
    pub user_name: String,
    /// Name in the messaging service's certificate. Empty: the host of its address.
    pub messaging_name: String,
    /// Where calls without TLS are allowed: `loopback`, or `behind-a-proxy` if a proxy or mesh does TLS on the way.
    pub plaintext: Plaintext,
    /// How long a call to a peer may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Our client id at the auth service. Empty: the service's own name.
    pub client_id: String,
    /// Our client secret at the auth service.
    pub client_secret: Secret,
    /// Whom we believe, and what we show them.
    pub tls: PeersTls,
    /// What calls to each of them may cost.
    pub bounds: PeerBounds,
    /// The way to the peers where this process serves them itself; set by its program, whatever the addresses are.
    #[serde(skip)]
    pub doorway: Option<Doorway>,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            auth_url: "http://127.0.0.1:9080".to_owned(),
            user_url: "http://127.0.0.1:9081".to_owned(),
            messaging_url: "http://127.0.0.1:9085".to_owned(),
            auth_name: String::new(),
            user_name: String::new(),
            messaging_name: String::new(),
            plaintext: Plaintext::Loopback,
            timeout: Duration::from_secs(2),
            client_id: String::new(),
            client_secret: Secret::default(),
            tls: PeersTls::default(),
            bounds: PeerBounds::default(),
            doorway: None,
        }
    }
}

impl Peers {
    /// How peers are reached; `service` is our client id at the auth service where none is configured.
    ///
    /// # Errors
    /// With a sentence that names the file, if one of TLS can't be used.
    pub fn open(&self, service: &str, life: &Lifecycle) -> anyhow::Result<OpenPeers> {
        let bounds = self.bounds.bounds();
        let dialer = Dialer::open(&self.tls, self.doorway.clone(), life)?;
        let user = dialer.peer(&self.user_url, &self.user_name, self.timeout)?;
        let messaging = dialer.peer(&self.messaging_url, &self.messaging_name, self.timeout)?;
        let auth = dialer.peer(&self.auth_url, &self.auth_name, self.timeout)?.open("auth", &bounds)?;
        let client_id = if self.client_id.is_empty() { service } else { &self.client_id };
        let credentials = Credentials::new(auth.clone(), client_id, self.client_secret.to_secret_string());
        Ok(OpenPeers { auth: auth.with(credentials.clone()), user, messaging, bounds, credentials })
    }
}

/// The peers of a service, called with our identity, issued by the auth service.
pub struct OpenPeers {
    auth: PeerChannel,
    user: rpc::Peer,
    messaging: rpc::Peer,
    bounds: Bounds,
    credentials: Credentials,
}

impl OpenPeers {
    /// The auth service.
    pub fn auth(&self) -> PeerChannel {
        self.auth.clone()
    }

    /// The user service, with connections and bounds of this channel's own.
    ///
    /// # Errors
    /// If its address can't be read.
    pub fn user(&self) -> anyhow::Result<PeerChannel> {
        Ok(self.user.open("user", &self.bounds)?.with(self.credentials.clone()))
    }

    /// The messaging service, with connections and bounds of this channel's own.
    ///
    /// # Errors
    /// If its address can't be read.
    pub fn messaging(&self) -> anyhow::Result<PeerChannel> {
        Ok(self.messaging.open("messaging", &self.bounds)?.with(self.credentials.clone()))
    }
}

/// Turns addresses into peers.
pub struct Dialer {
    client: Option<tls::Client>,
    doorway: Option<Doorway>,
}

impl Dialer {
    /// A dialer with these files of TLS. With a doorway all peers are in this process.
    ///
    /// # Errors
    /// With a sentence that names the file, if one can't be used.
    pub fn open(tls: &PeersTls, doorway: Option<Doorway>, life: &Lifecycle) -> anyhow::Result<Self> {
        let client = tls.files().map(|files| life.certificates().client(&files)).transpose()?;
        Ok(Self { client, doorway })
    }

    /// The peer at `url`, whose certificate is for `name`, or for the host of `url` if that is empty.
    ///
    /// # Errors
    /// If `name` is none, or there is no authority to check an `https://` address with.
    pub fn peer(&self, url: &str, name: &str, timeout: Duration) -> anyhow::Result<rpc::Peer> {
        let dial = match (&self.doorway, &self.client) {
            (Some(doorway), _) => Dial::Inside(doorway.clone()),
            (None, _) if !url.starts_with("https:") => Dial::Plain,
            (None, Some(client)) => {
                let name = if name.is_empty() { None } else { Some(ServerName::try_from(name.to_owned())?) };
                Dial::Tls { client: client.clone(), name }
            }
            (None, None) => anyhow::bail!("{url} can't be called: there is no authority to check its certificate with"),
        };
        Ok(rpc::Peer { url: url.to_owned(), dial, timeout })
    }
}

impl Validate for Peers {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        for (name, url, certificate_name) in [
            ("auth", &self.auth_url, &self.auth_name),
            ("user", &self.user_url, &self.user_name),
            ("messaging", &self.messaging_url, &self.messaging_name),
        ] {
            self.tls.validate_peer(section, (name, url), certificate_name, self.plaintext, faults);
        }
        self.tls.validate(section, faults);
        self.bounds.validate(&format!("{section}.bounds"), faults);
        if self.timeout.is_zero() {
            faults.push(Fault::new(format!("{section}.timeout"), "must not be 0"));
        }
    }
}
