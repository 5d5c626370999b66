//! `/metrics` for who asks for OpenMetrics: what the exporter writes for Prometheus, in the other form, and with exemplars.

use std::fmt::Write;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};

use crate::exemplars::{self, Exemplars};

const TYPE: &str = "application/openmetrics-text";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics in the form that is asked for.
pub(crate) fn answer(headers: &HeaderMap, text: String) -> Response {
    let (kind, text) =
        if is_wanted(headers) { (OPENMETRICS, translate(&text, &exemplars::all())) } else { (PROMETHEUS, text) };
    ([(CONTENT_TYPE, kind), (VARY, "accept")], text).into_response()
}

fn is_wanted(headers: &HeaderMap) -> bool {
    let kinds =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    kinds.into_iter().any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let is_it = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(TYPE));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f64>);
        is_it && weight.is_ok_and(|weight| weight > 0.0)
    })
}

/// From Prometheus' text to OpenMetrics': families of counters lose the `_total` that their samples keep, bounds are written as
/// numbers with a point, nothing is empty, and the end is marked.
fn translate(text: &str, exemplars: &[Arc<Exemplars>]) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut counter = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(about) = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            let (name, rest) = about.split_once(' ').unwrap_or((about, ""));
            let is_type = line.starts_with("# TYPE ");
            // A counter's help comes before its type: there the name tells.
            let is_counter = if is_type { rest == "counter" } else { name.ends_with("_total") };
            let family = if is_counter { name.strip_suffix("_total").unwrap_or(name) } else { name };
            if is_type {
                counter = is_counter.then(|| name.to_owned());
            }
            let word = if is_type { "TYPE" } else { "HELP" };
            let rest = if rest == "untyped" && is_type { "unknown" } else { rest };
            let _ = writeln!(out, "# {word} {family} {rest}");
            continue;
        }
        sample(&mut out, line, counter.as_deref(), exemplars);
    }
    out.push_str("# EOF\n");
    out
}

/// One sample: `name{labels} value`.
fn sample(out: &mut String, line: &str, counter: Option<&str>, exemplars: &[Arc<Exemplars>]) {
    let (name, rest) = line.find(['{', ' ']).map_or((line, ""), |at| line.split_at(at));
    out.push_str(name);
    if counter == Some(name) && !name.ends_with("_total") {
        out.push_str("_total");
    }
    let Some((labels, value, bound)) = bucket(name, rest) else {
        out.push_str(rest);
        out.push('\n');
        return;
    };
    let is_whole = !bound.contains(['.', 'e', 'I']);
    let le = if is_whole { format!("{bound}.0") } else { bound.to_owned() };
    let written = format!("le=\"{bound}\"");
    let _ = write!(out, "{{{}}}{value}", labels.replacen(&written, &format!("le=\"{le}\""), 1));
    let metric = name.trim_end_matches("_bucket");
    let bound = bound.parse().unwrap_or(f64::INFINITY);
    if let Some(exemplar) = exemplars.iter().find_map(|exemplars| exemplars.find(metric, labels, bound)) {
        let _ = write!(out, " # {exemplar}");
    }
    out.push('\n');
}

/// Labels, value and bound of a histogram's bucket.
fn bucket<'t>(name: &str, rest: &'t str) -> Option<(&'t str, &'t str, &'t str)> {
    if !name.ends_with("_bucket") {
        return None;
    }
    let (labels, value) = rest.strip_prefix('{')?.rsplit_once('}')?;
    let (_, after) = labels.split_once("le=\"")?;
    let (bound, _) = after.split_once('"')?;
    Some((labels, value, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_histograms_and_the_end_are_written_as_openmetrics_wants_them() {
        let text = "# HELP calls_total How many.\n# TYPE calls_total counter\ncalls_total{code=\"Ok\"} 3\n\n\
                    # TYPE odd counter\nodd 1\n\n# TYPE open gauge\nopen 2\n\n# TYPE took_seconds histogram\n\
                    took_seconds_bucket{m=\"a\",le=\"1\"} 1\ntook_seconds_bucket{m=\"a\",le=\"+Inf\"} 1\n\
                    took_seconds_sum{m=\"a\"} 0.5\ntook_seconds_count{m=\"a\"} 1\n\n";
        assert_eq!(
            translate(text, &[]),
            "# HELP calls How many.\n# TYPE calls counter\ncalls_total{code=\"Ok\"} 3\n\
             # TYPE odd counter\nodd_total 1\n# TYPE open gauge\nopen 2\n# TYPE took_seconds histogram\n\
             took_seconds_bucket{m=\"a\",le=\"1.0\"} 1\ntook_seconds_bucket{m=\"a\",le=\"+Inf\"} 1\n\
             took_seconds_sum{m=\"a\"} 0.5\ntook_seconds_count{m=\"a\"} 1\n# EOF\n"
        );
    }

    #[test]
    fn openmetrics_are_for_who_asks_for_them() {
        let asks = |accept: &str| is_wanted(&HeaderMap::from_iter([(ACCEPT, accept.parse().expect("a header"))]));
        assert!(asks("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2"));
        assert!(asks("text/plain, application/openmetrics-text"));
        for accept in ["text/plain", "*/*", "application/openmetrics-text;q=0", "application/openmetrics-text;q=x"] {
            assert!(!asks(accept), "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
