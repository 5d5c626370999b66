//! Starts and stops in good order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::str::FromStr;
use std::time::Instant;

use pgboot::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::world::{Supervisor, World, connect, eventually, is_alive, is_root, read_row, write_row};

#[tokio::test]
async fn the_second_start_finds_what_the_first_wrote() {
    let world = World::new();
    let begun = Instant::now();
    let postgres = world.start().await;
    println!("first start {:?}", begun.elapsed());
    assert!(postgres.version().major >= 14 && !postgres.adopted());
    assert!(postgres.bindir().join("initdb").is_file());
    write_row(&postgres).await;
    let begun = Instant::now();
    postgres.stop().await.unwrap();
    println!("stop {:?}", begun.elapsed());
    assert!(!world.data().join("postmaster.pid").exists());

    let begun = Instant::now();
    let postgres = world.start().await;
    println!("later start {:?}", begun.elapsed());
    assert_eq!(read_row(&postgres).await, 42);
    PgConnection::connect(&postgres.url("nova_two")).await.unwrap().close().await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn letters_beyond_ascii_are_letters() {
    let world = World::new();
    let postgres = world.start().await;
    write_row(&postgres).await;
    let mut connection = connect(&postgres).await;
    let found: bool =
        sqlx::query_scalar("SELECT 'ÉLODIE Жанна' ILIKE '%élodie жан%' AND similarity('Жанна', 'жанна') = 1")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    assert!(found);
    connection.close().await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_durable_server_syncs_and_checks_its_pages() {
    let world = World::new();
    let mut options = world.options();
    options.durable = true;
    options.settings = vec![("max_connections".to_owned(), "33".to_owned())];
    let postgres = Postgres::start(&options).await.unwrap();
    let mut connection = connect(&postgres).await;
    for (setting, value) in
        [("fsync", "on"), ("data_checksums", "on"), ("max_connections", "33"), ("listen_addresses", "")]
    {
        let found: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(&mut connection).await.unwrap();
        assert_eq!(found, value, "{setting}");
    }
    connection.close().await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let world = World::new();
    let postgres = world.start().await;
    let pid = postgres.pid();
    let begun = Instant::now();
    drop(postgres);
    eventually("postgres stops", || !is_alive(pid)).await;
    println!("stopped {:?} after the drop", begun.elapsed());
    // At once again: the watchdog may still be at work.
    let postgres = world.start().await;
    assert!(!postgres.adopted());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn tcp_wants_the_password_and_keeps_its_port() {
    let world = World::new();
    let mut options = world.options();
    options.tcp = Some(0);
    let mut postgres = Postgres::start(&options).await.unwrap();
    let url = postgres.url("nova_one");
    assert!(url.contains("@127.0.0.1:"), "{url}");
    write_row(&postgres).await;
    let wrong = PgConnectOptions::from_str(&url).unwrap().password("wrong");
    assert!(wrong.connect().await.is_err());
    let password = fs::metadata(world.home().join("password")).unwrap();
    assert_eq!(password.permissions().mode() & 0o777, 0o600);

    crate::world::kill(postgres.pid());
    postgres.exited().await;
    let postgres = postgres.restart().await.unwrap();
    assert_eq!(postgres.url("nova_one"), url);
    assert_eq!(read_row(&postgres).await, 42);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_too_deep_for_a_socket_gets_one_under_tmp() {
    let world = World::new();
    let mut options = world.options();
    options.home = world.folder.join("d".repeat(90)).join("home");
    let postgres = Postgres::start(&options).await.unwrap();
    let url = postgres.url("nova_one");
    let run = url.split(['@', ':']).nth(2).unwrap().replace("%2F", "/");
    assert!(run.starts_with("/tmp/nova-"), "{url}");
    assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    connect(&postgres).await.close().await.unwrap();
    postgres.stop().await.unwrap();
    assert!(!fs::exists(&run).unwrap(), "{run} was left behind");
}

#[tokio::test]
async fn a_normal_user_and_then_root_can_run_the_same_folder() {
    let world = World::new();
    let nobody = 65534;
    if is_root() {
        fs::create_dir(world.home()).unwrap();
        std::os::unix::fs::chown(world.home(), Some(nobody), Some(nobody)).unwrap();
    }
    let mut supervisor = Supervisor::spawn(&world, is_root().then_some(nobody));
    supervisor.ready();
    supervisor.stop();
    let postgres = world.start().await;
    postgres.stop().await.unwrap();
    let mut supervisor = Supervisor::spawn(&world, is_root().then_some(nobody));
    supervisor.ready();
    supervisor.stop();
}
