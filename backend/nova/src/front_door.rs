//! The pages of the front door: what `web/` builds, embedded, so that building Nova needs Rust alone.
//!
//! They are served under a policy that lets them load and call nothing but this server: a text of somebody else that found its
//! way into a page as markup could still not run, fetch or tell anything.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What no page of Nova asks a browser for.
const PERMISSIONS: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), midi=(), display-capture=()";

const HTML: &str = "text/html; charset=utf-8";
const PEOPLE: &[u8] = include_bytes!("../../../web/dist/index.html");

/// A file and where it is served.
struct Asset {
    path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

/// The page for people is at the paths of the links in mails as well: which view it opens, it reads from its own address.
const ASSETS: [Asset; 8] = [
    Asset { path: "/", kind: HTML, body: PEOPLE },
    Asset { path: "/reset-password", kind: HTML, body: PEOPLE },
    Asset { path: "/verify-email", kind: HTML, body: PEOPLE },
    Asset { path: "/admin", kind: HTML, body: include_bytes!("../../../web/dist/admin.html") },
    Asset {
        path: "/assets/app.js",
        kind: "text/javascript; charset=utf-8",
        body: include_bytes!("../../../web/dist/app.js"),
    },
    Asset {
        path: "/assets/admin.js",
        kind: "text/javascript; charset=utf-8",
        body: include_bytes!("../../../web/dist/admin.js"),
    },
    Asset {
        path: "/assets/style.css",
        kind: "text/css; charset=utf-8",
        body: include_bytes!("../../../web/dist/style.css"),
    },
    Asset { path: "/assets/icon.svg", kind: "image/svg+xml", body: include_bytes!("../../../web/dist/icon.svg") },
];

/// Every page and what it is made of.
pub fn routes() -> Router {
    ASSETS.iter().fold(Router::new(), |routes, asset| {
        let headers = Arc::new(headers(asset));
        routes.route(asset.path, get(move |asked: HeaderMap| async move { answer(asset.body, &headers, &asked) }))
    })
}

/// Browsers ask each time and are told that they have it already, so that a page and its scripts are of one build.
fn answer(body: &'static [u8], headers: &HeaderMap, asked: &HeaderMap) -> Response {
    let is_known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|tag| headers.get(ETAG).is_some_and(|own| tag.trim() == "*" || tag.trim() == own));
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers.clone()).into_response();
    }
    (headers.clone(), body).into_response()
}

fn headers(asset: &Asset) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (ETAG, etag(asset.body)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
    ])
}

/// A weak tag: the same file is sent in several encodings.
fn etag(body: &[u8]) -> HeaderValue {
    let hash = digest(&SHA256, body);
    let short: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("W/\"{short}\"")).expect("hexadecimal digits are visible characters")
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, known: Option<&HeaderValue>) -> Response {
        let mut request = Request::get(path);
        if let Some(tag) = known {
            request = request.header(IF_NONE_MATCH, tag);
        }
        routes().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
    }

    #[tokio::test]
    async fn every_asset_is_served_with_its_type_and_the_policy() {
        for asset in &ASSETS {
            let response = ask(asset.path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{}", asset.path);
            let headers = response.headers();
            assert_eq!(headers[CONTENT_TYPE], asset.kind, "{}", asset.path);
            assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY, "{}", asset.path);
            assert_eq!(headers[CACHE_CONTROL], "no-cache", "{}", asset.path);
            assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{}", asset.path);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{}", asset.path);
            assert!(headers.contains_key("permissions-policy"), "{}", asset.path);
            let body = to_bytes(response.into_body(), usize::MAX).await.expect("the body");
            assert!(body == asset.body && !body.is_empty(), "{}", asset.path);
        }
    }

    #[tokio::test]
    async fn who_has_an_asset_is_told_so_without_a_body() {
        for asset in &ASSETS {
            let tag = etag(asset.body);
            let response = ask(asset.path, Some(&tag)).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{}", asset.path);
            assert_eq!(response.headers()[ETAG], tag, "{}", asset.path);
            assert!(to_bytes(response.into_body(), 1).await.expect("no body").is_empty(), "{}", asset.path);
            let other = HeaderValue::from_static("W/\"another\"");
            assert_eq!(ask(asset.path, Some(&other)).await.status(), StatusCode::OK, "{}", asset.path);
        }
    }

    #[tokio::test]
    async fn what_is_no_asset_is_not_found() {
        for path in ["/assets/", "/assets/app.ts", "/assets/../Cargo.toml", "/index.html", "/admin/people"] {
            assert_eq!(ask(path, None).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn pages_name_only_assets_that_are_there_and_hold_no_inline_script_or_style() {
        for asset in ASSETS.iter().filter(|asset| asset.kind == HTML) {
            let page = std::str::from_utf8(asset.body).expect("UTF-8");
            let named = page.match_indices("/assets/").map(|(at, _)| page[at..].split('"').next().unwrap_or_default());
            for path in named {
                assert!(ASSETS.iter().any(|asset| asset.path == path), "{path} is named by {}", asset.path);
            }
            assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("javascript:"));
            assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
        }
    }
}
