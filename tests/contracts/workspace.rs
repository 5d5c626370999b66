//! The workspace: which crate may know which, how long files may be, and examples that are true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chassis::config::{Fault, ServiceConfig, Source};
use serde_json::Value;

const SERVICES: [&str; 3] = ["auth-service", "user-service", "messaging-service"];
/// Lines a source file may have, and a file of tests.
const MAX_LINES: usize = 600;
const MAX_TEST_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// Every workspace crate: folder, and the workspace crates that it depends on outside tests.
fn crates() -> BTreeMap<String, (PathBuf, Vec<String>)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter().map(|package| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let folder = PathBuf::from(text(&package["manifest_path"])).parent().expect("a folder").to_path_buf();
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        let own = dependencies.filter(|d| d["path"].is_string() && d["kind"] != "dev").map(|d| text(&d["name"]));
        (text(&package["name"]), (folder, own.collect()))
    });
    packages.collect()
}

#[test]
fn dependencies_point_one_way() {
    let crates = crates();
    for service in SERVICES {
        assert!(crates.contains_key(service), "{service} is missing");
    }
    let is_lib = |name: &str| crates[name].0.parent().is_some_and(|parent| parent.ends_with("backend/libs"));
    for (name, (_, dependencies)) in &crates {
        for dependency in dependencies {
            let to_service = SERVICES.contains(&dependency.as_str());
            assert!(!(to_service && is_lib(name)), "{name} is a lib and must not know {dependency}");
            assert!(!(to_service && SERVICES.contains(&name.as_str())), "{name} must talk to {dependency} through rpc");
            if is_lib(name) {
                assert!(is_lib(dependency), "{name} is a lib and must not know {dependency}");
            }
        }
        assert!(!dependencies.iter().any(|d| d == "testkit") || name == "nova-tests", "{name} ships the testkit");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn models_know_neither_transport_nor_storage() {
    let mut seen = 0;
    for service in SERVICES {
        for path in sources(&root().join("backend").join(service).join("src/model")) {
            seen += 1;
            for (number, line) in read(&path).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let sqlx = code.replace("sqlx::Type", "").contains("sqlx::");
                let fault = sqlx || code.contains("tonic::") || code.contains("axum::") || code.contains("protos::");
                assert!(!fault, "{}:{}: {line}", path.display(), number + 1);
            }
        }
    }
    assert!(seen > 20, "only {seen} files of models were found");
}

#[test]
fn no_file_is_too_long() {
    let mut too_long = vec![];
    for folder in ["backend", "tests", "xtask", "bench"] {
        for path in sources(&root().join(folder)) {
            let is_test = path.components().any(|part| part.as_os_str() == "tests");
            let (lines, most) = (read(&path).lines().count(), if is_test { MAX_TEST_LINES } else { MAX_LINES });
            if lines > most {
                too_long.push(format!("{}: {lines} lines, {most} at most", path.display()));
            }
        }
    }
    assert!(too_long.is_empty(), "split by resource: {too_long:#?}");
}

fn example_is_default<C: ServiceConfig + PartialEq + std::fmt::Debug>(folder: &str) {
    let path = root().join("backend").join(folder).join(format!("{folder}.example.toml"));
    let source = Source::from_parts(&read(&path), folder, []).expect("TOML");
    let mut faults: Vec<Fault> = source.unknown_sections(&[C::SECTION]);
    let config: C = source.section(C::SECTION, &mut faults);
    assert_eq!(faults, [], "{}", path.display());
    assert_eq!(config, C::default(), "{}", path.display());
}

#[test]
fn example_configurations_show_the_defaults() {
    example_is_default::<auth_service::Config>("auth-service");
    example_is_default::<user_service::Config>("user-service");
    example_is_default::<messaging_service::Config>("messaging-service");
}

/// Migrations that have been applied are never changed, so each service has a copy of its own; the library that reads and writes these
/// tables knows only its own.
#[test]
fn the_tables_of_events_are_the_same_in_every_service() {
    let statements = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a migration");
        let lines = text.lines().map(|line| line.split_once("--").map_or(line, |(sql, _)| sql));
        let words = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        words.trim_end_matches(';').to_owned()
    };
    for (kind, copies) in [("create_outbox.sql", 2), ("create_inbox.sql", 3)] {
        let schemas = files_ending(&root().join("backend/libs/events/schema"), kind);
        let reference = statements(schemas.first().expect("the library's own"));
        let migrations: Vec<PathBuf> = SERVICES
            .iter()
            .flat_map(|service| files_ending(&root().join("backend").join(service).join("migrations"), kind))
            .collect();
        assert_eq!(migrations.len(), copies, "{kind}");
        for migration in migrations {
            assert_eq!(statements(&migration), reference, "{}", migration.display());
        }
    }
}

fn files_ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}
