//! docs/AUTHORIZATION.md shows the rules; here it is held against them.

use std::fmt::Write as _;
use std::path::Path;

use authn::{Access, CallerKind, Rule, Verdict};
use test_harness::ServiceName;

use super::rules;

/// Set by `cargo xtask authorization`: writes the tables instead of comparing them.
const WRITE: &str = "NOVA_WRITE_AUTHORIZATION";
const BEGIN: &str = "<!-- made from the rules: begin -->";
const END: &str = "<!-- made from the rules: end -->";

fn shown(verdict: Verdict) -> String {
    match verdict {
        Verdict::Done => "yes".to_owned(),
        Verdict::LeftOut => "left out".to_owned(),
        Verdict::NOT_YOURS => "–".to_owned(),
        Verdict::Refused(code, reason) => format!("{} {reason}", http(code)),
    }
}

fn http(code: tonic::Code) -> u16 {
    super::judge::http_status(code)
}

/// Which token the guard wants.
fn wanted(rule: &Rule) -> &'static str {
    match rule.access {
        Access::Public if rule.wants_token() => "any, of an ended session too",
        Access::Public => "none",
        Access::Caller => "any",
        Access::Service => "a service's",
        Access::Admin => "an administrator's",
        Access::ServiceOrAdmin => "a service's or an administrator's",
    }
}

fn tables() -> String {
    let mut text = String::new();
    for service in ServiceName::ALL {
        let _ = write!(text, "\n### {}\n\n| RPC | token | ", service.grpc());
        let columns = CallerKind::ALL.into_iter().filter(|kind| kind.column().is_some());
        let names: Vec<&str> = columns.clone().map(name).collect();
        let _ = writeln!(text, "{} |\n|{}", names.join(" | "), "---|".repeat(names.len() + 2));
        for rule in rules(service) {
            for case in rule.cases {
                let cells: Vec<String> = columns.clone().map(|kind| shown(rule.verdict(case, kind))).collect();
                let what = if case.0.is_empty() { String::new() } else { format!(": {}", case.0) };
                let _ = writeln!(text, "| {}{what} | {} | {} |", rule.rpc, wanted(rule), cells.join(" | "));
            }
        }
    }
    text.push('\n');
    text
}

fn name(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::Stranger => "stranger",
        CallerKind::FormerMember => "former member",
        CallerKind::BlockedBy => "blocked by",
        CallerKind::Blocking => "blocking",
        CallerKind::Member => "member",
        CallerKind::GroupAdmin => "group administrator",
        CallerKind::Owner => "self, owner",
        CallerKind::Service => "service",
        CallerKind::Administrator => "administrator",
        _ => "nobody",
    }
}

#[test]
fn the_page_shows_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace");
    let path = root.join("docs/AUTHORIZATION.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the tables");
    let (written, after) = rest.split_once(END).expect("which has an end");
    let made = tables();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}")).expect("the page can be written");
        return;
    }
    assert!(written == made, "docs/AUTHORIZATION.md is not what the rules say: run cargo xtask authorization");
}
