//! What is known of the other end of a connection beside what it says in its calls.

use std::sync::Arc;

use crate::{Caller, Denied};

/// Put into the extensions of every request by what accepts connections.
#[derive(Clone, Debug)]
pub enum Peer {
    /// The port asks nobody who they are: a service's token is enough.
    Unasked,
    /// Another part of this process.
    SameProcess,
    /// The port believes a service's token only together with that service's certificate.
    Asked {
        /// The first name in the certificate that the peer has shown and proved; none if it has shown none.
        name: Option<Arc<str>>,
        /// The names that services have in their certificates.
        services: Arc<[String]>,
    },
}

impl Peer {
    /// Refuses a caller with the token of a service whose certificate this peer does not have. The certificate of the service
    /// `user` is for `user` or `user-service`, or for such a name followed by a domain.
    ///
    /// # Errors
    /// [`Denied::NotThatService`].
    pub fn vouch_for(&self, caller: &Caller) -> Result<(), Denied> {
        let (Self::Asked { name, services }, Some(client_id)) = (self, caller.client_id()) else { return Ok(()) };
        let name = name.as_deref().filter(|name| services.iter().any(|service| service == name));
        let named = name.and_then(|name| name.strip_prefix(client_id)).is_some_and(|rest| {
            let rest = rest.strip_prefix("-service").unwrap_or(rest);
            rest.is_empty() || rest.starts_with('.')
        });
        if named { Ok(()) } else { Err(Denied::NotThatService) }
    }
}

#[cfg(test)]
mod tests {
    use ids::{SessionId, UserId};

    use super::*;

    fn asked(name: Option<&str>) -> Peer {
        let services = ["user-service", "messaging", "auth-service.nova.svc.cluster.local", "user-servicer"];
        Peer::Asked { name: name.map(Arc::from), services: services.map(str::to_owned).into() }
    }

    #[test]
    fn a_service_is_believed_with_its_own_certificate_only() {
        let service = |id: &str| Caller::of_service(id.to_owned(), 0);
        for (id, name) in
            [("user", "user-service"), ("messaging", "messaging"), ("auth", "auth-service.nova.svc.cluster.local")]
        {
            assert_eq!(asked(Some(name)).vouch_for(&service(id)), Ok(()), "{id} {name}");
        }
        for (id, name) in [
            ("messaging", Some("user-service")),
            ("user", None),
            ("user", Some("user")),
            ("user", Some("user-service.elsewhere.example")),
            ("user", Some("user-servicer")),
            ("", Some("messaging")),
        ] {
            assert_eq!(asked(name).vouch_for(&service(id)), Err(Denied::NotThatService), "{id} {name:?}");
        }
        for peer in [Peer::Unasked, Peer::SameProcess] {
            assert_eq!(peer.vouch_for(&service("user")), Ok(()));
        }
    }

    #[test]
    fn people_need_no_certificate() {
        let now = "2026-06-01T12:00:00Z".parse().expect("a time");
        let person = Caller::of_person(UserId::generate(now), SessionId::generate(now), vec![], 0);
        assert_eq!(asked(None).vouch_for(&person), Ok(()));
    }
}
