//! How long denials take that must not tell whether there is what was asked for. A report, no test: nothing is asserted.

use std::time::{Duration, Instant};

use authn::CallerKind;
use test_harness::{Outcome, ServiceName};

use super::asks::ask;
use super::judge::{about_nothing, keeps_a_secret};
use super::routes::Transport;
use super::rules;
use super::scene::Stage;
use super::wire::Wire;
use crate::descriptors::POOL;

const PAIRS: usize = 200;
const WARM_UP: usize = 10;

fn quantile(times: &mut [Duration], of_100: usize) -> f64 {
    times.sort_unstable();
    times[times.len() * of_100 / 100].as_secs_f64() * 1e3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a report: run it with --ignored --nocapture, alone and on a quiet machine"]
async fn how_long_denials_take() -> Outcome {
    let (stage, wire) = (Stage::set().await, Wire::new());
    println!("| RPC | as | exists: p50 / p90 ms | does not: p50 / p90 ms | medians' ratio |\n|---|---|---|---|---|");
    for service in ServiceName::ALL {
        let descriptor = POOL.get_service_by_name(service.grpc()).expect("the service exists");
        for rule in rules(service) {
            let method = descriptor.methods().find(|method| method.name() == rule.rpc).expect("each rule has an RPC");
            for case in rule.cases {
                for kind in [CallerKind::Stranger, CallerKind::FormerMember, CallerKind::BlockedBy] {
                    let verdict = rule.verdict(case, kind);
                    if !keeps_a_secret(verdict) || verdict == authn::Verdict::NOT_YOURS {
                        continue;
                    }
                    let mut scene = stage.scene(kind).await?;
                    let (mut there, mut not_there) = (vec![], vec![]);
                    for n in 0..WARM_UP + PAIRS {
                        // Who is asked for again is remembered, whether they hide or are not there: compare first times.
                        if kind == CallerKind::BlockedBy {
                            scene = stage.scene(kind).await?;
                        }
                        let ask = ask(&stage.world, &scene, service, rule.rpc, case.0).await?;
                        let Some((nothing, _)) = about_nothing(&ask.request, scene.caller_id()) else { break };
                        // Whoever comes first pays for what is new to both, such as the caller's token.
                        let mut both = [(&ask.request, &mut there), (&nothing, &mut not_there)];
                        both.rotate_left(n % 2);
                        for (request, times) in both {
                            let begun = Instant::now();
                            let what = (service, &method);
                            wire.call(&stage.world, what, &Transport::Grpc, &scene.token, request).await?;
                            if n >= WARM_UP {
                                times.push(begun.elapsed());
                            }
                        }
                    }
                    let [a50, a90] = [50, 90].map(|q| quantile(&mut there, q));
                    let [b50, b90] = [50, 90].map(|q| quantile(&mut not_there, q));
                    let (rpc, of) = (rule.rpc, case.0);
                    println!(
                        "| {rpc} {of} | {kind:?} | {a50:.2} / {a90:.2} | {b50:.2} / {b90:.2} | {:.2} |",
                        a50 / b50
                    );
                }
            }
        }
    }
    Ok(())
}
