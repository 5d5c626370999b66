//! Section `[<service>.traces]`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tonic::metadata::{Ascii, AsciiMetadataKey, MetadataValue};

use super::{Fault, Secret, Validate, duration};

/// `[<service>.traces]`: the collector that is told which call caused what (docs/TRACING.md). Never needed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// `http://host:4317` or `https://…` of a collector that takes OTLP over gRPC. Empty: nothing is recorded.
    pub endpoint: String,
    /// What is sent along with each request, such as `authorization=Bearer%20…`: `key=value`, separated by commas.
    pub headers: Secret,
    /// File (PEM) of the authorities that an `https://` collector is believed by.
    pub ca: PathBuf,
    /// Which part of the calls is recorded of which nobody decides who is trusted: 0 to 1.
    pub sample_ratio: Ratio,
    /// Whether everybody who calls is believed when they say that a call is recorded: only where a gateway of your own sets
    /// `traceparent` on every call.
    pub trust_callers: bool,
    /// The service's name to the collector. Empty: `messaging-service` and the like.
    pub service_name: String,
    /// More that is said of the service, such as `deployment.environment.name=production`: `key=value`, separated by commas.
    pub resource_attributes: String,
    /// How long the collector may take for a request.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Spans that wait for the collector; more are dropped and counted.
    pub queue: usize,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            headers: Secret::default(),
            ca: PathBuf::new(),
            sample_ratio: Ratio(1.0),
            trust_callers: false,
            service_name: String::new(),
            resource_attributes: String::new(),
            timeout: Duration::from_secs(5),
            queue: 4096,
        }
    }
}

/// Not `key=value`, or not allowed where it is to stand.
#[derive(Debug, thiserror::Error)]
#[error("must be key=value, separated by commas, with what is special percent-encoded")]
pub struct NotPairs;

impl Traces {
    /// The headers, read.
    ///
    /// # Errors
    /// [`NotPairs`].
    pub fn headers(&self) -> Result<Vec<(AsciiMetadataKey, MetadataValue<Ascii>)>, NotPairs> {
        let header = |(key, value): (String, String)| {
            let mut value = MetadataValue::try_from(value).map_err(|_| NotPairs)?;
            value.set_sensitive(true);
            Ok((key.to_lowercase().parse().map_err(|_| NotPairs)?, value))
        };
        pairs(self.headers.expose())?.into_iter().map(header).collect()
    }

    /// The attributes, read.
    ///
    /// # Errors
    /// [`NotPairs`].
    pub fn attributes(&self) -> Result<Vec<(String, String)>, NotPairs> {
        pairs(&self.resource_attributes)
    }

    /// The name of service `service` to the collector.
    pub fn service_name(&self, service: &str) -> String {
        if self.service_name.is_empty() { format!("{service}-service") } else { self.service_name.clone() }
    }
}

/// A list as OpenTelemetry's environment variables have it.
fn pairs(text: &str) -> Result<Vec<(String, String)>, NotPairs> {
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().map(String::from).map_err(|_| NotPairs);
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((decoded(key)?, decoded(value)?)),
        _ => Err(NotPairs),
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

impl Validate for Traces {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        let mut rule = |ok: bool, key: &str, problem: &str| {
            if !ok {
                faults.push(Fault::new(format!("{section}.{key}"), problem));
            }
        };
        let url = url_of(&self.endpoint);
        rule(
            self.endpoint.is_empty() || url.is_some(),
            "endpoint",
            "must be http://host:port or https://host:port of a collector that takes OTLP over gRPC; what it wants to know of who sends \
             goes into headers, which are not shown",
        );
        let needs_ca = self.endpoint.starts_with("https:");
        rule(!needs_ca || !self.ca.as_os_str().is_empty(), "ca", "must be set for an https:// collector");
        rule(self.headers().is_ok(), "headers", &NotPairs.to_string());
        rule(self.attributes().is_ok(), "resource_attributes", &NotPairs.to_string());
        rule((1..=1_000_000).contains(&self.queue), "queue", "must be 1 to 1000000");
        rule(self.timeout >= Duration::from_millis(10), "timeout", "must be at least 10ms");
    }
}

fn url_of(text: &str) -> Option<http::Uri> {
    let uri: http::Uri = text.parse().ok()?;
    // A password there would be shown and logged.
    let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    (matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && is_plain).then_some(uri)
}

/// A part of a whole: 0 to 1. Numbers and, since the environment has nothing else, texts of numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Ratio(f64);

impl Ratio {
    /// The ratio, if it is one.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// As a number.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadRatio)
    }
}

struct ReadRatio;

impl Visitor<'_> for ReadRatio {
    type Value = Ratio;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Ratio, E> {
        Ratio::new(value).ok_or_else(|| E::custom("must be a number from 0 to 1"))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Ratio, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Ratio, E> {
        self.visit_f64(value.trim().parse().unwrap_or(f64::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    fn read(toml: &str, environment: &[(&str, &str)]) -> (Traces, Vec<String>) {
        #[derive(Default, Deserialize, Serialize)]
        #[serde(default)]
        struct Service {
            traces: Traces,
        }
        impl Validate for Service {
            fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
                self.traces.validate(&format!("{section}.traces"), faults);
            }
        }
        let environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let source = Source::from_parts(toml, "test.toml", environment).expect("TOML");
        let mut faults = vec![];
        let service: Service = source.section("user", &mut faults);
        (service.traces, faults.into_iter().map(|fault| fault.key).collect())
    }

    #[test]
    fn a_ratio_is_read_from_files_and_from_the_environment() {
        for toml in ["0.25", "'0.25'"] {
            let (traces, faults) = read(&format!("[user.traces]\nsample_ratio = {toml}"), &[]);
            assert_eq!((traces.sample_ratio.value(), faults.len()), (0.25, 0));
        }
        for (text, ratio) in [("0", 0.0), ("1", 1.0), ("0.5", 0.5)] {
            let (traces, faults) = read("", &[("NOVA_USER__TRACES__SAMPLE_RATIO", text)]);
            assert_eq!((traces.sample_ratio.value(), faults.len()), (ratio, 0));
        }
        for bad in ["2", "-0.1", "'half'", "true", "nan"] {
            assert_eq!(read(&format!("[user.traces]\nsample_ratio = {bad}"), &[]).1, ["user.traces.sample_ratio"]);
        }
    }

    #[test]
    fn every_fault_is_named() {
        let toml = "[user.traces]\nendpoint = 'https://there:4317'\nheaders = 'x'\nresource_attributes = '=y'\nqueue = 0\n\
                    timeout = '1ms'";
        let keys = ["ca", "headers", "resource_attributes", "queue", "timeout"];
        assert_eq!(read(toml, &[]).1, keys.map(|key| format!("user.traces.{key}")));
        for endpoint in ["there:4317", "ftp://there", "http://", "http://u:secret@there:4317"] {
            assert_eq!(read(&format!("[user.traces]\nendpoint = '{endpoint}'"), &[]).1, ["user.traces.endpoint"]);
        }
    }

    #[test]
    fn lists_are_read_as_opentelemetry_writes_them() {
        let toml =
            "[user.traces]\nheaders = 'authorization=Bearer%20a%3Db, x-tenant=1'\nresource_attributes = 'a.b=c,'";
        let (traces, faults) = read(toml, &[]);
        let headers = traces.headers().expect("pairs");
        let headers: Vec<_> =
            headers.iter().map(|(key, value)| (key.as_str(), value.to_str().expect("ASCII"))).collect();
        assert_eq!((headers, faults.len()), (vec![("authorization", "Bearer a=b"), ("x-tenant", "1")], 0));
        assert_eq!(traces.attributes().expect("pairs"), [("a.b".to_owned(), "c".to_owned())]);
        assert_eq!(traces.service_name("user"), "user-service");
    }
}
