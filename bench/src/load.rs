//! A closed loop of calls, and what it measured.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tonic::Status;

/// How much, over what, for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// Calls in flight.
    pub in_flight: usize,
    /// Connections that they share.
    pub connections: usize,
    /// How long to measure.
    pub time: Duration,
}

/// What a measurement found.
pub struct Report {
    per_second: f64,
    latency: Histogram<u64>,
    errors: u64,
    first_error: Option<Status>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |q| self.latency.value_at_quantile(q) as f64 / 1000.0;
        write!(f, "{:.0} | {:.2} | {:.2} | {}", self.per_second, ms(0.5), ms(0.99), self.errors)?;
        match &self.first_error {
            Some(status) => write!(f, " ({:?}: {})", status.code(), status.message()),
            None => Ok(()),
        }
    }
}

impl Load {
    /// Runs `call(worker, n)` again and again in as many tasks as there may be calls in flight.
    pub async fn run<F, Fut>(&self, call: F) -> anyhow::Result<Report>
    where
        F: Fn(usize, u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Status>> + Send + 'static,
    {
        let (call, measuring, stop) =
            (Arc::new(call), Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut workers = Vec::with_capacity(self.in_flight);
        for worker in 0..self.in_flight {
            let (call, measuring, stop) = (Arc::clone(&call), Arc::clone(&measuring), Arc::clone(&stop));
            workers.push(tokio::spawn(async move {
                let mut latency = Histogram::<u64>::new(3)?;
                let (mut errors, mut first_error) = (0u64, None);
                for n in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let begun = Instant::now();
                    let answer = call(worker, n).await;
                    let took = u64::try_from(begun.elapsed().as_micros())?;
                    if measuring.load(Ordering::Relaxed) {
                        match answer {
                            Ok(()) => latency.record(took.max(1))?,
                            Err(status) => {
                                errors += 1;
                                first_error.get_or_insert(status);
                            }
                        }
                    }
                }
                anyhow::Ok((latency, errors, first_error))
            }));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        measuring.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        tokio::time::sleep(self.time).await;
        measuring.store(false, Ordering::Relaxed);
        let took = begun.elapsed();
        stop.store(true, Ordering::Relaxed);

        let mut report = Report { per_second: 0.0, latency: Histogram::new(3)?, errors: 0, first_error: None };
        for worker in workers {
            let (latency, errors, first_error) = worker.await??;
            report.latency.add(&latency)?;
            report.errors += errors;
            report.first_error = report.first_error.or(first_error);
        }
        report.per_second = report.latency.len() as f64 / took.as_secs_f64();
        Ok(report)
    }
}
