//! Chores of the repository: `cargo xtask sqlx-prepare`, `cargo xtask typescript`, `cargo xtask authorization`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use sqlx::Connection;
use sqlx::migrate::Migrator;

/// A service, the variable that its sqlx.toml names, and its database.
const SERVICES: [(&str, &str, &str); 3] = [
    ("auth-service", "NOVA_AUTH_SQLX_URL", "nova_auth"),
    ("user-service", "NOVA_USER_SQLX_URL", "nova_user"),
    ("messaging-service", "NOVA_MESSAGING_SQLX_URL", "nova_messaging"),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sqlx-prepare"] => sqlx_prepare().await,
        ["typescript"] => typescript(),
        ["authorization"] => authorization(),
        _ => bail!("usage: cargo xtask sqlx-prepare | typescript | authorization"),
    }
}

/// Writes the client's generated.ts anew. The test that holds it against the protos knows the services, which this program must
/// not: it has to build when their SQL does not.
fn typescript() -> anyhow::Result<()> {
    let test = ["test", "--quiet", "--package", "nova-tests", "--test", "contracts", "typescript::"];
    let written =
        Command::new(env!("CARGO")).args(test).current_dir(root()?).env("NOVA_WRITE_TYPESCRIPT", "1").status()?;
    ensure!(written.success(), "the client could not be made from the protos");
    println!("clients/typescript/src/generated.ts is up to date");
    Ok(())
}

/// Writes the tables of docs/AUTHORIZATION.md anew, by the test that holds them against the services' rules.
fn authorization() -> anyhow::Result<()> {
    let test = ["test", "--quiet", "--package", "nova-tests", "--test", "contracts", "authorization::page::"];
    let written =
        Command::new(env!("CARGO")).args(test).current_dir(root()?).env("NOVA_WRITE_AUTHORIZATION", "1").status()?;
    ensure!(written.success(), "the tables could not be made from the rules");
    println!("docs/AUTHORIZATION.md is up to date");
    Ok(())
}

fn root() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the repository")
}

/// Writes each service's .sqlx folder anew: what the compiler knows of its SQL where there is no database.
async fn sqlx_prepare() -> anyhow::Result<()> {
    let root = root()?;
    let home = std::env::temp_dir().join(format!("nova-sqlx-prepare-{}", std::process::id()));
    let options = pgboot::Options {
        databases: SERVICES.iter().map(|(_, _, database)| (*database).to_owned()).collect(),
        durable: false,
        tcp: Some(0), // cargo may run as another user than PostgreSQL does
        ..pgboot::Options::new(&home)
    };
    let postgres = pgboot::Postgres::start(&options).await?;
    let mut prepared = Ok(());
    for (service, variable, database) in SERVICES {
        prepared = prepare(root, service, variable, &postgres.url(database)).await;
        if prepared.is_err() {
            break;
        }
    }
    postgres.stop().await?;
    std::fs::remove_dir_all(&home)?;
    prepared
}

async fn prepare(root: &Path, service: &str, variable: &str, url: &str) -> anyhow::Result<()> {
    let folder = root.join("backend").join(service);
    let migrator = Migrator::new(folder.join("migrations")).await?;
    let mut connection = sqlx::PgConnection::connect(url).await?;
    migrator.run_direct(None, &mut connection, false).await?;
    connection.close().await?;

    let described = folder.join(".sqlx");
    if described.exists() {
        std::fs::remove_dir_all(&described)?;
    }
    std::fs::create_dir(&described)?;
    // The macros write only when they are expanded: make cargo compile the crate again.
    let cleaned =
        Command::new(env!("CARGO")).args(["clean", "--quiet", "--package", service]).current_dir(root).status()?;
    ensure!(cleaned.success(), "cargo clean failed");
    let status = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--all-targets", "--package", service])
        .current_dir(root)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &described)
        .env(variable, url)
        .status()?;
    ensure!(status.success(), "{service} does not compile against its own migrations");
    let count = std::fs::read_dir(&described)?.count();
    ensure!(count > 0, "no statement of {service} was described");
    println!("{service}: {count} statements");
    Ok(())
}
