//! What Nova is built of: one version of what must be one, licences that may be, and nothing that nothing uses.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Two versions of one of these in one program do not understand each other's types.
const ONE_VERSION: [&str; 8] = ["axum", "http", "hyper", "prost", "rustls", "sqlx", "tokio", "tonic"];
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];
/// Weak copyleft, file by file, used unchanged; and data.
const LICENCES_OF_OTHERS: [&str; 2] = ["CDLA-Permissive-2.0", "MPL-2.0"];
/// A second TLS and crypto stack, and a crate with an open timing advisory (RUSTSEC-2023-0071).
const BANNED: [&str; 4] = ["native-tls", "openssl", "openssl-sys", "rsa"];
/// Used by generated code only.
const GENERATED: [(&str, &str); 2] = [("protos", "prost"), ("protos", "tonic-prost")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let filter = "--filter-platform=x86_64-unknown-linux-gnu";
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", filter])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// Packages that the workspace is really built of.
fn resolved(metadata: &Value) -> Vec<&Value> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let ids: BTreeSet<&str> = nodes.iter().map(|node| text(node, "id")).collect();
    metadata["packages"].as_array().expect("packages").iter().filter(|p| ids.contains(text(p, "id"))).collect()
}

#[test]
fn what_must_be_one_has_one_version() {
    let metadata = metadata();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in resolved(&metadata) {
        versions.entry(text(package, "name")).or_default().insert(text(package, "version"));
    }
    for name in ONE_VERSION {
        assert_eq!(versions.get(name).map(BTreeSet::len), Some(1), "{name}: {:?}", versions.get(name));
    }
    for name in BANNED {
        assert!(!versions.contains_key(name), "{name} came in: cargo tree -i {name} tells how");
    }
}

#[test]
fn all_of_it_comes_from_one_registry_with_checksums() {
    let metadata = metadata();
    let sources: BTreeSet<&str> =
        resolved(&metadata).into_iter().filter_map(|package| package["source"].as_str()).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(sources.iter().all(|source| source.starts_with("registry+")), "{sources:?}");
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is in the repository");
    for package in lock.split("[[package]]").filter(|package| package.contains("\nsource = ")) {
        assert!(package.contains("\nchecksum = "), "{package}");
    }
}

#[test]
fn licences_are_among_those_that_may_be() {
    let metadata = metadata();
    let may_be = |licence: &str| {
        let licence = licence.trim().trim_matches(['(', ')']);
        LICENCES.contains(&licence) || LICENCES_OF_OTHERS.contains(&licence)
    };
    for package in resolved(&metadata) {
        let expression = text(package, "license").replace('/', " OR ");
        // Good enough for the expressions there are: every part that must hold has an alternative that may be.
        let fine = expression.split(" AND ").all(|part| part.split(" OR ").any(may_be));
        assert!(fine, "{} {}: {expression:?}", text(package, "name"), text(package, "version"));
    }
}

#[test]
fn every_dependency_is_used() {
    let metadata = metadata();
    let mut unused = vec![];
    for package in metadata["packages"].as_array().expect("packages").iter().filter(|p| p["source"].is_null()) {
        let folder = Path::new(text(package, "manifest_path")).parent().expect("a folder");
        let code = code_below(folder);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let (name, user) = (text(dependency, "name"), text(package, "name"));
            let word = name.replace('-', "_");
            let mentioned = code.split(|c: char| c != '_' && !c.is_alphanumeric()).any(|w| w == word);
            if !mentioned && !GENERATED.contains(&(user, name)) {
                unused.push(format!("{user} does not use {name}"));
            }
        }
    }
    assert!(unused.is_empty(), "{unused:#?}");
}

/// The Rust code of a crate, without comments.
fn code_below(folder: &Path) -> String {
    let mut code = String::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for path in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("readable").path()) {
            let hidden = path.file_name().is_some_and(|name| name == "target");
            if path.is_dir() && !hidden {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable");
                code.extend(text.lines().filter(|l| !l.trim_start().starts_with("//")).flat_map(|l| [l, "\n"]));
            }
        }
    }
    code
}
