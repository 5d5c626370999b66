//! From start to stop: who runs, who asked for the end, and whether it was a clean one.

use std::fmt::Display;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use clock::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::process;

/// The life of a process: everything that it spawns has a name here, and ends with it. Cheap to clone.
#[derive(Clone)]
pub struct Lifecycle(Arc<Inner>);

struct Inner {
    clock: Clock,
    draining: CancellationToken,
    stop: CancellationToken,
    hurry: CancellationToken,
    listeners: TaskTracker,
    workers: TaskTracker,
    failure: Mutex<Option<anyhow::Error>>,
    certificates: Arc<tls::Store>,
    looked_after: Once,
    gauges: Mutex<Vec<Gauges>>,
}

/// Writes gauges just before they are read.
type Gauges = Arc<dyn Fn() + Send + Sync>;

impl Lifecycle {
    /// A life that takes its time from `clock`.
    pub fn new(clock: Clock) -> Self {
        crate::telemetry::metrics(); // counters made before the recorder would count nowhere
        process::started(clock.now());
        Self(Arc::new(Inner {
            certificates: Arc::new(tls::Store::new(clock.clone())),
            looked_after: Once::new(),
            clock,
            draining: CancellationToken::new(),
            stop: CancellationToken::new(),
            hurry: CancellationToken::new(),
            listeners: TaskTracker::new(),
            workers: TaskTracker::new(),
            failure: Mutex::default(),
            gauges: Mutex::default(),
        }))
    }

    /// The one clock.
    pub fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// The process's certificates; from the first use on they are read again when their files change, and on SIGHUP.
    pub fn certificates(&self) -> &tls::Store {
        self.0.looked_after.call_once(|| self.spawn_droppable("certificates", Arc::clone(&self.0.certificates).run()));
        &self.0.certificates
    }

    /// Has `write` called just before the process's metrics are read, at whichever port that is: where services share a process,
    /// each port shows the gauges of all.
    pub fn on_scrape(&self, write: Arc<dyn Fn() + Send + Sync>) {
        self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner).push(write);
    }

    /// The process's metrics in Prometheus' text form, as they are now.
    pub(crate) fn scrape(&self) -> String {
        let gauges = self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        gauges.iter().for_each(|write| write());
        let mut text = crate::telemetry::metrics().render();
        process::write(&mut text, self.0.clock.now());
        text
    }

    /// Cancelled when no new calls are to be accepted.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    /// Cancelled when calls have ended and workers are to finish.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Runs a worker until it ends or the process stops. A worker that ends early stops the process: better a restart
    /// than a process that only seems to work.
    pub fn spawn(&self, name: &'static str, worker: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let life = self.clone();
        self.0.workers.spawn(async move {
            // Tasks of a worker that panics end here too.
            let ended = tokio::spawn(worker).await;
            let cause = match ended {
                // While draining, what feeds a worker may go away before the worker is told to stop.
                Ok(Ok(())) if life.0.draining.is_cancelled() => return,
                _ if life.0.stop.is_cancelled() => return,
                Ok(Ok(())) => anyhow::anyhow!("worker {name} ended before its time"),
                Ok(Err(error)) => error.context(format!("worker {name} failed")),
                Err(panic) => anyhow::Error::new(panic).context(format!("worker {name} panicked")),
            };
            life.fail(cause);
        });
    }

    /// Runs a worker that has nothing to finish: it is dropped at the stop, wherever it waits.
    pub fn spawn_droppable(&self, name: &'static str, worker: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.spawn(name, async move {
            stop.run_until_cancelled(worker).await;
            Ok(())
        });
    }

    /// Runs a piece of work that has an end; it is dropped at the stop if it is not there by then.
    pub fn spawn_once(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.spawn_droppable(name, async move {
            work.await;
            std::future::pending::<()>().await;
        });
    }

    pub(crate) fn spawn_listener(&self, listener: impl Future<Output = ()> + Send + 'static) {
        self.0.listeners.spawn(listener);
    }

    /// Stops the process because something broke.
    pub fn fail(&self, cause: anyhow::Error) {
        tracing::error!("stopping: {cause:#}");
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
        self.0.draining.cancel();
    }

    /// Asks for the end, as a signal does.
    pub fn shut_down(&self) {
        self.0.draining.cancel();
    }

    /// From now on SIGTERM and SIGINT ask for the end; a second one asks for it at once. To be called first, so that a
    /// start can be interrupted too.
    ///
    /// # Errors
    /// If the process can't listen for signals.
    pub fn listen_for_signals(&self) -> std::io::Result<()> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let life = self.clone();
        tokio::spawn(async move {
            for asked in [&life.0.draining, &life.0.hurry] {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                tracing::info!("{name}: stopping");
                asked.cancel();
            }
        });
        Ok(())
    }

    /// Waits for a start, unless the end is asked for before it is done. A start that fails stops the process.
    pub async fn start<T>(&self, start: impl Future<Output = anyhow::Result<T>>) -> Option<T> {
        match self.0.draining.run_until_cancelled(start).await? {
            Ok(started) => Some(started),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Waits until the end is asked for or something fails, then stops: calls under way end, new ones are refused, workers
    /// finish. A second signal ends the wait at once.
    ///
    /// # Errors
    /// What made the process stop, if nobody asked for it.
    pub async fn run(&self) -> anyhow::Result<()> {
        self.0.draining.cancelled().await;
        if self.0.hurry.run_until_cancelled(self.stop()).await.is_none() {
            tracing::warn!("stopping at once, calls under way are cut off");
        }
        match self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(cause) => Err(cause),
            None => Ok(()),
        }
    }

    /// Stops and waits: first the listeners (each with its own grace), then the workers.
    pub async fn stop(&self) {
        self.0.draining.cancel();
        self.0.listeners.close();
        self.0.listeners.wait().await;
        self.0.stop.cancel();
        self.0.workers.close();
        if tokio::time::timeout(Duration::from_secs(10), self.0.workers.wait()).await.is_err() {
            tracing::warn!("some workers did not finish within 10 s");
        }
        // They hold what they measure: pools are to close their connections now.
        self.0.gauges.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Runs a program: prints what stopped it as one readable chain and turns it into the exit code.
pub fn exit_code<E: Display>(result: Result<(), E>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::gauge;

    use super::*;

    #[test]
    fn every_port_shows_the_gauges_of_all_that_share_the_process() {
        let life = Lifecycle::new(Clock::system());
        for (name, value) in [("auth", 1.0), ("user", 2.0)] {
            let gauge = gauge!("nova_test_gauge", "of" => name);
            life.clone().on_scrape(Arc::new(move || gauge.set(value)));
        }
        let text = life.scrape();
        assert!(text.contains("nova_test_gauge{of=\"auth\"} 1\n") && text.contains("nova_test_gauge{of=\"user\"} 2\n"));
        assert_eq!(text.matches("# TYPE process_cpu_seconds_total counter\n").count(), 1);
    }
}
