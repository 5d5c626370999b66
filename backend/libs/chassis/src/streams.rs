//! Server streams that are open, and what ends one from this side: its caller's token, its deadline, its connection's age, the end
//! of the process.
//!
//! One task looks after all streams of a service, and wakes a stream only to end it. So ten thousand idle streams cost ten
//! thousand comparisons twice a second, but no timers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use authn::{Caller, Verifier};
use axum::body::{Body, Bytes};
use errors::status_of;
use futures::task::AtomicWaker;
use http::HeaderMap;
use http_body::Frame;
use metrics::{Counter, Gauge, Histogram, describe_counter, describe_gauge, describe_histogram};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, Sleep, interval, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::call_trace;
use crate::config::Listen;
use crate::exemplars::Exemplars;
use crate::refusal::{Refusal, code_of, explain};

/// How often callers are looked at whose token may have expired, or whose connection may have become old. A session that ends is seen at once.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at least, however many sessions end.
const REST: Duration = Duration::from_millis(50);

/// What is measured of an RPC.
pub(crate) struct Meters {
    pub duration: Histogram,
    pub exemplars: Arc<Exemplars>,
    pub outcomes: [Counter; 17],
    /// Streams that are open; only of an RPC that streams.
    pub open: Option<Gauge>,
}

impl Meters {
    /// Says what each is.
    pub fn describe() {
        describe_counter!("nova_rpc_calls_total", "Calls that are over, by RPC and gRPC code; REST's are among them");
        describe_histogram!("nova_rpc_duration_seconds", "How long calls took; of a stream, how long it was open");
        describe_gauge!("nova_rpc_streams_open", "Streams that are open, by RPC");
        describe_gauge!("nova_rpc_streams_max", "Most streams that may be open");
        describe_counter!(
            "nova_rpc_service_calls_total",
            "Calls of Nova's own services, which are not limited, by RPC"
        );
    }

    /// A call is over.
    pub fn record(&self, started: Instant, code: usize, span: Option<&traces::Span>) {
        let took = started.elapsed();
        self.duration.record(took);
        if let Some(span) = span {
            self.exemplars.note(took, span);
        }
        self.outcomes[code].increment(1);
    }
}

/// The streams of one service.
pub(crate) struct Streams {
    domain: &'static str,
    verifier: Arc<Verifier>,
    room: Arc<Semaphore>,
    open: Mutex<Open>,
    emptied: Notify,
    /// What every stream ends with when the process does: made, and logged, once.
    goodbye: OnceLock<Status>,
    /// The same of streams whose connection is old.
    farewell: OnceLock<Status>,
}

#[derive(Default)]
struct Open {
    is_draining: bool,
    /// Number of the next stream.
    next: u64,
    watched: HashMap<u64, Arc<Watched>>,
}

/// What is known of a stream to who looks after it.
struct Watched {
    caller: Option<Caller>,
    /// When its connection is too old for it.
    retires_at: Option<Instant>,
    ending: OnceLock<Refusal>,
    waker: AtomicWaker,
}

impl Watched {
    fn end(&self, why: Refusal) {
        if self.ending.set(why).is_ok() {
            self.waker.wake();
        }
    }
}

/// A stream that is about to be opened.
pub(crate) struct Opening {
    /// Its place among the streams.
    pub place: OwnedSemaphorePermit,
    /// Who asked for it.
    pub caller: Option<Caller>,
    /// Where it is counted.
    pub meters: Arc<Meters>,
    /// When it was asked for.
    pub started: Instant,
    /// When its caller wants it to end.
    pub until: Option<Instant>,
    /// When its connection is too old for it.
    pub retires_at: Option<Instant>,
    /// What a trace says of it.
    pub span: Option<traces::Span>,
}

impl Streams {
    pub fn new(domain: &'static str, verifier: Arc<Verifier>, most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most));
        let (goodbye, farewell) = (OnceLock::new(), OnceLock::new());
        Self { domain, verifier, room, open: Mutex::default(), emptied: Notify::new(), goodbye, farewell }
    }

    /// A place for one more stream.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.lock().is_draining {
            return Err(Refusal::Draining);
        }
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| Refusal::TooManyStreams)
    }

    /// Begins to look after the body of an answer. What is logged of it later is logged in the present span.
    pub fn open(self: &Arc<Self>, body: Body, opening: Opening) -> Body {
        let watched = Arc::new(Watched {
            caller: opening.caller,
            retires_at: opening.retires_at,
            ending: OnceLock::new(),
            waker: AtomicWaker::new(),
        });
        let number = {
            let mut open = self.lock();
            if open.is_draining {
                watched.end(Refusal::Draining);
            }
            let number = open.next;
            open.next += 1;
            open.watched.insert(number, Arc::clone(&watched));
            number
        };
        if let Some(gauge) = &opening.meters.open {
            gauge.increment(1);
        }
        Body::new(Stream {
            inner: Some(body),
            watched,
            number,
            streams: Arc::clone(self),
            until: opening.until.map(|until| Box::pin(sleep_until(until))),
            meters: opening.meters,
            started: opening.started,
            trace: opening.span,
            span: tracing::Span::current(),
            _place: opening.place,
        })
    }

    /// Ends streams whose callers may not go on, and all of them when the process accepts no more; then waits for them.
    pub async fn look_after(self: Arc<Self>, draining: CancellationToken, listen: Listen) -> anyhow::Result<()> {
        let end = async {
            draining.cancelled().await;
            // Whoever comes back is to find another replica, so load balancers must have noticed.
            sleep(listen.drain_delay).await;
        };
        tokio::select! {
            () = end => {}
            () = self.look() => {}
        }
        self.end_all();
        // Streams on connections that were upgraded are nobody else's to wait for.
        let _ = timeout(listen.shutdown_grace, self.until_empty()).await;
        Ok(())
    }

    /// Runs for ever.
    async fn look(&self) {
        let mut revocations = self.verifier.revocations();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The sender lives in the verifier.
                _ = revocations.changed() => {}
            }
            self.end_refused();
            sleep(REST).await;
        }
    }

    fn end_refused(&self) {
        let now = Instant::now();
        let refusal = |watched: &Watched| {
            let denied = watched.caller.as_ref().and_then(|caller| self.verifier.still_valid(caller).err());
            let is_retired = watched.retires_at.is_some_and(|at| at <= now);
            denied.map(Refusal::from).or_else(|| is_retired.then_some(Refusal::Retired))
        };
        let refused = |watched: &Arc<Watched>| Some((Arc::clone(watched), refusal(watched)?));
        // Whoever is woken may want the lock.
        let refused: Vec<_> = self.lock().watched.values().filter_map(refused).collect();
        refused.into_iter().for_each(|(watched, refusal)| watched.end(refusal));
    }

    fn end_all(&self) {
        let all: Vec<_> = {
            let mut open = self.lock();
            open.is_draining = true;
            open.watched.values().cloned().collect()
        };
        all.iter().for_each(|watched| watched.end(Refusal::Draining));
    }

    async fn until_empty(&self) {
        while !self.lock().watched.is_empty() {
            self.emptied.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer that streams: what the service sends, until either side ends it.
struct Stream {
    /// None once it has ended.
    inner: Option<Body>,
    watched: Arc<Watched>,
    number: u64,
    streams: Arc<Streams>,
    until: Option<Pin<Box<Sleep>>>,
    meters: Arc<Meters>,
    started: Instant,
    trace: Option<traces::Span>,
    span: tracing::Span,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// Lets the service's part go, and counts.
    fn close(&mut self, code: usize) {
        if self.inner.take().is_some() {
            let trace = self.trace.take();
            self.meters.record(self.started, code, trace.as_ref());
            if let Some(trace) = trace {
                call_trace::end(&trace, code);
            }
            let (code, seconds) =
                (Code::from_i32(i32::try_from(code).unwrap_or(2)), self.started.elapsed().as_secs_f64());
            tracing::debug!(?code, seconds, "the stream has ended");
        }
    }

    fn end(&mut self, why: &Refusal) -> Frame<Bytes> {
        let mut trailers = HeaderMap::new();
        let status = || status_of(self.streams.domain, why);
        // An empty map takes a status.
        let _ = match why {
            Refusal::Draining => self.streams.goodbye.get_or_init(status).add_header(&mut trailers),
            Refusal::Retired => self.streams.farewell.get_or_init(status).add_header(&mut trailers),
            _ => status().add_header(&mut trailers),
        };
        self.close(code_of(&trailers));
        Frame::trailers(trailers)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        // In this order: what is set after the look wakes.
        self.watched.waker.register(cx.waker());
        let watched = Arc::clone(&self.watched);
        if let Some(why) = watched.ending.get() {
            return Poll::Ready(Some(self.end(why)));
        }
        if self.until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(self.end(&Refusal::StreamOver)));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| http_body::Body::poll_frame(Pin::new(inner), cx)));
        let Ok(polled) = polled else { return Poll::Ready(Some(self.end(&Refusal::Panicked))) };
        let frame = match ready!(polled) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(self.end(&Refusal::Broken(error)))),
            None => return Poll::Ready(Some(self.end(&Refusal::Broken(axum::Error::new("without a status"))))),
        };
        Poll::Ready(Some(match frame.into_trailers() {
            Ok(mut trailers) => {
                explain(self.streams.domain, &mut trailers);
                self.close(code_of(&trailers));
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }))
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let span = this.span.clone();
        span.in_scope(|| this.poll(cx)).map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Without an end of its own: the client has left.
        let span = self.span.clone();
        span.in_scope(|| self.close(Code::Cancelled as usize));
        if let Some(gauge) = &self.meters.open {
            gauge.decrement(1);
        }
        let mut open = self.streams.lock();
        open.watched.remove(&self.number);
        if open.watched.is_empty() {
            self.streams.emptied.notify_one();
        }
    }
}
