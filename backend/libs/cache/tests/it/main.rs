//! What is remembered is never older than it may be, and never from before it was forgotten.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use cache::{Cache, Record, Terms};
use tokio::sync::{Semaphore, oneshot};

const KEY: u32 = 7;

#[derive(Debug, PartialEq)]
struct Version(i64);

impl Record for Version {
    fn version(&self) -> i64 {
        self.0
    }
}

fn for_ever() -> Cache<u32, Version, String> {
    Cache::new("test", Terms { max_age: Duration::from_secs(600), capacity: 100 })
}

fn answer<E>(version: i64) -> Result<Option<Arc<Version>>, Arc<E>> {
    Ok(Some(Arc::new(Version(version))))
}

async fn found(version: i64) -> Result<Option<Version>, String> {
    Ok(Some(Version(version)))
}

#[tokio::test]
async fn what_was_read_is_remembered_until_it_is_forgotten() {
    let cache = for_ever();
    assert_eq!(cache.get_or_read(KEY, || found(1)).await, answer(1));
    assert_eq!(cache.get_or_read(KEY, || found(2)).await, answer(1));
    cache.forget(KEY);
    assert_eq!(cache.get(KEY), None);
    assert_eq!(cache.get_or_read(KEY, || found(3)).await, answer(3));
}

#[tokio::test]
async fn absence_and_errors_are_not_remembered() {
    let cache = for_ever();
    let absent = cache.get_or_read(KEY, || async { Ok(None) }).await;
    assert_eq!(absent, Ok(None));
    let failed = cache.get_or_read(KEY, || async { Err("broken".to_owned()) }).await;
    assert_eq!(failed, Err(Arc::new("broken".to_owned())));
    assert_eq!(cache.get_or_read(KEY, || found(1)).await, answer(1));
}

#[tokio::test]
async fn nothing_is_served_that_is_as_old_as_it_may_be() {
    let cache: Cache<u32, Version, Infallible> = Cache::new("test", Terms { max_age: Duration::ZERO, capacity: 100 });
    let reads = AtomicI64::new(0);
    for n in 1..=3 {
        let read = || std::future::ready(Ok(Some(Version(reads.fetch_add(1, Ordering::SeqCst) + 1))));
        assert_eq!(cache.get_or_read(KEY, read).await, answer(n));
    }
}

#[tokio::test]
async fn age_counts_from_before_the_read() {
    let max_age = Duration::from_millis(20);
    let cache: Cache<u32, Version, String> = Cache::new("test", Terms { max_age, capacity: 100 });
    let ticket = cache.ticket(KEY);
    let begun = std::time::Instant::now();
    while begun.elapsed() < max_age {
        tokio::task::yield_now().await;
    }
    cache.put(KEY, ticket, Arc::new(Version(1)));
    assert_eq!(cache.get(KEY), None, "its answer was on its way for as long as it may be old");
}

#[tokio::test]
async fn an_answer_from_before_a_change_is_not_remembered() {
    let cache = for_ever();
    let (tell, awaited) = oneshot::channel();
    let read = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get_or_read(KEY, || async { Ok(awaited.await.ok()) }).await })
    };
    tokio::task::yield_now().await;
    cache.forget(KEY);
    // Whoever comes now does not wait for the old answer either.
    assert_eq!(cache.get_or_read(KEY, || found(2)).await, answer(2));
    tell.send(Version(1)).unwrap();
    assert_eq!(read.await.unwrap(), answer(1), "who asked before may see what was before");
    assert_eq!(cache.get(KEY), Some(Arc::new(Version(2))));
}

#[test]
fn a_lower_version_never_takes_the_place_of_a_higher_one() {
    let cache = for_ever();
    let (early, late) = (cache.ticket(KEY), cache.ticket(KEY));
    cache.put(KEY, early, Arc::new(Version(2)));
    cache.put(KEY, late, Arc::new(Version(1)));
    assert_eq!(cache.get(KEY), Some(Arc::new(Version(2))));
    cache.put(KEY, late, Arc::new(Version(3)));
    cache.put(KEY, early, Arc::new(Version(3)));
    assert_eq!(cache.get(KEY), Some(Arc::new(Version(3))));
    // A record that begins anew is another after it was forgotten.
    cache.forget(KEY);
    cache.put(KEY, late, Arc::new(Version(4)));
    assert_eq!(cache.get(KEY), None);
    cache.put(KEY, cache.ticket(KEY), Arc::new(Version(1)));
    assert_eq!(cache.get(KEY), Some(Arc::new(Version(1))));
}

#[tokio::test]
async fn many_who_ask_at_once_ask_once() {
    let cache = for_ever();
    let [came, reads] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let mut waiting = vec![];
    for _ in 0..100 {
        let (cache, gate, came, reads) = (cache.clone(), Arc::clone(&gate), Arc::clone(&came), Arc::clone(&reads));
        waiting.push(tokio::spawn(async move {
            let read = || async move {
                reads.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                Err::<Option<Version>, _>("all hear of it".to_owned())
            };
            came.fetch_add(1, Ordering::SeqCst);
            cache.get_or_read(KEY, read).await
        }));
    }
    // The runtime has one thread: who has come waits when this goes on.
    while came.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(100);
    for one in waiting {
        assert_eq!(one.await.unwrap(), Err(Arc::new("all hear of it".to_owned())));
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn who_leaves_first_takes_the_answer_from_nobody() {
    let cache = for_ever();
    let (tell, awaited) = oneshot::channel();
    let first = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get_or_read(KEY, || async { Ok(awaited.await.ok()) }).await })
    };
    tokio::task::yield_now().await;
    let second = {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get_or_read(KEY, || async { panic!("it is being read") }).await })
    };
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    tell.send(Version(1)).unwrap();
    assert_eq!(second.await.unwrap(), answer(1));
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_ends() {
    let cache = for_ever();
    let (held, ended) = oneshot::channel::<()>();
    let only = {
        let cache = cache.clone();
        let read = || async move {
            let _held = held;
            std::future::pending().await
        };
        tokio::spawn(async move { cache.get_or_read(KEY, read).await })
    };
    tokio::task::yield_now().await;
    only.abort();
    assert!(only.await.unwrap_err().is_cancelled());
    assert!(ended.await.is_err(), "the read was dropped");
    assert_eq!(cache.get_or_read(KEY, || found(1)).await, answer(1));
}

/// Writers change a number and forget it, readers must never see one that was replaced before they began.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_a_race_nobody_sees_what_was_replaced_before_they_began() {
    let (cache, truth) = (for_ever(), Arc::new(AtomicI64::new(0)));
    let acknowledged = Arc::new(AtomicI64::new(0));
    let writer = {
        let (cache, truth, acknowledged) = (cache.clone(), Arc::clone(&truth), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            for n in 1..=2000 {
                truth.store(n, Ordering::SeqCst);
                tokio::task::yield_now().await;
                cache.forget(KEY);
                acknowledged.store(n, Ordering::SeqCst);
            }
        })
    };
    let mut readers = vec![];
    for _ in 0..4 {
        let (cache, truth, acknowledged) = (cache.clone(), Arc::clone(&truth), Arc::clone(&acknowledged));
        readers.push(tokio::spawn(async move {
            while acknowledged.load(Ordering::SeqCst) < 2000 {
                let floor = acknowledged.load(Ordering::SeqCst);
                let truth = Arc::clone(&truth);
                let read = || async move {
                    let value = truth.load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok(Some(Version(value)))
                };
                let seen = cache.get_or_read(KEY, read).await.unwrap().unwrap();
                assert!(seen.0 >= floor, "{} after {floor} was acknowledged", seen.0);
                tokio::task::yield_now().await;
            }
        }));
    }
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}
