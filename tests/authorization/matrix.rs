//! Every RPC × every kind of caller, over every transport.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use authn::{Access, CallerKind, Case, Rule, Verdict};
use futures::StreamExt;
use futures::stream;
use prost_reflect::MethodDescriptor;
use test_harness::{Outcome, ServiceName};

use super::asks::{ask, changes_nothing, is_prepared_aside};
use super::judge::{about_nothing, difference, fault, keeps_a_secret};
use super::routes::Transport;
use super::rules;
use super::scene::Stage;
use super::wire::Wire;
use crate::descriptors::POOL;

/// Cells that are tried at once: more than the machine has cores, fewer than passwords are hashed at once.
const AT_ONCE: usize = 6;

/// What can be called without a token, or checks the token itself.
const PUBLIC: [&str; 8] = [
    "Register",
    "Login",
    "RefreshToken",
    "Logout",
    "RequestPasswordReset",
    "ResetPassword",
    "VerifyEmail",
    "IssueServiceToken",
];

/// One thing to try.
struct Cell {
    service: ServiceName,
    method: MethodDescriptor,
    rule: &'static Rule,
    case: &'static Case,
    kind: CallerKind,
    transport: Transport,
}

/// How many of what were tried.
#[derive(Default)]
struct Tried {
    cells: AtomicUsize,
    secrets: AtomicUsize,
}

fn cells() -> Vec<Cell> {
    let mut cells = vec![];
    for service in ServiceName::ALL {
        let descriptor = POOL.get_service_by_name(service.grpc()).expect("the service exists");
        for rule in rules(service) {
            let method = descriptor.methods().find(|method| method.name() == rule.rpc).expect("each rule has an RPC");
            for case in rule.cases {
                for kind in CallerKind::ALL {
                    for transport in Transport::of(&method) {
                        cells.push(Cell { service, method: method.clone(), rule, case, kind, transport });
                    }
                }
            }
        }
    }
    cells
}

impl Cell {
    fn name(&self) -> String {
        format!("{} {:?} as {:?} over {:?}", self.rule.rpc, self.case.0, self.kind, self.transport)
    }

    fn verdict(&self) -> Verdict {
        self.rule.verdict(self.case, self.kind)
    }

    /// Whether what is done here must not be seen by another cell.
    fn needs_own_scene(&self) -> bool {
        let is_done = matches!(self.verdict(), Verdict::Done | Verdict::LeftOut);
        let (rpc, case) = (self.rule.rpc, self.case.0);
        self.kind.column().is_some() && (is_done && !changes_nothing(rpc, case) || !is_prepared_aside(rpc, case))
    }

    /// What is wrong with the cell, if anything is.
    async fn fault(&self, stage: &Stage, wire: &Wire, tried: &Tried) -> Outcome<Option<String>> {
        let own;
        let scene = if self.needs_own_scene() {
            own = stage.scene(self.kind).await?;
            &own
        } else {
            stage.shared(self.kind).await?
        };
        let world = &stage.world;
        let ask = ask(world, scene, self.service, self.rule.rpc, self.case.0).await?;
        let what = (self.service, &self.method);
        let answer = wire.call(world, what, &self.transport, &scene.token, &ask.request).await?;
        tried.cells.fetch_add(1, Ordering::Relaxed);
        if let Some(fault) = fault(self.verdict(), ask.shows.as_deref(), &self.transport, &answer) {
            return Ok(Some(fault));
        }
        if !keeps_a_secret(self.verdict()) {
            return Ok(None);
        }
        let Some((request, made)) = about_nothing(&ask.request, scene.caller_id()) else { return Ok(None) };
        let nothing = wire.call(world, what, &self.transport, &scene.token, &request).await?;
        tried.secrets.fetch_add(1, Ordering::Relaxed);
        Ok(difference(&answer, &nothing, &made))
    }
}

#[test]
fn every_rpc_has_one_rule_and_every_rule_an_rpc() {
    for service in ServiceName::ALL {
        let descriptor = POOL.get_service_by_name(service.grpc()).expect("the service exists");
        let rpcs: BTreeSet<String> = descriptor.methods().map(|method| method.name().to_owned()).collect();
        let ruled: Vec<String> = rules(service).iter().map(|rule| rule.rpc.to_owned()).collect();
        assert_eq!(ruled.len(), ruled.iter().collect::<BTreeSet<_>>().len(), "{service:?} has two rules for an RPC");
        assert_eq!(ruled.into_iter().collect::<BTreeSet<_>>(), rpcs, "{service:?}");
        for rule in rules(service) {
            let cases: BTreeSet<&str> = rule.cases.iter().map(|(case, _)| *case).collect();
            assert!(!cases.is_empty() && cases.len() == rule.cases.len(), "{} has a case twice, or none", rule.rpc);
        }
    }
}

/// What the guard must ask for by a row's cells: no more than the least of those who may, and no less.
fn least(rule: &Rule) -> Access {
    let may = |kind: CallerKind| rule.cases.iter().any(|case| rule.verdict(case, kind) != Verdict::NOT_YOURS);
    let people = CallerKind::ALL
        .into_iter()
        .filter(|kind| kind.column().is_some() && !matches!(kind, CallerKind::Service | CallerKind::Administrator));
    match (people.clone().any(may), may(CallerKind::Service), may(CallerKind::Administrator)) {
        (true, ..) if PUBLIC.contains(&rule.rpc) => Access::Public,
        (true, ..) => Access::Caller,
        (false, true, true) => Access::ServiceOrAdmin,
        (false, true, false) => Access::Service,
        (false, _, _) => Access::Admin,
    }
}

#[test]
fn the_guard_asks_for_what_the_cells_say_and_any_other_row_would_be_noticed() {
    const ALL: [Access; 5] = [Access::Public, Access::Caller, Access::Service, Access::Admin, Access::ServiceOrAdmin];
    let mut flipped = 0;
    for rule in ServiceName::ALL.into_iter().flat_map(rules) {
        assert_eq!(rule.access, least(rule), "{}", rule.rpc);
        for access in ALL.into_iter().filter(|access| *access != rule.access) {
            let mut mutant = *rule;
            mutant.access = access;
            assert_ne!(mutant.access, least(&mutant), "{} with {access:?} goes unnoticed", rule.rpc);
            flipped += 1;
        }
    }
    println!("{flipped} changed rows, each noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_caller_gets_what_the_rules_say_on_every_transport() {
    let (stage, wire, tried) = (Stage::set().await, Wire::new(), Tried::default());
    let cells = cells();
    let faults: Vec<String> = stream::iter(&cells)
        .map(|cell| async {
            match cell.fault(&stage, &wire, &tried).await {
                Ok(fault) => fault.map(|fault| format!("{}: {fault}", cell.name())),
                Err(error) => Some(format!("{}: {error}", cell.name())),
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let (done, secrets) = (tried.cells.into_inner(), tried.secrets.into_inner());
    println!(
        "{done} cells tried, {secrets} of them also with ids that nobody has; {} are not as written",
        faults.len()
    );
    assert!(faults.is_empty(), "{} of {} cells:\n{}", faults.len(), cells.len(), faults.join("\n"));
}
