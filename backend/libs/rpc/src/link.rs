//! One exchange with a peer: a place among the calls under way, an address, the request there and the answer back.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::body::Body;
use tonic::{Code, Status, TimeoutExpired};
use tower::{BoxError, ServiceExt};

use crate::Bounds;
use crate::address::{Address, Admission};
use crate::addresses::Addresses;
use crate::breaker::Outcome;
use crate::budget::Budget;
use crate::dial::NoConnection;
use crate::fault::Fault;
use crate::meters::{Counted, Meters};

/// Most bytes of an answer that is no stream: what tonic takes by default, and the frame's header.
const MAX_ANSWER: usize = 4 * 1024 * 1024 + 5;
/// A peer that had this share of its time-out, and has not answered, doesn't answer.
const PATIENCE: u32 = 5;

/// What all channels to one peer share.
pub(crate) struct Link {
    pub meters: Arc<Meters>,
    pub budget: Budget,
    addresses: Addresses,
    places: Semaphore,
    max_wait: Duration,
    patience: Duration,
}

/// What kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One answer.
    Call,
    /// An answer that goes on.
    Stream,
    /// One answer, for one task of our own: it is let through whatever happened.
    Upkeep,
}

/// An answer, and its status if that is not OK.
pub(crate) struct Answer {
    pub response: http::Response<Body>,
    pub status: Option<Status>,
}

/// No answer.
pub(crate) struct Miss {
    pub fault: Fault,
    pub way: Way,
}

/// How far a call without an answer has come.
pub(crate) enum Way {
    /// It was not let through.
    Refused,
    /// There was no connection to this address.
    NotConnected(Arc<Address>),
    /// The connection to this address was closed before the call was on it.
    NotSent(Arc<Address>),
    /// The peer may have acted on it.
    Sent(Arc<Address>),
}

impl Link {
    pub fn new(addresses: Addresses, bounds: &Bounds, timeout: Duration, meters: Arc<Meters>) -> Self {
        Self {
            meters,
            budget: Budget::new(bounds.retry_percent),
            addresses,
            places: Semaphore::new(bounds.max_in_flight.min(Semaphore::MAX_PERMITS)),
            max_wait: bounds.max_wait,
            patience: timeout / PATIENCE,
        }
    }

    /// A place among the calls under way, for which it is waited a little.
    pub async fn enter(&self, kind: Kind) -> Result<(Option<SemaphorePermit<'_>>, Counted), Fault> {
        let permit = match kind {
            Kind::Upkeep => None,
            Kind::Call | Kind::Stream => match tokio::time::timeout(self.max_wait, self.places.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                Ok(Err(_)) | Err(_) => {
                    self.meters.refused_full.increment(1);
                    return Err(Fault::Full(self.max_wait));
                }
            },
        };
        Ok((permit, Counted::new(&self.meters.in_flight)))
    }

    /// Sends a request to an address that has not been `tried`, if there is one, and waits for the answer: for all of it, unless it
    /// is a stream. So whoever begins to answer and stops is found out too, and a status in the trailers is seen.
    pub async fn exchange(
        &self,
        request: http::Request<Body>,
        kind: Kind,
        tried: &[Arc<Address>],
    ) -> Result<Answer, Miss> {
        let admission = match self.addresses.admit(tried, kind == Kind::Upkeep, self.patience).await {
            Ok(admission) => admission,
            Err(fault) => {
                if matches!(fault, Fault::Open(_)) {
                    self.meters.refused_open.increment(1);
                }
                return Err(Miss { fault, way: Way::Refused });
            }
        };
        let response = match admission.channel().oneshot(request).await {
            Ok(response) => response,
            Err(error) => return Err(missed(error.into(), admission, tried)),
        };
        let answer = match kind {
            Kind::Stream => Ok(read(response, None)),
            Kind::Call | Kind::Upkeep => whole(response).await,
        };
        match answer {
            Ok(answer) => {
                match answer.status.as_ref().map_or(Code::Ok, Status::code) {
                    Code::Unavailable => admission.settle(Outcome::Ill),
                    Code::DeadlineExceeded => admission.give_up(),
                    _ => admission.settle(Outcome::Well),
                }
                Ok(answer)
            }
            Err(fault) => {
                let address = Arc::clone(admission.address());
                admission.settle(Outcome::Ill);
                Err(Miss { fault, way: Way::Sent(address) })
            }
        }
    }

    /// Whether there is another address than those tried.
    pub fn has_other_than(&self, tried: &[Arc<Address>]) -> bool {
        self.addresses.has_other_than(tried)
    }
}

/// Settles a call that was let through and got no answer.
fn missed(error: BoxError, admission: Admission, tried: &[Arc<Address>]) -> Miss {
    let address = Arc::clone(admission.address());
    // tonic's channels look at `grpc-timeout` too.
    if cause::<TimeoutExpired>(&*error).is_some() {
        admission.give_up();
        return Miss { fault: Fault::Late, way: Way::Sent(address) };
    }
    let (outcome, way) = if cause::<NoConnection>(&*error).is_some() {
        (Outcome::Ill, Way::NotConnected(address))
    } else if cause::<hyper::Error>(&*error).is_some_and(hyper::Error::is_canceled) || was_passed_over(&*error) {
        // Once, that is how a connection ends; whoever closes the next one too is ill. (hyper gives a request back that it has not
        // begun to send.)
        let is_again = tried.iter().any(|tried| Arc::ptr_eq(tried, &address));
        (if is_again { Outcome::Ill } else { Outcome::Unknown }, Way::NotSent(address))
    } else {
        (Outcome::Ill, Way::Sent(address))
    };
    admission.settle(outcome);
    Miss { fault: Fault::Unreachable(error), way }
}

/// Whether the peer said, when its connection went away in good order, that it has not looked at the request (RFC 9113, 6.8): it came
/// after the last one that it answers. That is all that a request can end with so; one that it has looked at goes on.
fn was_passed_over(error: &(dyn Error + 'static)) -> bool {
    cause::<h2::Error>(error)
        .is_some_and(|e| e.is_go_away() && e.is_remote() && e.reason() == Some(h2::Reason::NO_ERROR))
}

/// The first of an error's causes that is a `T`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

async fn whole(response: http::Response<Body>) -> Result<Answer, Fault> {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(body) => body,
        Err(error) if error.is::<LengthLimitError>() => return Err(Fault::TooLarge(MAX_ANSWER)),
        Err(error) => return Err(Fault::Unreachable(error)),
    };
    let trailers = body.trailers().cloned();
    Ok(read(http::Response::from_parts(parts, Body::new(body)), trailers.as_ref()))
}

/// With the status, which stands among the headers where nothing follows them, else in the trailers. What is no gRPC (a proxy's on
/// the way, say) becomes a status by HTTP's.
fn read(response: http::Response<Body>, trailers: Option<&http::HeaderMap>) -> Answer {
    let told = Status::from_header_map(response.headers()).or_else(|| Status::from_header_map(trailers?));
    let inferred = match response.status().as_u16() {
        200 => None,
        429 | 502..=504 => Some(Status::unavailable("no gRPC answer")),
        _ => Some(Status::unknown("no gRPC answer")),
    };
    match (told, inferred) {
        (None, Some(status)) => Answer { response: status.clone().into_http(), status: Some(status) },
        (told, _) => Answer { response, status: told.filter(|status| status.code() != Code::Ok) },
    }
}
