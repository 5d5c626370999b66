//! The pool against a real PostgreSQL: what it does when calls are abandoned and when the database goes away.

use std::time::{Duration, Instant};

use errors::{Classify, Kind};
use pg::request::InRequest;
use pg::{Error, Pool, PoolConfig};
use sqlx::Executor;
use sqlx::migrate::Migrator;
use testkit::{ChaosProxy, TestDatabase, eventually};

static MIGRATOR: Migrator = sqlx::migrate!("tests/migrations");
const SOON: Duration = Duration::from_secs(10);

fn pool(url: &str) -> Pool {
    Pool::new(PoolConfig {
        url: url.to_owned(),
        application_name: "pg-test".to_owned(),
        max_connections: 2,
        acquire_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(5),
        pgbouncer: false,
        plans_by_index: false,
    })
    .expect("a valid address")
}

async fn running_sleeps(pool: &Pool) -> i64 {
    let mut conn = pool.conn().await.expect("a connection");
    sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()")
        .fetch_one(&mut *conn)
        .await
        .expect("counted")
}

async fn count(pool: &Pool) -> i64 {
    let mut conn = pool.conn().await.expect("a connection");
    sqlx::query_scalar("SELECT count(*) FROM numbers").fetch_one(&mut *conn).await.expect("counted")
}

#[tokio::test]
async fn an_abandoned_call_cancels_its_query() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let (pool, watcher) = (pool(&database.url), pool(&database.url));
    let call = async {
        let mut conn = pool.conn().await.expect("a connection");
        let _ = conn.execute("SELECT pg_sleep(60)").await;
    };
    let mut call = Box::pin(InRequest::new(call));
    tokio::select! {
        () = &mut call => panic!("it sleeps for a minute"),
        () = eventually("the query runs", SOON, async || (running_sleeps(&watcher).await == 1).then_some(())) => {}
    }
    drop(call); // the deadline passed, or the client left
    eventually("the query is cancelled", SOON, async || (running_sleeps(&watcher).await == 0).then_some(())).await;
    assert_eq!(count(&pool).await, 0, "the pool goes on with another connection");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_and_its_connection_used_again() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let pool = pool(&database.url);
    for n in 0..20 {
        let mut tx = pool.begin().await.expect("a transaction");
        tx.execute("INSERT INTO numbers VALUES (1)").await.expect("locks are free again");
        if n == 19 {
            tx.commit().await.expect("committed");
        }
    }
    assert_eq!(count(&pool).await, 1);
}

#[tokio::test]
async fn constraints_are_known_by_name() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let pool = pool(&database.url);
    let mut conn = pool.conn().await.expect("a connection");
    conn.execute("INSERT INTO numbers VALUES (1)").await.expect("inserted");
    let error = Error::from(conn.execute("INSERT INTO numbers VALUES (1)").await.expect_err("a repeat"));
    assert!(error.is_constraint("numbers_pkey"));
    assert!(!error.is_constraint("numbers_other"));
    assert_eq!(error.class().kind(), Kind::Internal);
}

#[tokio::test]
async fn no_free_connection_is_told_in_time() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let pool = pool(&database.url);
    let _held = (pool.conn().await.expect("one"), pool.conn().await.expect("two"));
    let error = pool.conn().await.err().expect("there are only two");
    assert!(matches!(error, Error::PoolTimeout), "{error}");
    assert_eq!(error.class().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_lost_database_is_unavailable_at_once_and_comes_back_by_itself() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let (proxy, url) = ChaosProxy::before_postgres(&database.url).await;
    let pool = pool(&url);
    let (one, two) = (pool.conn().await.expect("one"), pool.conn().await.expect("two"));
    drop((one, two));
    proxy.cut();
    for _ in 0..6 {
        let asked = Instant::now();
        let error = async {
            let mut conn = pool.conn().await?;
            conn.execute("SELECT 1").await?;
            Ok::<_, Error>(())
        }
        .await
        .expect_err("the database is gone");
        assert_eq!(error.class().kind(), Kind::Unavailable, "{error}");
        assert!(asked.elapsed() < Duration::from_secs(2), "at once, not after {:?}", asked.elapsed());
    }
    proxy.mend();
    assert_eq!(count(&pool).await, 0);
    assert_eq!(count(&pool).await, 0);
}

#[tokio::test]
async fn pending_migrations_are_counted_and_applied_once() {
    let database = TestDatabase::new(&MIGRATOR).await;
    let pool = pool(&database.url);
    let mut conn = pool.conn().await.expect("a connection");
    conn.execute("DROP TABLE numbers; DROP TABLE _sqlx_migrations").await.expect("back to nothing");
    assert_eq!(pg::pending(pool.config(), &MIGRATOR).await.expect("counted"), 1);
    let both = tokio::join!(pg::migrate(pool.config(), &MIGRATOR), pg::migrate(pool.config(), &MIGRATOR));
    assert!(both.0.is_ok() && both.1.is_ok(), "replicas may start at once: {both:?}");
    assert_eq!(pg::pending(pool.config(), &MIGRATOR).await.expect("counted"), 0);
}
