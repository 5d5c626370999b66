//! The hunt for what is stale: people write and read at random over two replicas, and each answer is held against the history of
//! what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use protos::user::v1 as pb;
use testkit::{Dice, TestRedis, assert_reason};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::Code;

use crate::history::{History, Look};
use crate::world::{Person, Replica, World};

/// How long each phase of a hunt goes on.
const PHASE: Duration = Duration::from_millis(2500);
const WRITERS: usize = 3;
const FANS: usize = 200;

/// Somebody, as both replicas know them.
type Both = [Person; 2];

/// What a hunt saw.
struct Seen {
    /// How long the look took.
    took: Duration,
    /// What was wrong.
    fault: Option<String>,
}

/// Whose records change, and what they were when.
struct Game {
    dice: Dice,
    seen: mpsc::UnboundedSender<Seen>,
    /// They change their profiles: the bio is the version.
    authors: Vec<(Both, History<i64>)>,
    /// More and more follow them.
    star: (Both, History<i64>),
    fans: Vec<Both>,
    /// They block and unblock somebody: whether they hide from them.
    blockers: Vec<(Both, Both, History<bool>)>,
    onlooker: Both,
    over: AtomicBool,
}

impl Game {
    async fn new(world: &World, replica: &Replica) -> (Arc<Self>, mpsc::UnboundedReceiver<Seen>) {
        let both = async |name: String| {
            let person = world.person(&name).await;
            [replica.person(world, &person), person]
        };
        let (mut authors, mut blockers, mut fans) = (vec![], vec![], vec![]);
        for n in 0..WRITERS {
            authors.push((both(format!("author{n}")).await, History::new(1)));
            let pair = (both(format!("blocker{n}")).await, both(format!("blocked{n}")).await);
            blockers.push((pair.0, pair.1, History::new(false)));
        }
        for n in 0..FANS {
            fans.push(both(format!("fan{n}")).await);
        }
        let (seen, results) = mpsc::unbounded_channel();
        let game = Self {
            dice: Dice::new(),
            seen,
            authors,
            star: (both("star".to_owned()).await, History::new(0)),
            fans,
            blockers,
            onlooker: both("onlooker".to_owned()).await,
            over: AtomicBool::new(false),
        };
        (Arc::new(game), results)
    }

    fn play(self: &Arc<Self>) -> JoinSet<()> {
        let mut players = JoinSet::new();
        for n in 0..WRITERS {
            let game = Arc::clone(self);
            players.spawn(async move { game.write_profile(n).await });
            let game = Arc::clone(self);
            players.spawn(async move { game.block(n).await });
        }
        let game = Arc::clone(self);
        players.spawn(async move { game.follow().await });
        for _ in 0..4 {
            let game = Arc::clone(self);
            players.spawn(async move { game.look().await });
        }
        players
    }

    async fn write_profile(&self, n: usize) {
        let (author, history) = &self.authors[n];
        let (mut version, mut replica) = (1, 0);
        while !self.over.load(Ordering::Relaxed) {
            replica = self.stay(replica, 10_usize.pow(u32::try_from(n).expect("a few")));
            version += 1;
            let change = pb::UpdateUserProfileRequest {
                user_id: "me".to_owned(),
                bio: Some(version.to_string()),
                expected_version: version - 1,
                ..Default::default()
            };
            history.begin(version, replica);
            author[replica].client().update_user_profile(change).await.expect("no error reaches a client");
            history.acknowledge();
            // One's own, over either.
            self.look_at(author, author, history, Self::version, true).await;
        }
    }

    async fn follow(&self) {
        let (star, history) = &self.star;
        let mut replica = 0;
        for (n, fan) in (1..).zip(&self.fans) {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            replica = self.stay(replica, 50);
            history.begin(n, replica);
            fan[replica].follow(&star[replica]).await.expect("no error reaches a client");
            history.acknowledge();
            for _ in 0..self.dice.roll(20) {
                self.look_at(&self.onlooker, star, history, |profile| profile.follower_count, false).await;
            }
        }
    }

    async fn block(&self, n: usize) {
        let (blocker, blocked, history) = &self.blockers[n];
        let (mut hides, mut replica) = (false, 0);
        while !self.over.load(Ordering::Relaxed) {
            replica = self.stay(replica, 1 + 10 * n);
            hides = !hides;
            history.begin(hides, replica);
            let (blocker, blocked) = (&blocker[replica], &blocked[0]);
            let done = if hides { blocker.block(blocked).await } else { blocker.unblock(blocked).await };
            done.expect("no error reaches a client");
            history.acknowledge();
            // Long enough, now and then, that the last state is the only possible one.
            for _ in 0..self.dice.roll(60) {
                self.look_for(n).await;
            }
        }
    }

    async fn look(&self) {
        while !self.over.load(Ordering::Relaxed) {
            match self.dice.roll(3) {
                0 => {
                    let (author, history) = &self.authors[self.dice.roll(WRITERS)];
                    self.look_at(&self.onlooker, author, history, Self::version, false).await;
                }
                1 => {
                    let (star, history) = &self.star;
                    self.look_at(&self.onlooker, star, history, |profile| profile.follower_count, false).await;
                }
                _ => self.look_for(self.dice.roll(WRITERS)).await,
            }
        }
    }

    /// The replica to write over: once in `turns` it is chosen anew. What changes over one replica alone is what others do not
    /// hear of by their own writes.
    fn stay(&self, replica: usize, turns: usize) -> usize {
        if self.dice.one_in(turns) { self.dice.roll(2) } else { replica }
    }

    fn version(profile: &pb::UserProfile) -> i64 {
        assert!(profile.version == 1 || profile.bio == profile.version.to_string(), "{profile:?}");
        profile.version
    }

    /// Looks at a profile, alone or among others.
    async fn look_at(
        &self,
        who: &Both,
        whom: &Both,
        history: &History<i64>,
        value: impl Fn(&pb::UserProfile) -> i64,
        is_own: bool,
    ) {
        let replica = self.dice.roll(2);
        let begun = Instant::now();
        let profile = if self.dice.one_in(3) {
            let others = self.authors.iter().map(|(author, _)| author[0].id.to_string());
            let user_ids = others.chain([whom[0].id.to_string()]).collect();
            let request = pb::GetUserProfilesByIdsRequest { user_ids };
            let answer = who[replica].client().get_user_profiles_by_ids(request).await;
            let mut profiles = answer.expect("no error reaches a client").into_inner().profiles;
            profiles.remove(&whom[0].id.to_string()).expect("they are there")
        } else {
            who[replica].profile(&whom[0]).await.expect("no error reaches a client")
        };
        let look = Look { replica, is_own, begun, ended: Instant::now() };
        self.saw(look, history.fault(look, &value(&profile)));
    }

    /// Looks whether a blocker hides from whom they block.
    async fn look_for(&self, n: usize) {
        let (blocker, blocked, history) = &self.blockers[n];
        let replica = self.dice.roll(2);
        let begun = Instant::now();
        let hides = match blocked[replica].profile(&blocker[0]).await {
            Ok(_) => false,
            Err(status) => {
                assert_reason(&status, Code::NotFound, "USER_NOT_FOUND");
                true
            }
        };
        let look = Look { replica, is_own: false, begun, ended: Instant::now() };
        self.saw(look, history.fault(look, &hides));
    }

    fn saw(&self, look: Look, fault: Option<String>) {
        // Nobody takes it any more once the hunt is over.
        let _ = self.seen.send(Seen { took: look.ended - look.begun, fault });
    }
}

/// Collects what is seen during one phase, and prints how long looks took.
async fn phase(name: &str, players: &mut JoinSet<()>, results: &mut mpsc::UnboundedReceiver<Seen>) -> Vec<String> {
    let (end, mut times, mut faults) = (Instant::now() + PHASE, vec![], vec![]);
    while Instant::now() < end {
        tokio::select! {
            seen = results.recv() => {
                let seen = seen.expect("the game goes on");
                times.push(seen.took);
                faults.extend(seen.fault);
            }
            // One has run out of fans, or seen what can't be.
            Some(player) = players.join_next() => player.expect("nobody sees what can't be"),
        }
    }
    times.sort_unstable();
    let ms = |of_100: usize| times[times.len() * of_100 / 100].as_secs_f64() * 1e3;
    println!("{name}: {} looks, p50 {:.2} ms, p99 {:.2} ms, {} faults", times.len(), ms(50), ms(99), faults.len());
    faults
}

async fn stop(game: &Game, mut players: JoinSet<()>) {
    game.over.store(true, Ordering::Relaxed);
    while let Some(player) = players.join_next().await {
        player.expect("nobody sees what can't be");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_older_than_a_second() {
    let world = World::start().await;
    let replica = world.replica().await;
    let (game, mut results) = Game::new(&world, &replica).await;
    let mut players = game.play();
    assert_eq!(phase("without Redis", &mut players, &mut results).await, [""; 0]);
    assert_eq!(phase("without Redis, later", &mut players, &mut results).await, [""; 0]);
    stop(&game, players).await;
    world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_redis_that_dies_and_comes_back_nothing_is_older_than_a_second() {
    let mut redis = TestRedis::start().await;
    let url = redis.url();
    let world = World::start_with(|config, _| config.redis.url = url.as_str().into()).await;
    let replica = world.replica().await;
    let (game, mut results) = Game::new(&world, &replica).await;
    let mut players = game.play();
    assert_eq!(phase("with Redis", &mut players, &mut results).await, [""; 0]);
    redis.kill().await;
    assert_eq!(phase("Redis killed", &mut players, &mut results).await, [""; 0]);
    redis.restart().await;
    assert_eq!(phase("Redis back", &mut players, &mut results).await, [""; 0]);
    stop(&game, players).await;
    world.assert_consistent().await;
}

/// The hunt can fail: with a memory that is believed for longer, and nobody who tells, it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hunt_finds_a_memory_that_is_believed_for_too_long() {
    let world = World::start_with(|config, _| config.cache.max_age = Duration::from_secs(60)).await;
    let replica = world.replica().await;
    let (game, mut results) = Game::new(&world, &replica).await;
    let mut players = game.play();
    let faults = phase("too old", &mut players, &mut results).await;
    assert!(!faults.is_empty(), "a memory of a minute was not noticed");
    stop(&game, players).await;
}
