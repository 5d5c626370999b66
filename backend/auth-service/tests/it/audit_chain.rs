//! The audit log can't be changed: the tables refuse it, and what is done all the same shows.

use std::time::Duration;

use auth_service::app::audit;
use auth_service::model::audit_chain::CHAINS;
use auth_service::verify::{Fault, Report, verify_audit};
use sealing::{MasterKey, MasterKeys};
use sqlx::PgConnection;
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{World, credentials, master};

/// Runs SQL as a superuser whom no trigger stops.
async fn tamper(conn: &mut PgConnection, sql: &str) -> u64 {
    for table in ["audit_log", "audit_chains"] {
        let off = format!("ALTER TABLE {table} DISABLE TRIGGER ALL");
        sqlx::raw_sql(sqlx::AssertSqlSafe(off)).execute(&mut *conn).await.expect("switched off");
    }
    let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut *conn).await.expect("done");
    done.rows_affected()
}

/// A world with some events in each chain, and its database.
async fn world_with_events() -> (World, PgConnection) {
    let world = World::start().await;
    for n in 0..30 {
        world.register(&format!("person{n}")).await;
    }
    world.nobody().login(credentials("person0", "wrong password")).await.expect_err("refused");
    let conn = world.database.connect().await;
    (world, conn)
}

/// A gauge of the service's process, as Prometheus reads it.
async fn gauge(world: &World, name: &str) -> Option<f64> {
    let mut stream = tokio::net::TcpStream::connect(world.running.http).await.expect("connected");
    let request = b"GET /metrics HTTP/1.1\r\nhost: nova\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.map(|value| value.parse().expect("a number"))
}

async fn verified(conn: &mut PgConnection) -> Report {
    verify_audit(conn, &master(), None).await.expect("verified")
}

#[tokio::test]
async fn the_tables_refuse_every_change_of_what_was_written() {
    let (_world, mut conn) = world_with_events().await;
    for sql in [
        "UPDATE audit_log SET outcome = 'SUCCESS'",
        "UPDATE audit_log SET user_id = NULL WHERE seq = 1",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "UPDATE audit_chains SET seq = 0 WHERE seq > 0",
        "DELETE FROM audit_chains",
        "TRUNCATE audit_chains",
        // Those that replicate are not let through either.
        "SET session_replication_role = replica; DELETE FROM audit_log",
    ] {
        let refused = sqlx::raw_sql(sql).execute(&mut conn).await.expect_err(sql);
        let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {refused}");
    }
    let report = verified(&mut conn).await;
    assert_eq!((report.rows, report.faults.as_slice()), (32, [].as_slice()));
}

#[tokio::test]
async fn whatever_is_changed_by_hand_shows() {
    type Is = fn(&Fault) -> bool;
    let changes: [(&str, Is); 9] = [
        ("UPDATE audit_log SET outcome = 'SUCCESS' WHERE outcome = 'FAILURE'", |f| matches!(f, Fault::Changed(_))),
        ("UPDATE audit_log SET at = at - interval '1 hour' WHERE seq = 1", |f| matches!(f, Fault::Changed(_))),
        ("UPDATE audit_log SET details = '{\"a\": 1}' WHERE seq = 2", |f| matches!(f, Fault::Changed(_))),
        ("UPDATE audit_log SET mac = sha256(mac) WHERE seq = 1", |f| matches!(f, Fault::Changed(_) | Fault::End(_))),
        ("DELETE FROM audit_log WHERE seq = 1", |f| matches!(f, Fault::Missing(..))),
        ("DELETE FROM audit_log a USING audit_chains c WHERE c.chain = a.chain AND c.seq = a.seq", |f| {
            matches!(f, Fault::Missing(..))
        }),
        ("UPDATE audit_chains SET seq = seq + 1", |f| matches!(f, Fault::Missing(..))),
        ("DELETE FROM audit_chains WHERE chain = 3", |f| matches!(f, Fault::End(3))),
        (
            "WITH cut AS (DELETE FROM audit_log WHERE seq = 1 RETURNING chain, mac)
             UPDATE audit_chains c SET floor_seq = 1, floor_mac = cut.mac, floor_seal = cut.mac FROM cut WHERE cut.chain = c.chain",
            |f| matches!(f, Fault::Floor(_)),
        ),
    ];
    for (sql, is_it) in changes {
        let (_world, mut conn) = world_with_events().await;
        let rows = tamper(&mut conn, sql).await;
        assert!(rows > 0, "{sql}");
        let report = verified(&mut conn).await;
        assert!(!report.faults.is_empty() && report.faults.iter().all(is_it), "{sql}: {:?}", report.faults);
    }
}

#[tokio::test]
async fn a_row_that_somebody_else_wrote_shows() {
    let (_world, mut conn) = world_with_events().await;
    tamper(
        &mut conn,
        "WITH forged AS (
             INSERT INTO audit_log SELECT gen_random_uuid(), a.chain, a.seq + 1, at, kind, outcome, actor_type, actor, user_id,
                    session_id, address, user_agent, request_id, details, sha256(a.mac)
             FROM audit_log a JOIN audit_chains c ON c.chain = a.chain AND c.seq = a.seq LIMIT 1 RETURNING chain, seq, mac
         )
         UPDATE audit_chains c SET seq = f.seq, mac = f.mac FROM forged f WHERE c.chain = f.chain",
    )
    .await;
    let report = verified(&mut conn).await;
    assert!(matches!(report.faults[..], [Fault::Changed(_)]), "{:?}", report.faults);
}

#[tokio::test]
async fn a_checkpoint_shows_that_the_newest_rows_went_with_the_note_of_the_end() {
    let (world, mut conn) = world_with_events().await;
    let noted = verified(&mut conn).await.checkpoint;
    let noted = noted.to_string().parse().expect("the printed form");
    world.register("later").await;
    let report = verify_audit(&mut conn, &master(), Some(&noted)).await.expect("verified");
    assert_eq!(report.faults, [], "what came later is no fault");

    let chain: i16 = sqlx::query_scalar("SELECT chain FROM audit_chains WHERE seq >= 3 LIMIT 1")
        .fetch_one(&mut conn)
        .await
        .expect("a chain");
    let cut = format!(
        "UPDATE audit_chains c SET seq = 1, mac = a.mac FROM audit_log a WHERE c.chain = {chain} AND a.chain = {chain} AND a.seq = 1"
    );
    tamper(&mut conn, &cut).await;
    tamper(&mut conn, &format!("DELETE FROM audit_log WHERE chain = {chain} AND seq > 1")).await;
    assert_eq!(verified(&mut conn).await.faults, [], "from inside it can't be seen");
    let report = verify_audit(&mut conn, &master(), Some(&noted)).await.expect("verified");
    assert!(matches!(report.faults[..], [Fault::Checkpoint(place)] if place.chain == chain), "{:?}", report.faults);
}

#[tokio::test]
async fn another_master_key_does_not_verify() {
    let (_world, mut conn) = world_with_events().await;
    let other = MasterKeys::from_base64(&MasterKey::generate_base64(), []).expect("a key");
    let error = verify_audit(&mut conn, &other, None).await.unwrap_err();
    assert!(error.to_string().contains("master_key"), "{error}");
}

#[tokio::test]
async fn what_is_too_old_goes_and_the_rest_still_verifies() {
    let (world, mut conn) = world_with_events().await;
    let noted = verified(&mut conn).await.checkpoint;
    world.hands.advance(world.config.audit.retention - Duration::from_secs(1));
    for n in 30..40 {
        world.register(&format!("person{n}")).await;
    }
    let root = auth_service::root::root_key(&mut conn, &master()).await.expect("the root key");
    let key = audit::open_key(&mut conn, &root, world.now()).await.expect("the key");
    let cut = async |conn: &mut PgConnection, batch| {
        let before = world.now() - world.config.audit.retention;
        let mut count = 0;
        for chain in 0..CHAINS {
            count += audit::cut_off(conn, &key, chain, before, batch).await.expect("cut off");
        }
        count
    };
    assert_eq!(cut(&mut conn, 1_000).await, 0, "nothing is old enough");
    world.hands.advance(Duration::from_secs(1));
    // In batches: some go, and again, until nothing is left that is too old.
    let (mut gone, mut rounds) = (0, 0);
    loop {
        match cut(&mut conn, 1).await {
            0 => break,
            count => (gone, rounds) = (gone + count, rounds + 1),
        }
    }
    assert!(gone == 32 && rounds > 1, "{gone} in {rounds}");
    let report = verify_audit(&mut conn, &master(), Some(&noted)).await.expect("verified");
    assert_eq!((report.rows, report.faults.as_slice()), (10, [].as_slice()));
    // More than was too old can't be removed by moving the floor by hand.
    world.register("later").await;
    assert_eq!(verified(&mut conn).await.faults, []);
}

// One test, since a process has its metrics once.
#[tokio::test]
async fn a_running_service_finds_out_by_itself_that_its_log_was_changed_or_can_not_be_looked_at() {
    let world = World::start_with(|config| config.audit.verify_every = Duration::from_secs(1)).await;
    for n in 0..9 {
        world.register(&format!("person{n}")).await;
    }
    let checked = async || gauge(&world, "nova_audit_checked_timestamp_seconds").await.expect("it is there");
    let failed = async || gauge(&world, "nova_audit_checks_failed_total").await.expect("it is there");
    let soon = Duration::from_secs(20);
    eventually("a look at the log", soon, async || (checked().await > 0.0).then_some(())).await;
    assert_eq!((gauge(&world, "nova_audit_faults").await, failed().await), (Some(0.0), 0.0));

    let mut conn = world.database.connect().await;
    sqlx::raw_sql("ALTER TABLE audit_chains RENAME TO gone").execute(&mut conn).await.expect("renamed");
    eventually("a look that fails", soon, async || (failed().await > 0.0).then_some(())).await;
    let (last, so_far) = (checked().await, failed().await);
    world.hands.advance(Duration::from_secs(60));
    eventually("another", soon, async || (failed().await > so_far).then_some(())).await;
    assert!((checked().await - last).abs() < 0.5, "the last time that it was proved stays");
    sqlx::raw_sql("ALTER TABLE gone RENAME TO audit_chains").execute(&mut conn).await.expect("renamed");
    eventually("a look at the log again", soon, async || (checked().await > last).then_some(())).await;

    assert!(tamper(&mut conn, "UPDATE audit_log SET at = at - interval '1 hour' WHERE seq = 1").await > 0);
    eventually("the change is found", soon, async || {
        (gauge(&world, "nova_audit_faults").await > Some(0.0)).then_some(())
    })
    .await;
}
