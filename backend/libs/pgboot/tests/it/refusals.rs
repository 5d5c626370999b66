//! Starts that are refused, each with a sentence that says what to do.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::world::{Supervisor, World, eventually, interrupt, is_alive, is_root, set_mode};

#[tokio::test]
async fn a_second_supervisor_is_told_who_the_first_is() {
    let world = World::new();
    let mut supervisor = Supervisor::spawn(&world, None);
    supervisor.ready();
    let refusal = world.refusal(&world.options()).await;
    assert!(refusal.contains(&format!("in use by another nova (process {})", supervisor.pid())), "{refusal}");
    supervisor.stop();
    world.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_of_another_major_version_is_left_alone() {
    let world = World::new();
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.data().join("PG_VERSION"), "12\n").unwrap();
    fs::write(world.data().join("precious"), "1").unwrap();
    let refusal = world.refusal(&world.options()).await;
    assert!(refusal.contains("made by PostgreSQL 12") && refusal.contains("untouched"), "{refusal}");
    assert_eq!(fs::read_dir(world.data()).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(world.data().join("precious")).unwrap(), "1");
}

#[tokio::test]
async fn a_data_folder_without_a_version_is_left_alone() {
    let world = World::new();
    fs::create_dir_all(world.data()).unwrap();
    fs::write(world.data().join("precious"), "1").unwrap();
    let refusal = world.refusal(&world.options()).await;
    assert!(refusal.contains("holds no PostgreSQL data"), "{refusal}");
    assert!(world.data().join("precious").exists());
}

#[tokio::test]
async fn a_folder_that_holds_something_else_is_left_alone() {
    let world = World::new();
    fs::create_dir(world.home()).unwrap();
    fs::write(world.home().join("photo"), "1").unwrap();
    set_mode(&world.home(), 0o755);
    let refusal = world.refusal(&world.options()).await;
    assert!(refusal.contains("holds no PostgreSQL data"), "{refusal}");
    assert_eq!(fs::metadata(world.home()).unwrap().permissions().mode() & 0o777, 0o755);
}

#[tokio::test]
async fn a_folder_that_cannot_be_entered_is_named() {
    let world = World::new();
    let closed = world.folder.join("closed");
    fs::create_dir(&closed).unwrap();
    set_mode(&closed, if is_root() { 0o700 } else { 0o000 });
    let mut options = world.options();
    options.home = closed.join("home");
    let refusal = world.refusal(&options).await;
    assert!(refusal.contains(&closed.display().to_string()) && refusal.contains("NOVA_DATA_DIR"), "{refusal}");
    set_mode(&closed, 0o700);
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0, "nothing may be made there");
}

#[tokio::test]
async fn a_normal_user_without_the_right_to_the_folder_is_told_so() {
    let world = World::new();
    fs::create_dir(world.home()).unwrap();
    set_mode(&world.home(), if is_root() { 0o700 } else { 0o000 });
    let mut supervisor = Supervisor::spawn(&world, is_root().then_some(65534));
    let said = supervisor.says();
    assert!(said.contains("denied") && said.contains("set NOVA_DATA_DIR to a folder of your own"), "{said}");
    set_mode(&world.home(), 0o700);
}

#[tokio::test]
async fn a_named_folder_without_programs_is_not_replaced_by_another() {
    let world = World::new();
    let mut options = world.options();
    options.bindir = Some(world.folder.clone());
    let refusal = world.refusal(&options).await;
    assert!(refusal.contains("does not hold both initdb and postgres"), "{refusal}");
}

#[tokio::test]
async fn a_postgres_that_somebody_else_started_is_left_running() {
    let world = World::new();
    let postgres = world.start().await;
    let program = postgres.bindir().join("postgres");
    postgres.stop().await.unwrap();
    let owner = fs::metadata(world.data()).unwrap();
    let mut by_hand = Command::new(program);
    by_hand.arg("-D").arg(world.data()).arg("-k").arg(world.home().join("run")).args(["-c", "listen_addresses="]);
    by_hand.uid(owner.uid()).gid(owner.gid()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
    let mut by_hand = by_hand.spawn().unwrap();
    let pid = i32::try_from(by_hand.id()).unwrap();
    let pid_file = || fs::read_to_string(world.data().join("postmaster.pid")).unwrap_or_default();
    eventually("it runs", || pid_file().contains("ready")).await;
    let refusal = world.refusal(&world.options()).await;
    assert!(refusal.contains(&format!("process {pid} runs on")) && is_alive(pid), "{refusal}");
    interrupt(pid);
    by_hand.wait().unwrap();
}

#[tokio::test]
async fn what_postgres_said_last_is_in_the_error() {
    let world = World::new();
    world.start().await.stop().await.unwrap();
    let mut options = world.options();
    options.settings = vec![("shared_buffers".to_owned(), "nonsense".to_owned())];
    let refusal = world.refusal(&options).await;
    assert!(refusal.contains("postgres ended (exit status: 1)"), "{refusal}");
    assert!(refusal.contains(r#"invalid value for parameter "shared_buffers": "nonsense""#), "{refusal}");
    world.start().await.stop().await.unwrap();
}
