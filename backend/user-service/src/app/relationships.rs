//! Follows, requests and blocks. Changes between two users take turns, so that no check is out of date when it is acted on.

use authn::Caller;
use ids::UserId;
use pg::Tx;

use super::{App, Error, outbox, view};
use crate::memory::{Changing, Stale};
use crate::model::{Follow, FollowStatus, Kind, Pair, Standing};
use crate::storage::follows::{self, PairState, Presence};
use crate::storage::{blocks, counts, locks};

impl App {
    /// Lets the first follow the second, or ask to.
    pub async fn follow_user(&self, caller: &Caller, pair: Pair) -> Result<Kind, Error> {
        caller.must_be(pair.first)?;
        let (mut tx, state) = self.live_pair(pair).await?;
        if state.standing.is_blocked_either_way() {
            return Err(Error::Blocked);
        }
        let status = if state.second_is_private { FollowStatus::Pending } else { FollowStatus::Active };
        let follow = Follow { follower: pair.first, followee: pair.second, status };
        let now = self.clock.now();
        let changed = match state.standing.follows {
            None => follows::insert(&mut tx, follow, now).await?,
            Some(FollowStatus::Pending) if status == FollowStatus::Active => {
                follows::activate(&mut tx, pair, now).await?
            }
            Some(_) => return Ok(state.standing.kind(view(caller, pair))),
        };
        if changed {
            counts::change(&mut tx, &[follow], 1).await?;
        }
        let _changing = self.counted(pair);
        self.commit_and_tell(tx, changed.then(|| outbox::followed(follow, now))).await?;
        Ok(Standing { follows: Some(status), ..state.standing }.kind(view(caller, pair)))
    }

    /// Ends the first's follow of the second, or its request.
    pub async fn unfollow_user(&self, caller: &Caller, pair: Pair) -> Result<Kind, Error> {
        caller.must_be(pair.first)?;
        let mut tx = self.pool.begin().await?;
        locks::lock_pair(&mut tx, pair).await?;
        let state = follows::pair_state(&mut tx, pair).await?;
        let ended = follows::delete(&mut tx, pair).await?;
        if let Some(ended) = ended {
            counts::change(&mut tx, &[ended], -1).await?;
        }
        let _changing = self.counted(pair);
        let now = self.clock.now();
        self.commit_and_tell(tx, ended.and_then(|ended| outbox::unfollowed(ended, now))).await?;
        Ok(Standing { follows: None, ..state.standing }.kind(view(caller, pair)))
    }

    /// Lets the first block the second: ends what is between them, both ways.
    pub async fn block_user(&self, caller: &Caller, pair: Pair) -> Result<(), Error> {
        caller.must_be(pair.first)?;
        let (mut tx, _) = self.live_pair(pair).await?;
        let (now, mut told) = (self.clock.now(), vec![]);
        if blocks::insert(&mut tx, pair, now).await? {
            let mut ended = Vec::with_capacity(2);
            ended.extend(follows::delete(&mut tx, pair).await?);
            ended.extend(follows::delete(&mut tx, pair.reversed()).await?);
            counts::change(&mut tx, &ended, -1).await?;
            told.push(outbox::blocked(pair, now));
            told.extend(ended.into_iter().filter_map(|ended| outbox::unfollowed(ended, now)));
        }
        let changing = (self.counted(pair), self.memory.changing([Stale::Hiders(pair.second)]));
        self.commit_and_tell(tx, told).await?;
        drop(changing);
        // Also after a repeated block: the first one may have ended before this was done.
        Ok(self.contacts.settle(pair.first, pair.second).await?)
    }

    /// Takes the first's block of the second back.
    pub async fn unblock_user(&self, caller: &Caller, pair: Pair) -> Result<(), Error> {
        caller.must_be(pair.first)?;
        let mut tx = self.pool.begin().await?;
        locks::lock_pair(&mut tx, pair).await?;
        let is_lifted = blocks::delete(&mut tx, pair).await?;
        let changing = self.memory.changing([Stale::Hiders(pair.second)]);
        self.commit_and_tell(tx, is_lifted.then(|| outbox::unblocked(pair, self.clock.now()))).await?;
        drop(changing);
        self.contacts.announce(pair.first, Some(pair.second)).await;
        Ok(())
    }

    /// Lets the first of `answer` accept or refuse the second's request to follow them.
    pub async fn respond_to_follow_request(&self, caller: &Caller, answer: Pair, accept: bool) -> Result<Kind, Error> {
        caller.must_be(answer.first)?;
        let request = answer.reversed();
        let mut tx = self.pool.begin().await?;
        locks::lock_pair(&mut tx, answer).await?;
        let state = follows::pair_state(&mut tx, answer).await?;
        let is_live = state.first == Presence::Live && state.second == Presence::Live;
        if !is_live || state.standing.followed_by != Some(FollowStatus::Pending) {
            return Err(Error::RequestNotFound(request.first));
        }
        let status = FollowStatus::Active;
        let follow = Follow { follower: request.first, followee: request.second, status };
        let now = self.clock.now();
        if accept {
            follows::activate(&mut tx, request, now).await?;
            counts::change(&mut tx, &[follow], 1).await?;
        } else {
            follows::delete(&mut tx, request).await?;
        }
        let _changing = self.counted(request);
        self.commit_and_tell(tx, accept.then(|| outbox::followed(follow, now))).await?;
        Ok(Standing { followed_by: accept.then_some(status), ..state.standing }.kind(view(caller, answer)))
    }

    /// Tells how the first stands to the second.
    pub async fn check_user_relationship(&self, caller: &Caller, pair: Pair) -> Result<Kind, Error> {
        caller.must_be(pair.first).or_else(|_| caller.must_be(pair.second))?;
        let mut state = self.pair_state(pair).await?;
        let unknown = unknown(pair, &state);
        if !unknown.is_empty() && self.adopt(&unknown).await? {
            state = self.pair_state(pair).await?;
        }
        require_live(pair, &state)?;
        Ok(state.standing.kind(view(caller, pair)))
    }

    /// To be held while the counts of both are changed.
    fn counted(&self, pair: Pair) -> Changing<'_> {
        self.memory.changing([Stale::Profile(pair.first), Stale::Profile(pair.second)])
    }

    async fn pair_state(&self, pair: Pair) -> Result<PairState, Error> {
        let mut conn = self.pool.conn().await?;
        Ok(follows::pair_state(&mut conn, pair).await?)
    }

    /// A transaction in which nobody else changes anything between the two, who both exist.
    async fn live_pair(&self, pair: Pair) -> Result<(Tx, PairState), Error> {
        let (tx, state) = self.locked_pair(pair).await?;
        let unknown = unknown(pair, &state);
        if unknown.is_empty() {
            require_live(pair, &state)?;
            return Ok((tx, state));
        }
        drop(tx);
        self.adopt(&unknown).await?;
        let (tx, state) = self.locked_pair(pair).await?;
        require_live(pair, &state)?;
        Ok((tx, state))
    }

    async fn locked_pair(&self, pair: Pair) -> Result<(Tx, PairState), Error> {
        let mut tx = self.pool.begin().await?;
        locks::lock_pair(&mut tx, pair).await?;
        let state = follows::pair_state(&mut tx, pair).await?;
        Ok((tx, state))
    }
}

fn unknown(pair: Pair, state: &PairState) -> Vec<UserId> {
    let both = [(pair.first, state.first), (pair.second, state.second)];
    both.into_iter().filter(|(_, presence)| *presence == Presence::Unknown).map(|(user, _)| user).collect()
}

fn require_live(pair: Pair, state: &PairState) -> Result<(), Error> {
    for (user, presence) in [(pair.second, state.second), (pair.first, state.first)] {
        if presence != Presence::Live {
            return Err(Error::UserNotFound(user));
        }
    }
    Ok(())
}
