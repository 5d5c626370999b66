//! Strict-Transport-Security (RFC 6797): browsers that have come over HTTPS once do not come in plaintext any more.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use http::HeaderValue;
use http::header::{HOST, STRICT_TRANSPORT_SECURITY};

/// Puts it on every answer, for `age`; `routes` are reached over TLS only.
pub(crate) fn announce(routes: Router, age: Duration) -> Router {
    if age.is_zero() {
        return routes;
    }
    let value = HeaderValue::from_str(&format!("max-age={}", age.as_secs())).expect("letters and digits");
    routes.layer(from_fn(move |request: Request, next: Next| {
        let (value, is_named) = (value.clone(), is_named(&request));
        async move {
            let mut response = next.run(request).await;
            if is_named {
                response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, value);
            }
            response
        }
    }))
}

/// Whether the request is for a host by its name. For addresses the header has no meaning; for localhost it would lock a
/// developer's browser out of every other project on that machine, whatever its port.
fn is_named(request: &Request) -> bool {
    let header = || request.headers().get(HOST)?.to_str().ok()?.parse().ok();
    let Some(authority) = request.uri().authority().cloned().or_else(header) else { return false };
    let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
    host != "localhost" && !host.ends_with(".localhost") && host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_hosts_with_a_name_are_pinned() {
        let by_header =
            |host: &str| is_named(&Request::get("/").header(HOST, host).body(Body::empty()).expect("valid"));
        let by_uri = |uri: &str| is_named(&Request::get(uri).body(Body::empty()).expect("valid"));
        assert!(by_header("nova.example.org") && by_header("nova.example.org:8443"));
        assert!(by_uri("https://nova.example.org/livez"));
        for host in ["localhost", "LOCALHOST:8000", "app.localhost", "127.0.0.1:8000", "[::1]:8000", ""] {
            assert!(!by_header(host), "{host}");
        }
        assert!(!by_uri("/") && !by_uri("https://127.0.0.1:8000/"));
    }
}
