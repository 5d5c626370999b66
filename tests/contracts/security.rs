//! docs/SECURITY.md names tests and fuzz targets as proof: they must be there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost_reflect::MethodDescriptor;

use crate::descriptors::services;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

fn document() -> String {
    std::fs::read_to_string(root().join("docs/SECURITY.md")).expect("the document is there")
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("readable").file_name().into_string().expect("plain names")).collect()
}

/// Folders, files of Rust, and functions in them, below a folder.
fn known(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(name);
            known(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(name);
            let code = std::fs::read_to_string(&path).expect("readable");
            let functions = code.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
            found.extend(functions.map(str::to_owned));
        }
    }
}

#[test]
fn tests_that_the_threat_model_names_exist() {
    let mut there = BTreeSet::new();
    known(&root().join("backend"), &mut there);
    known(&root().join("tests"), &mut there);
    let document = document();
    let missing: Vec<&str> = quoted(&document)
        .filter(|text| text.contains("::") && !text.contains(' '))
        .filter(|text| !text.split("::").all(|part| there.contains(part)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(quoted(&document).filter(|text| text.contains("::")).count() > 40, "it names its proofs");
}

#[test]
fn files_that_the_threat_model_names_exist() {
    let document = document();
    let missing: Vec<&str> = quoted(&document)
        .filter(|text| text.contains('/') && !text.starts_with(['/', '.']) && !text.contains([' ', '<']))
        .filter(|text| !root().join(text).exists() && !root().join("backend").join(text).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_fuzz_target_has_seeds_and_a_row() {
    let document = document();
    let targets = names(&root().join("fuzz/fuzz_targets"));
    assert!(!targets.is_empty());
    for target in targets {
        let target = target.trim_end_matches(".rs");
        assert!(!names(&root().join("fuzz/corpus").join(target)).is_empty(), "{target} begins with nothing");
        assert!(document.contains(&format!("| `{target}` |")), "{target} is not in docs/SECURITY.md");
    }
}

#[test]
fn every_rpc_has_a_seed() {
    let seeds = names(&root().join("fuzz/corpus/rpc_requests"));
    let text = |seed: &String| std::fs::read_to_string(root().join("fuzz/corpus/rpc_requests").join(seed)).ok();
    let first_lines: BTreeSet<String> = seeds
        .iter()
        .filter_map(text)
        .filter_map(|text| text.lines().next()?.split(' ').next().map(str::to_owned))
        .collect();
    let rpc = |rpc: MethodDescriptor| format!("{}/{}", rpc.parent_service().full_name(), rpc.name());
    let rpcs = services().flat_map(|service| service.methods().map(rpc).collect::<Vec<_>>());
    let missing: Vec<String> = rpcs.filter(|rpc| !first_lines.contains(rpc)).collect();
    assert!(missing.is_empty(), "fuzz/corpus/rpc_requests has no call of {missing:?}");
}
