//! From the answer of BlockUser to that of the last message that is still taken (promise G6), across processes.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use protos::messaging::v1::SendMessageRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use super::cast::Cast;
use super::crowd::Crowd;

const ROUNDS: usize = 200;
/// Longer than a replica may believe what it knows.
const TOO_LONG: Duration = Duration::from_secs(5);

/// Measures it at the messaging service that the user service calls, and at a replica that it does not.
pub async fn measure(kafka: bool) -> anyhow::Result<()> {
    let mut cast = Cast::start(kafka).await?;
    let replica = cast.replica().await?;
    let crowd = Crowd::gather(&cast).await?;
    let called = MessagingServiceClient::new(cast.channel("messaging")?);
    let other = MessagingServiceClient::new(replica.channel.clone());
    println!("| messages through | bus | p50 ms | p99 ms | longest ms |\n|---|---|---:|---:|---:|");
    let bus = if kafka { "Kafka" } else { "log" };
    row("the replica that BlockUser calls", bus, &rounds(&crowd, &called).await?);
    row("another replica", bus, &rounds(&crowd, &other).await?);
    cast.end_bus().await?;
    row("the replica that BlockUser calls", "down", &rounds(&crowd, &called).await?);
    row("another replica", "down", &rounds(&crowd, &other).await?);
    drop(replica);
    cast.stop().await
}

fn row(through: &str, bus: &str, times: &Histogram<u64>) {
    let ms = |micros: u64| micros as f64 / 1000.0;
    let [p50, p99] = [0.5, 0.99].map(|q| ms(times.value_at_quantile(q)));
    println!("| {through} | {bus} | {p50:.1} | {p99:.1} | {:.1} |", ms(times.max()));
}

async fn rounds(crowd: &Crowd, messaging: &MessagingServiceClient<Channel>) -> anyhow::Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    for round in 0..ROUNDS {
        let ((one, other), talk) = crowd.direct(round);
        let send = async || {
            let message = SendMessageRequest {
                conversation_id: talk.to_owned(),
                content: Some("some words".to_owned()),
                ..Default::default()
            };
            messaging.clone().send_message(crowd.request(other, message)).await
        };
        // Known to be allowed, so that there is something to forget.
        let begun = Instant::now();
        while send().await.is_err() {
            ensure!(begun.elapsed() < TOO_LONG, "an unblocked person is refused");
        }
        crowd.block_one(one, other).await.context("BlockUser")?;
        let blocked = Instant::now();
        let mut last_taken = Duration::ZERO;
        loop {
            match send().await {
                Err(status) if status.code() == Code::FailedPrecondition => break,
                Err(status) => anyhow::bail!("{status}"),
                Ok(_) => last_taken = blocked.elapsed(),
            }
            ensure!(last_taken < TOO_LONG, "a blocked person is never refused");
        }
        times.record(u64::try_from(last_taken.as_micros())?)?;
        crowd.unblock_one(one, other).await.context("UnblockUser")?;
    }
    Ok(times)
}
