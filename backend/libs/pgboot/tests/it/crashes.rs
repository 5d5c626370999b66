//! Processes that are killed, and what they leave behind.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pgboot::{Error, Postgres};

use crate::world::{Supervisor, World, connect, eventually, give_like, is_alive, kill, read_row, write_row};

#[tokio::test]
async fn a_killed_postgres_comes_back_although_a_backend_outlived_it() {
    let world = World::new();
    let mut postgres = world.start().await;
    write_row(&postgres).await;
    let mut busy = connect(&postgres).await;
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut busy).await.unwrap();
    // Never looks whether its postmaster lives, as an idle one does.
    let work = tokio::spawn(async move {
        sqlx::query("SELECT sum(n) FROM generate_series(1, 1e12::bigint) AS n").execute(&mut busy).await.map(|_| ())
    });
    let title = || fs::read_to_string(format!("/proc/{backend}/cmdline")).unwrap_or_default();
    let working = || title().trim_end_matches([' ', '\0']).ends_with(" SELECT");
    eventually("the backend works", working).await;

    kill(postgres.pid());
    let error = postgres.exited().await;
    assert!(matches!(error, Error::Exited { .. }) && error.to_string().contains("signal: 9"), "{error}");
    assert!(is_alive(backend), "the backend went with its postmaster: nothing is tested");
    let postgres = postgres.restart().await.unwrap();
    assert!(!is_alive(backend) && work.await.unwrap().is_err());
    assert_eq!(read_row(&postgres).await, 42);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_after_postgres_and_supervisor_were_killed_recovers() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    let pid = supervisor.ready();
    world.watchdogs().into_iter().for_each(kill);
    supervisor.kill();
    kill(pid);
    let postgres = world.start().await;
    assert!(!postgres.adopted() && postgres.pid() != pid);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn postgres_stops_when_its_supervisor_is_killed() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    let pid = supervisor.ready();
    let begun = Instant::now();
    supervisor.kill();
    eventually("postgres stops", || !is_alive(pid)).await;
    println!("stopped {:?} after its supervisor was killed", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10));
    eventually("all processes end", || world.processes().is_empty()).await;
    assert!(!world.data().join("postmaster.pid").exists(), "it was not stopped in good order");
}

#[tokio::test]
async fn a_successor_never_gets_a_dying_postgres() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    for _ in 0..5 {
        supervisor.ready();
        supervisor.kill();
        supervisor = Supervisor::spawn(&world, None); // while the watchdog of the killed one is at work
    }
    let pid = supervisor.ready();
    assert!(is_alive(pid));
    supervisor.stop();
}

#[tokio::test]
async fn a_postgres_that_lost_supervisor_and_watchdog_is_adopted() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    let pid = supervisor.ready();
    world.watchdogs().into_iter().for_each(kill);
    supervisor.kill();
    let postgres = world.start().await;
    assert!(postgres.adopted());
    assert_eq!(postgres.pid(), pid);
    write_row(&postgres).await;
    drop(postgres); // it has a watchdog again
    eventually("postgres stops", || !is_alive(pid)).await;
    let postgres = world.start().await;
    assert_eq!(read_row(&postgres).await, 42);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_orphan_with_other_settings_is_replaced() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    let pid = supervisor.ready();
    world.watchdogs().into_iter().for_each(kill);
    supervisor.kill();
    let mut options = world.options();
    options.settings = vec![("work_mem".to_owned(), "5MB".to_owned())];
    let postgres = Postgres::start(&options).await.unwrap();
    assert!(!postgres.adopted() && !is_alive(pid));
    postgres.stop().await.unwrap();
}

/// A process that is not PostgreSQL, for pid files to name.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_or_a_zombie_is_no_obstacle() {
    let world = World::new();
    world.start().await.stop().await.unwrap();
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::null());
    let stranger = Stranger(cat.spawn().unwrap());
    let mut zombie = Stranger(cat.spawn().unwrap());
    kill(i32::try_from(zombie.0.id()).unwrap());
    eventually("the zombie", || !is_alive(i32::try_from(zombie.0.id()).unwrap())).await;
    for pid in [stranger.0.id(), zombie.0.id()] {
        let run = world.home().join("run");
        let text = format!(
            "{pid}\n{}\n1700000000\n5432\n{}\n\n  5432001         7\nready   \n",
            world.data().display(),
            run.display()
        );
        for file in [world.data().join("postmaster.pid"), run.join(".s.PGSQL.5432.lock")] {
            fs::write(&file, &text).unwrap();
            give_like(&file, &world.data());
        }
        world.start().await.stop().await.unwrap();
    }
    assert!(is_alive(i32::try_from(stranger.0.id()).unwrap()));
    zombie.0.wait().unwrap();
}

#[tokio::test]
async fn an_empty_pid_file_is_no_obstacle() {
    let world = World::new();
    world.start().await.stop().await.unwrap();
    fs::write(world.data().join("postmaster.pid"), "").unwrap();
    world.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_initdb_is_done_again() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    let partial = world.home().join("data.partial");
    eventually("initdb works", || partial.join("PG_VERSION").exists()).await;
    supervisor.kill();
    assert!(!world.data().exists());
    eventually("initdb goes with its supervisor", || world.processes().is_empty()).await;
    let postgres = world.start().await;
    assert!(!partial.exists());
    write_row(&postgres).await;
    postgres.stop().await.unwrap();
}
