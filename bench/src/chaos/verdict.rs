//! Holds what the observer was told against what is in the services' databases.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use events::Payload;
use protos::events::v1 as pb;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::cast::Cast;
use super::crowd::Crowd;

/// What was found to be as it has to be.
pub struct Verdict {
    events: usize,
    accounts: usize,
    profile_versions: usize,
    pairs: usize,
    conversations: usize,
    changes: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, each once and in order: {} accounts with one profile each, {} profile versions, follows and blocks of \
             {} pairs, {} changes of {} conversations",
            self.events, self.accounts, self.profile_versions, self.pairs, self.changes, self.conversations
        )
    }
}

/// An event as the observer wrote it down.
#[derive(sqlx::FromRow)]
struct Told {
    event_id: Uuid,
    r#type: String,
    aggregate_id: Uuid,
    data: Vec<u8>,
}

impl Told {
    fn as_a<P: Payload>(&self) -> Option<P> {
        (self.r#type == P::KIND.name).then(|| P::decode(self.data.as_slice()).ok()).flatten()
    }
}

/// The verdict, or what is missing; it may still come. What can never become right is an error.
pub async fn reach(cast: &Cast, crowd: &Crowd) -> anyhow::Result<Result<Verdict, String>> {
    let mut observer = PgConnection::connect(&cast.database("chaos")).await?;
    let told: Vec<Told> = sqlx::query_as("SELECT event_id, type, aggregate_id, data FROM told ORDER BY n")
        .fetch_all(&mut observer)
        .await?;
    let ids: HashSet<Uuid> = told.iter().map(|event| event.event_id).collect();
    anyhow::ensure!(ids.len() == told.len(), "{} events had their effect twice", told.len() - ids.len());

    let mut auth = PgConnection::connect(&cast.database("nova_auth")).await?;
    let mut user = PgConnection::connect(&cast.database("nova_user")).await?;
    let mut messaging = PgConnection::connect(&cast.database("nova_messaging")).await?;
    let accounts = match accounts(&told, &mut auth, &mut user).await? {
        Ok(accounts) => accounts,
        Err(missing) => return Ok(Err(missing)),
    };
    let profile_versions = match profiles(&told, &mut user).await? {
        Ok(versions) => versions,
        Err(missing) => return Ok(Err(missing)),
    };
    let pairs = match pairs(&told, &mut user).await? {
        Ok(pairs) => pairs,
        Err(missing) => return Ok(Err(missing)),
    };
    let (conversations, changes) = match conversations(&told, &mut messaging).await? {
        Ok(found) => found,
        Err(missing) => return Ok(Err(missing)),
    };
    if let Err(missing) = crowd.blocks_hold(&mut user).await? {
        return Ok(Err(missing));
    }
    Ok(Ok(Verdict { events: told.len(), accounts, profile_versions, pairs, conversations, changes }))
}

/// One event and one profile for each account.
async fn accounts(
    told: &[Told],
    auth: &mut PgConnection,
    user: &mut PgConnection,
) -> anyhow::Result<Result<usize, String>> {
    let accounts: HashSet<Uuid> =
        sqlx::query_scalar("SELECT id FROM users").fetch_all(auth).await?.into_iter().collect();
    let registered: Vec<Uuid> =
        told.iter().filter(|e| e.as_a::<pb::UserRegistered>().is_some()).map(|e| e.aggregate_id).collect();
    let profiles: Vec<Uuid> = sqlx::query_scalar("SELECT user_id FROM profiles").fetch_all(user).await?;
    for (what, found) in [("events of registrations", &registered), ("profiles", &profiles)] {
        let once: HashSet<Uuid> = found.iter().copied().collect();
        anyhow::ensure!(once.len() == found.len(), "an account has two {what}");
        anyhow::ensure!(once.is_subset(&accounts), "{what} of accounts that were rolled back");
        if once.len() < accounts.len() {
            return Ok(Err(format!("{} of {} {what}", once.len(), accounts.len())));
        }
    }
    Ok(Ok(accounts.len()))
}

/// Each version of each profile, in order.
async fn profiles(told: &[Told], user: &mut PgConnection) -> anyhow::Result<Result<usize, String>> {
    let versions: Vec<(Uuid, i64)> = sqlx::query_as("SELECT user_id, version FROM profiles").fetch_all(user).await?;
    let mut seen: HashMap<Uuid, i64> = HashMap::new();
    for event in told {
        let Some(updated) = event.as_a::<pb::ProfileUpdated>() else { continue };
        let before = seen.entry(event.aggregate_id).or_insert(1);
        anyhow::ensure!(updated.version == *before + 1, "version {} came after {before}", updated.version);
        *before = updated.version;
    }
    for (id, version) in &versions {
        let told = seen.get(id).copied().unwrap_or(1);
        anyhow::ensure!(told <= *version, "version {told} was told of, {version} is there");
        if told < *version {
            return Ok(Err(format!("version {told} of {version} of a profile")));
        }
    }
    Ok(Ok(versions.iter().map(|(_, version)| usize::try_from(version - 1).unwrap_or(0)).sum()))
}

/// Follows and blocks alternate with their undoing, and end as the rows are.
async fn pairs(told: &[Told], user: &mut PgConnection) -> anyhow::Result<Result<usize, String>> {
    let mut now: BTreeMap<(&str, String, String), bool> = BTreeMap::new();
    let mut change = |what: &'static str, one: String, other: String, to: bool| {
        let before = now.insert((what, one, other), to).unwrap_or(false);
        anyhow::ensure!(before != to, "a {what} was told of twice, or its undoing was not");
        Ok(())
    };
    for event in told {
        if let Some(e) = event.as_a::<pb::UserFollowed>() {
            change("follow", e.follower_id, e.followee_id, true)?;
        } else if let Some(e) = event.as_a::<pb::UserUnfollowed>() {
            change("follow", e.follower_id, e.followee_id, false)?;
        } else if let Some(e) = event.as_a::<pb::UserBlocked>() {
            change("block", e.blocker_id, e.blocked_id, true)?;
        } else if let Some(e) = event.as_a::<pb::UserUnblocked>() {
            change("block", e.blocker_id, e.blocked_id, false)?;
        }
    }
    let mut there: HashSet<(&str, String, String)> = HashSet::new();
    let tables = [
        ("follow", "SELECT follower_id, followee_id FROM follows"),
        ("block", "SELECT blocker_id, blocked_id FROM blocks"),
    ];
    for (what, sql) in tables {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(sql).fetch_all(&mut *user).await?;
        there.extend(rows.into_iter().map(|(one, other)| (what, one.to_string(), other.to_string())));
    }
    let told_of: HashSet<_> = now.iter().filter(|(_, is)| **is).map(|(pair, _)| pair.clone()).collect();
    let differing = told_of.symmetric_difference(&there).count();
    if differing > 0 {
        return Ok(Err(format!("{differing} follows and blocks are not as they were told of")));
    }
    Ok(Ok(now.len()))
}

/// The events of each conversation are its log, number by number.
async fn conversations(told: &[Told], messaging: &mut PgConnection) -> anyhow::Result<Result<(usize, usize), String>> {
    let log: Vec<(Uuid, i64, i16)> = sqlx::query_as(
        "SELECT conversation_id, event_no, kind FROM conversation_events ORDER BY conversation_id, event_no",
    )
    .fetch_all(messaging)
    .await?;
    let mut of: HashMap<Uuid, Vec<(i64, &str)>> = HashMap::new();
    for event in told {
        if let Some(number) = event_no(event) {
            of.entry(event.aggregate_id).or_default().push((number, event.r#type.as_str()));
        }
    }
    let mut expected: HashMap<Uuid, Vec<(i64, &str)>> = HashMap::new();
    for (id, number, kind) in &log {
        expected.entry(*id).or_default().push((*number, type_of(*kind)));
    }
    for (id, events) in &of {
        let log = expected.get(id).map_or(&[][..], Vec::as_slice);
        anyhow::ensure!(log.starts_with(events), "events of {id} are out of order, twice, or not its log's");
    }
    let arrived: usize = of.values().map(Vec::len).sum();
    if arrived < log.len() {
        return Ok(Err(format!("{arrived} of {} changes of conversations", log.len())));
    }
    Ok(Ok((expected.len(), log.len())))
}

fn event_no(event: &Told) -> Option<i64> {
    macro_rules! number {
        ($($kind:ident),+) => { $(if let Some(e) = event.as_a::<pb::$kind>() { return Some(e.event_no); })+ };
    }
    number!(
        MessageSent,
        MessageEdited,
        MessageDeleted,
        MessagesRead,
        MemberAdded,
        MemberRemoved,
        MemberRoleChanged,
        ConversationCreated,
        ConversationUpdated
    );
    None
}

/// The event of a kind in the log.
fn type_of(kind: i16) -> &'static str {
    match kind {
        1 => pb::MessageSent::KIND.name,
        2 => pb::MessageEdited::KIND.name,
        3 => pb::MessageDeleted::KIND.name,
        4 | 5 => pb::MessagesRead::KIND.name,
        6 => pb::MemberAdded::KIND.name,
        7 => pb::MemberRemoved::KIND.name,
        8 => pb::MemberRoleChanged::KIND.name,
        9 => pb::ConversationCreated::KIND.name,
        10 => pb::ConversationUpdated::KIND.name,
        _ => "unknown",
    }
}
