//! Log lines in JSON that say which call, and which span of a trace, they belong to.
//!
//! The format of `tracing-subscriber` shows the innermost span only, in which what is known of the call does not stand; so the
//! ids are put at the end of each line's object.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A format whose lines are JSON objects, with the ids.
pub(crate) struct WithIds<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (call, span) = (rpc::current(), traces::current().span);
        if call.is_none() && span.is_none() {
            return self.0.format_event(ctx, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(ctx, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let Some(object) = line.strip_suffix('}') else { return writeln!(writer, "{line}") };
        write!(writer, "{object}")?;
        if let Some(call) = call {
            // Checked when it came: nothing in it has to be escaped.
            write!(writer, ",\"request_id\":\"{}\"", call.request_id)?;
        }
        if let Some(span) = span {
            let context = span.context();
            write!(writer, ",\"trace_id\":\"{}\",\"span_id\":\"{}\"", context.trace_id(), context.span_id())?;
        }
        writeln!(writer, "}}")
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use rpc::CallContext;
    use tracing_subscriber::fmt::layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_line_says_which_call_and_which_span_it_belongs_to() {
        let lines = Lines::default();
        let writer = lines.clone();
        let json = layer().with_writer(move || writer.clone()).json().flatten_event(true);
        let subscriber = tracing_subscriber::registry().with(json.map_event_format(WithIds));
        let _here = tracing::subscriber::set_default(subscriber);

        let (clock, _hands) = testkit::mock_clock();
        let channel = tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
        let collector =
            traces::Collector { channel, headers: vec![], timeout: std::time::Duration::from_secs(1), queue: 8 };
        let identity = traces::Identity { service: "test".to_owned(), version: "0", attributes: vec![] };
        let (tracer, _exporter) = traces::Tracer::new("test", &identity, clock, 1.0, false, collector);
        let current = tracer.answer(traces::Incoming::default(), false, || "a call".to_owned(), Instant::now());
        let ids = current.span.as_ref().expect("recorded").context();
        let context =
            CallContext { deadline: tokio::time::Instant::now(), request_id: "a-request".into(), is_retry: false };
        let call = async {
            let inner = tracing::info_span!("inner");
            inner.in_scope(|| tracing::info!(n = 1, "within"));
        };
        rpc::scope(context, traces::scope(current, call)).await;
        tracing::info!("without");

        let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
        let mut objects = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        let (within, without) = (objects.next().expect("a line"), objects.next().expect("a line"));
        assert_eq!((&within["request_id"], &within["n"]), (&"a-request".into(), &1.into()));
        assert_eq!(within["trace_id"], ids.trace_id().to_string());
        assert_eq!(within["span_id"], ids.span_id().to_string());
        assert_eq!((&without["message"], without.get("trace_id")), (&"without".into(), None));
    }
}
