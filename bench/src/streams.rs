//! Streams of events: how late they are under load, and what ten thousand idle ones cost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use protos::messaging::v1::StreamEventsRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::stream_events_response::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::data::{Data, Person};
use crate::load::Load;
use crate::nova::Nova;

/// How long a stream may take to open, and the last event to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// Idle streams that are opened at once.
const AT_ONCE: usize = 64;

/// What a send cost its sender, and when the other side was told.
pub struct Lateness {
    sends: f64,
    acknowledged: Histogram<u64>,
    received: Histogram<u64>,
}

impl std::fmt::Display for Lateness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |of: &Histogram<u64>, q| of.value_at_quantile(q) as f64 / 1000.0;
        let (acked, received) = (&self.acknowledged, &self.received);
        write!(f, "{:.0} | {:.2} | {:.2} | ", self.sends, ms(acked, 0.5), ms(acked, 0.99))?;
        write!(f, "{:.2} | {:.2}", ms(received, 0.5), ms(received, 0.99))
    }
}

/// Sends into direct conversations while the other side of each listens at `listen_at`, which may be another replica.
/// So many sends a second are begun, whether those before are answered or not (an open loop).
///
/// # Errors
/// If a message does not reach its listener exactly once.
pub async fn lateness(
    load: &Load,
    nova: &Nova,
    listen_at: &[Channel],
    data: &Data,
    per_second: u32,
) -> anyhow::Result<Lateness> {
    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let told: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let mut listeners = JoinSet::new();
    for (n, person) in data.people.iter().enumerate() {
        let mut client = MessagingServiceClient::new(listen_at[n % listen_at.len()].clone());
        let mut stream = client.stream_events(person.request(StreamEventsRequest::default())).await?.into_inner();
        let (told, me) = (Arc::clone(&told), person.id.clone());
        listeners.spawn(async move {
            while let Some(event) = stream.message().await? {
                let now = Instant::now();
                if let Some(Event::MessageSent(message)) = event.event
                    && message.sender_id != me
                {
                    let before = told.lock().unwrap_or_else(PoisonError::into_inner).insert(message.id, now);
                    ensure!(before.is_none(), "an event was told twice");
                }
            }
            anyhow::Ok(())
        });
    }
    let channels = nova.channels(load.connections).await?;
    let mut sends = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
    let begun = Instant::now();
    for n in 0.. {
        ticks.tick().await;
        if begun.elapsed() >= load.time {
            break;
        }
        let talk = &data.direct[n % data.direct.len()];
        let request = data.people[talk.member].request(data.message(talk));
        let mut client = MessagingServiceClient::new(channels[n % channels.len()].clone());
        let (sent, data) = (Arc::clone(&sent), data.clone());
        sends.spawn(async move {
            let at = Instant::now();
            let answer = client.send_message(request).await?.into_inner();
            let took = at.elapsed();
            let id = answer.message.context("a message")?.id;
            sent.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), at);
            data.acknowledge(id);
            anyhow::Ok(took)
        });
    }
    let took = begun.elapsed();
    let mut acknowledged = Histogram::<u64>::new(3)?;
    while let Some(answer) = sends.join_next().await {
        acknowledged.record(u64::try_from(answer??.as_micros())?.max(1))?;
    }
    let count = |of: &Mutex<HashMap<String, Instant>>| of.lock().unwrap_or_else(PoisonError::into_inner).len();
    let deadline = Instant::now() + PATIENCE;
    while count(&told) < count(&sent) {
        ensure!(Instant::now() < deadline, "{} of {} messages were told", count(&told), count(&sent));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    listeners.abort_all();
    let mut received = Histogram::<u64>::new(3)?;
    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    for (id, at) in sent.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let heard = told.get(id).context("a message was not told")?;
        received.record(u64::try_from(heard.duration_since(*at).as_micros())?.max(1))?;
    }
    Ok(Lateness { sends: acknowledged.len() as f64 / took.as_secs_f64(), acknowledged, received })
}

/// How idle streams reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// gRPC, a hundred streams a connection.
    Grpc,
    /// Server-Sent Events, each on a connection of its own.
    Sse,
}

/// What idle streams cost the process that holds them.
pub struct Idle {
    pub streams: usize,
    pub resident_before_mib: u64,
    pub resident_mib: u64,
    /// Share of one core.
    pub cpu: f64,
}

/// Opens streams, lets them be for a while, and looks at the process; they are `people`'s in turn.
///
/// # Errors
/// If a stream does not open.
pub async fn idle(nova: &Nova, people: &[Person], streams: usize, spelling: Spelling) -> anyhow::Result<Idle> {
    let resident_before_mib = nova.resident_mib()?;
    let channels = nova.channels(if spelling == Spelling::Grpc { streams.div_ceil(100) } else { 0 }).await?;
    let mut opening = JoinSet::new();
    let mut open = JoinSet::new();
    for n in 0..streams {
        let person = &people[n % people.len()];
        match spelling {
            Spelling::Grpc => {
                let mut client = MessagingServiceClient::new(channels[n / 100].clone());
                let request = person.request(StreamEventsRequest::default());
                opening.spawn(async move {
                    let mut stream = client.stream_events(request).await?.into_inner();
                    stream.message().await?.context("a heartbeat")?;
                    anyhow::Ok(Box::pin(async move { while let Ok(Some(_)) = stream.message().await {} }) as Held)
                });
            }
            Spelling::Sse => {
                let request = person.get("/api/v1/events");
                let port = nova.port();
                opening.spawn(async move {
                    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
                    socket.write_all(request.as_bytes()).await?;
                    let mut bytes = [0; 1024];
                    let read = socket.read(&mut bytes).await?;
                    ensure!(bytes[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes[..read]));
                    anyhow::Ok(Box::pin(
                        async move { while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {} },
                    ) as Held)
                });
            }
        }
        if opening.len() >= AT_ONCE {
            open.spawn(opening.join_next().await.context("there is one")???);
        }
    }
    while let Some(held) = opening.join_next().await {
        open.spawn(held??);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (cpu_before, at) = (nova.cpu_time()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(20)).await;
    let cpu = (nova.cpu_time()? - cpu_before).as_secs_f64() / at.elapsed().as_secs_f64();
    let resident_mib = nova.resident_mib()?;
    ensure!(open.len() == streams, "a stream was forgotten");
    ensure!(open.try_join_next().is_none(), "a stream ended while it was held");
    Ok(Idle { streams, resident_before_mib, resident_mib, cpu })
}

type Held = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
