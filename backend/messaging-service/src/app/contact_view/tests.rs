//! Promise G6 with the clock in hand.

use std::sync::atomic::AtomicUsize;

use tokio::sync::oneshot;

use super::*;

const TERMS: Terms = Terms { fresh: Duration::from_millis(900), hold: Duration::from_secs(300), capacity: 1000 };

struct World {
    view: ContactView,
    alice: UserId,
    bob: UserId,
    asked: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let user = |n: u64| UserId::from(uuid::Uuid::from_u64_pair(n, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Self { view: ContactView::new(TERMS), alice: user(1), bob: user(2), asked: Arc::default() }
    }

    async fn ask(&self, answer: Answer) -> Result<Verdict, Unknown> {
        let asked = Arc::clone(&self.asked);
        let question = || async move {
            asked.fetch_add(1, Ordering::SeqCst);
            answer
        };
        self.view.verdict(self.alice, self.bob, question).await.map(|pass| pass.verdict)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_verdict_is_not_asked_for_again() {
    let w = World::new();
    assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_millis(900)).await;
    assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Allowed));
    assert_eq!(w.asked(), 1);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked));
}

#[tokio::test(start_paused = true)]
async fn the_last_known_verdict_holds_for_a_bounded_time() {
    let w = World::new();
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Err(Unknown), "never allowed because unknown");
    assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Err(Unknown));
}

#[tokio::test(start_paused = true)]
async fn while_nobody_answers_a_held_verdict_is_not_slowed_down() {
    let w = World::new();
    assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Ok(Verdict::Allowed));
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Ok(Verdict::Allowed));
    assert_eq!(w.asked(), 2, "the third took the held one at once");
    tokio::time::advance(QUIET).await;
    assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked));
}

#[tokio::test(start_paused = true)]
async fn a_failed_question_holds_no_verdict_about_others() {
    let w = World::new();
    let carol = UserId::from(uuid::Uuid::from_u64_pair(3, 3 * 0x9e37_79b9));
    let ask = async |other, answer: Answer| {
        w.view.verdict(w.alice, other, || async move { answer }).await.map(|pass| pass.verdict)
    };
    assert_eq!(ask(w.bob, Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(carol, Err(Unanswered::Unreachable)).await, Err(Unknown));
    assert_eq!(ask(w.bob, Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked), "asked, not held");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_up_and_does_not_say_holds_nothing() {
    let w = World::new();
    assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(w.ask(Err(Unanswered::Refused)).await, Err(Unknown));
    assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked), "and keeps nobody from asking again");
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_however_it_was_come_by() {
    let w = World::new();
    let pass = async |answer: Answer| w.view.verdict(w.alice, w.bob, || async move { answer }).await;
    let asked = pass(Ok(Verdict::Allowed)).await.expect("answered");
    assert_eq!(w.view.time_left(&asked), Some(MAX_AGE));
    tokio::time::advance(Duration::from_millis(899)).await;
    let remembered = pass(Ok(Verdict::Blocked)).await.expect("remembered");
    assert_eq!(remembered, asked, "with the age that it has");
    assert_eq!(w.view.time_left(&remembered), Some(Duration::from_millis(1)));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(w.view.time_left(&remembered), None);

    tokio::time::advance(Duration::from_secs(1)).await;
    let held = pass(Err(Unanswered::Unreachable)).await.expect("held");
    assert_eq!(w.view.time_left(&held), Some(MAX_AGE));
    tokio::time::advance(MAX_AGE).await;
    assert_eq!(w.view.time_left(&held), None);
    tokio::time::advance(TERMS.hold - Duration::from_secs(3)).await;
    let held = pass(Err(Unanswered::Unreachable)).await.expect("held for the last time");
    let left = w.view.time_left(&held).expect("not over");
    assert!(left < MAX_AGE, "no longer than it holds: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_took_too_long_is_not_acted_on() {
    let w = World::new();
    let slow = || async {
        tokio::time::sleep(MAX_AGE).await;
        Ok(Verdict::Allowed)
    };
    let pass = w.view.verdict(w.alice, w.bob, slow).await.expect("answered");
    assert_eq!(w.view.time_left(&pass), None);
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_the_writes_under_way_and_for_none_after_them() {
    let w = World::new();
    let (one, other) = (w.view.new_gate(), w.view.new_gate());
    let writing = (Arc::clone(&one).read_owned().await, Arc::clone(&other).read_owned().await);
    let mut settling = Box::pin(w.view.settle());
    let early = tokio::time::timeout(Duration::from_secs(60), &mut settling).await;
    assert!(early.is_err(), "somebody writes");
    let later = tokio::spawn(Arc::clone(&one).read_owned());
    drop(writing);
    settling.await;
    drop(later.await.expect("the next writer goes on"));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_takes_effect_at_once_in_both_directions_and_for_everybody() {
    let w = World::new();
    for (user, other) in [(w.alice, Some(w.bob)), (w.bob, Some(w.alice)), (w.alice, None), (w.bob, None)] {
        assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
        w.view.invalidate(user, other);
        assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Err(Unknown), "the last known verdict is void too");
        assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked));
        w.view.invalidate(user, other);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_asked_for_before_an_invalidation_is_not_believed() {
    let w = World::new();
    let (reply, answer) = oneshot::channel::<Answer>();
    let (asked, was_asked) = oneshot::channel();
    let (view, alice, bob) = (w.view.clone(), w.alice, w.bob);
    let early = tokio::spawn(async move {
        let question = || async move {
            asked.send(()).expect("the test waits");
            answer.await.expect("the test answers")
        };
        view.verdict(alice, bob, question).await
    });
    was_asked.await.expect("it asks");
    w.view.invalidate(w.bob, Some(w.alice));
    assert_eq!(w.ask(Ok(Verdict::Blocked)).await, Ok(Verdict::Blocked), "a later question does not join the early one");
    reply.send(Ok(Verdict::Allowed)).expect("it waits");
    let pass = early.await.expect("no panic").expect("answered");
    assert_eq!(w.view.time_left(&pass), None, "whoever waits for their turn is told");
    w.view.invalidate(w.alice, None);
    assert_eq!(w.ask(Err(Unanswered::Unreachable)).await, Err(Unknown));
}

#[tokio::test(start_paused = true)]
async fn many_callers_ask_once() {
    let w = World::new();
    let (reply, answer) = oneshot::channel::<Answer>();
    let mut answer = Some(answer);
    let mut callers = Vec::new();
    for _ in 0..10 {
        let (view, alice, bob, answer) = (w.view.clone(), w.alice, w.bob, answer.take());
        callers.push(tokio::spawn(async move {
            let question = || async move { answer.expect("only the first is asked").await.expect("answered") };
            view.verdict(alice, bob, question).await
        }));
        tokio::task::yield_now().await;
    }
    reply.send(Ok(Verdict::Allowed)).expect("somebody asks");
    for caller in callers {
        assert_eq!(caller.await.expect("no panic").map(|pass| pass.verdict), Ok(Verdict::Allowed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_panics_blocks_nobody() {
    let w = World::new();
    let question = || async { panic!("on purpose") };
    assert_eq!(w.view.verdict(w.alice, w.bob, question).await, Err(Unknown));
    assert_eq!(w.ask(Ok(Verdict::Allowed)).await, Ok(Verdict::Allowed));
}
