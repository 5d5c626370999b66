//! ExportUser: what is held on a person, one record after the other.

use std::sync::Arc;

use authn::Caller;
use chrono::{DateTime, Utc};
use ids::UserId;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::{App, Error};
use crate::model::{FollowStatus, Profile, Settings};
use crate::storage::blocks::Listed;
use crate::storage::{export, profiles};

/// Records that wait for who reads the stream.
const QUEUE: usize = 16;

/// One thing that is held on a person.
#[derive(Debug)]
pub enum Record {
    /// The profile.
    Profile(Box<Profile>),
    /// The settings.
    Settings(Box<Settings>),
    /// Whom they follow.
    Follow(Tie),
    /// Who follows them.
    Follower(Tie),
    /// Who asks to follow whom: the person, or another the person.
    FollowRequest(Tie),
    /// Whom they have blocked.
    Block(Tie),
}

/// What lies between two users, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Tie {
    /// Who follows, asks or blocks.
    pub from: UserId,
    /// Whom.
    pub to: UserId,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// Where the records come out; after a failure there is no more.
pub type Outlet = mpsc::Receiver<Result<Record, Error>>;

#[derive(Clone, Copy)]
enum List {
    Follows,
    Followers,
    RequestsMade,
    RequestsReceived,
    Blocks,
}

impl List {
    const ALL: [Self; 5] = [Self::Follows, Self::Followers, Self::RequestsMade, Self::RequestsReceived, Self::Blocks];

    fn record(self, user: UserId, row: Listed) -> Record {
        let other = UserId::from(row.id);
        let (by_user, by_other) =
            (Tie { from: user, to: other, at: row.at }, Tie { from: other, to: user, at: row.at });
        match self {
            Self::Follows => Record::Follow(by_user),
            Self::Followers => Record::Follower(by_other),
            Self::RequestsMade => Record::FollowRequest(by_user),
            Self::RequestsReceived => Record::FollowRequest(by_other),
            Self::Blocks => Record::Block(by_user),
        }
    }
}

impl App {
    /// Begins to export what is held on a user. What is read and not yet taken is a page at most, and no connection is held
    /// while the reader takes their time.
    pub async fn export_user(self: &Arc<Self>, caller: &Caller, user: UserId) -> Result<Outlet, Error> {
        caller.must_be_service()?;
        let settings = self.get_user_settings(caller, user).await?;
        let mut conn = self.pool.conn().await?;
        let profile = profiles::find(&mut conn, None, user).await?.and_then(profiles::Found::visible);
        drop(conn);
        let profile = profile.ok_or(Error::UserNotFound(user))?;
        let (out, outlet) = mpsc::channel(QUEUE);
        let app = Arc::clone(self);
        let write = async move {
            let first = [Record::Profile(Box::new(profile)), Record::Settings(Box::new(settings))];
            for record in first {
                if out.send(Ok(record)).await.is_err() {
                    return;
                }
            }
            if let Err(error) = app.write_lists(user, &out).await {
                // Whoever has left needs no reason.
                let _ = out.send(Err(error)).await;
            }
        };
        tokio::spawn(write.in_current_span());
        Ok(outlet)
    }

    /// Ends early if nobody reads any more.
    async fn write_lists(&self, user: UserId, out: &mpsc::Sender<Result<Record, Error>>) -> Result<(), Error> {
        for list in List::ALL {
            let mut below = Listed::top();
            loop {
                let rows = self.page_of(list, user, below).await?;
                for row in &rows {
                    if out.send(Ok(list.record(user, *row))).await.is_err() {
                        return Ok(());
                    }
                }
                match rows.last() {
                    Some(last) => below = *last,
                    None => break,
                }
            }
        }
        Ok(())
    }

    async fn page_of(&self, list: List, user: UserId, below: Listed) -> Result<Vec<Listed>, pg::Error> {
        use FollowStatus::{Active, Pending};
        let (mut conn, limit) = (self.pool.conn().await?, i64::from(self.paging.max));
        match list {
            List::Follows => export::followees(&mut conn, user, Active, below, limit).await,
            List::Followers => export::followers(&mut conn, user, Active, below, limit).await,
            List::RequestsMade => export::followees(&mut conn, user, Pending, below, limit).await,
            List::RequestsReceived => export::followers(&mut conn, user, Pending, below, limit).await,
            List::Blocks => export::blocks(&mut conn, user, below, limit).await,
        }
    }
}
