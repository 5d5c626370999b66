//! Whose keys a backup replaces and a restore takes, and what becomes of a restore that is cut off or disturbed.

use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use testkit::eventually;

use crate::backup::{Person, Place, back_up, folders, give_master_key};
use crate::process::{Home, Nova};

const SOON: Duration = Duration::from_secs(60);

async fn postgres(home: &Home) -> pgboot::Postgres {
    pgboot::Postgres::start(&pgboot::Options::new(home.path().join("postgres"))).await.expect("it starts")
}

async fn connect(postgres: &pgboot::Postgres, database: &str) -> PgConnection {
    PgConnection::connect(&postgres.url(database)).await.expect("it answers")
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A backup of a Nova in which people have written.
async fn backed_up(home: &Home, place: &Place) -> String {
    let mut nova = Nova::start(home).await;
    let (alice, bob) = (Person::new(&nova, "alice").await, Person::new(&nova, "bob").await);
    let talk = alice.group_with(&nova, &[&bob]).await;
    alice.say(&nova, &talk, "one").await;
    let backup = back_up(home, &place.0).await;
    assert_eq!(nova.terminate().await, Some(0));
    text(&backup)
}

#[tokio::test]
async fn keys_of_another_installation_are_neither_removed_nor_taken() {
    let (home, other, place) = (Home::new("keys-own"), Home::new("keys-other"), Place::new("keys-other"));
    let backup = backed_up(&home, &place).await;
    let own = folders(&place.0, "nova-keys-").pop().expect("keys");

    // An empty data folder, before and after it has its tables, as of a job whose disk was not mounted.
    let nothing = other.run(&["backup", &text(&place.0)]).await;
    assert!(!nothing.success && nothing.text.contains("is empty"), "{}", nothing.text);
    assert_eq!((folders(&place.0, "nova-2").len(), folders(&place.0, "nova-keys-").len()), (1, 1));
    other.run(&["migrate"]).await;
    let kept = other.run(&["backup", &text(&place.0)]).await;
    assert!(!kept.success && kept.text.contains(&text(&own)) && kept.text.contains("were kept"), "{}", kept.text);
    assert!(own.join("nova_keys.dump").exists());
    assert_eq!(folders(&place.0, "nova-2").len(), 2, "it is a backup all the same");
    let foreign = folders(&place.0, "nova-keys-").pop().expect("keys");
    let again = home.run(&["backup", &text(&place.0)]).await;
    assert!(!again.success && !own.exists(), "its own are replaced: {}", again.text);

    // The newest that belong to the backup are taken, no others.
    let elsewhere = Home::new("keys-elsewhere");
    give_master_key(&home, &elsewhere);
    let refused = elsewhere.run(&["restore", &backup, "--keys", &text(&foreign)]).await;
    assert!(!refused.success && refused.text.contains("of another installation"), "{}", refused.text);
    other.run(&["backup", &text(&place.0)]).await;
    assert!(folders(&place.0, "nova-keys-").pop() > Some(foreign), "the newest keys are the other's");
    let restored = elsewhere.run(&["restore", &backup]).await;
    assert!(restored.success && restored.text.contains("keys: 1 people's; 0 authors have none"), "{}", restored.text);

    // Nor are those that a database has.
    let running = postgres(&other).await;
    let mut keys = connect(&running, "nova_keys").await;
    let foreign = "INSERT INTO user_keys (user_id, wrapped, created_at) VALUES (gen_random_uuid(), '\\x00', now())";
    keys.execute(foreign).await.expect("a key");
    keys.close().await.expect("closed");
    give_master_key(&home, &other);
    let refused = other.run(&["restore", &backup, "--replace"]).await;
    assert!(!refused.success && refused.text.contains("of another installation"), "{}", refused.text);
    assert!(refused.text.contains("nothing was changed"), "{}", refused.text);
    running.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_restore_that_is_cut_off_or_disturbed_is_run_again() {
    let (home, elsewhere, place) = (Home::new("cut"), Home::new("cut-elsewhere"), Place::new("cut"));
    let backup = backed_up(&home, &place).await;
    give_master_key(&home, &elsewhere);
    let migrated = elsewhere.run(&["migrate"]).await;
    assert!(migrated.success, "{}", migrated.text);

    // Rows are in before the keys of their tables are made, at which it fails.
    let running = postgres(&elsewhere).await;
    let mut keys = connect(&running, "nova_keys").await;
    let trap = |what: &str| {
        format!(
            "CREATE SCHEMA IF NOT EXISTS trap;
             CREATE OR REPLACE FUNCTION trap.spring() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {what} END $$;
             DROP EVENT TRIGGER IF EXISTS trap;
             CREATE EVENT TRIGGER trap ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION trap.spring()"
        )
    };
    keys.execute(sqlx::AssertSqlSafe(trap("RAISE EXCEPTION 'no';"))).await.expect("a trap");
    keys.close().await.expect("closed");
    let restore = ["restore", &backup, "--replace"];
    let cut = elsewhere.run(&restore).await;
    assert!(!cut.success && cut.text.contains("nova_keys can't be restored"), "{}", cut.text);
    let mut keys = connect(&running, "nova_keys").await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM user_keys").fetch_one(&mut keys).await.expect("a table");
    assert_eq!(rows, 1, "what looks like people's keys");

    // The next one does not take them for whole; but somebody connects meanwhile.
    keys.execute(sqlx::AssertSqlSafe(trap("PERFORM pg_sleep(3);"))).await.expect("a trap");
    keys.close().await.expect("closed");
    let disturbing = async {
        eventually("pg_restore sleeps", SOON, async || {
            let asleep = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')";
            sqlx::query_scalar::<_, bool>(asleep)
                .fetch_one(&mut connect(&running, "postgres").await)
                .await
                .expect("an answer")
                .then_some(())
        })
        .await;
        connect(&running, "nova_user").await
    };
    let (disturbed, somebody) = tokio::join!(elsewhere.run(&restore), disturbing);
    let told = disturbed.text.contains("nova_user was connected to by") && disturbed.text.contains("run it again");
    assert!(!disturbed.success && told, "{}", disturbed.text);
    somebody.close().await.expect("closed");
    let refused = elsewhere.run(&["serve"]).await;
    assert!(!refused.success && refused.text.contains("run it again"), "{}", refused.text);

    // A schema that is newer than the program is found before anything is emptied, in what stays, too.
    let mut keys = connect(&running, "nova_keys").await;
    keys.execute("DROP EVENT TRIGGER trap").await.expect("no trap");
    let unknown = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                   VALUES (999, 'of a later release', true, '\\x00', 0)";
    keys.execute(unknown).await.expect("a migration");
    let refused = elsewhere.run(&restore).await;
    assert!(!refused.success && refused.text.contains("whose migration 999"), "{}", refused.text);
    keys.execute("DELETE FROM _sqlx_migrations WHERE version = 999").await.expect("as before");
    keys.close().await.expect("closed");
    let restored = elsewhere.run(&restore).await;
    assert!(restored.success && restored.text.contains("stays as it is"), "{}", restored.text);
    assert!(restored.text.contains("keys: 1 people's; 0 authors have none"), "{}", restored.text);
    running.stop().await.expect("stopped");
}

#[tokio::test]
async fn what_another_tool_has_set_back_is_made_another_log_however_long_it_takes() {
    let home = Home::new("after-restore");
    let mut nova = Nova::start(&home).await;
    let (alice, bob) = (Person::new(&nova, "alice").await, Person::new(&nova, "bob").await);
    let talk = alice.group_with(&nova, &[&bob]).await;
    alice.say(&nova, &talk, "one").await;
    let after = ["admin", "after-restore", "--end-sessions"];
    let refused = home.run(&after).await;
    assert!(!refused.success && refused.text.contains("stop every nova"), "{}", refused.text);
    assert_eq!(nova.terminate().await, Some(0));

    let running = postgres(&home).await;
    let mut messages = connect(&running, "nova_messaging").await;
    let slow =
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END $$;
                CREATE TRIGGER slow BEFORE UPDATE ON event_clock FOR EACH ROW EXECUTE FUNCTION slow()";
    messages.execute(slow).await.expect("a trigger");
    let log = "SELECT log_id FROM event_clock";
    let before: i32 = sqlx::query_scalar(log).fetch_one(&mut messages).await.expect("a log");
    messages.close().await.expect("closed");
    let mut command = home.command(&after);
    let output = command.env("NOVA_MESSAGING__DATABASE__STATEMENT_TIMEOUT", "50ms").output().await.expect("it runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("2 sessions are ended"), "{text}");
    assert!(text.contains("keys: 1 people's; 0 authors have none"), "{text}");
    let mut messages = connect(&running, "nova_messaging").await;
    let now: i32 = sqlx::query_scalar(log).fetch_one(&mut messages).await.expect("a log");
    assert_ne!(before, now);
    messages.close().await.expect("closed");
    running.stop().await.expect("stopped");
}
