//! A user service for one test, and the people who use it.

use std::time::Duration;

use chassis::config::{Listen, Peers as PeersSection};
use chassis::{Lifecycle, Wiring};
use clock::{Clock, MockClock, rfc3339};
use ids::UserId;
use pg::Pool;
use protos::user::v1 as pb;
use protos::user::v1::relationship::Kind;
use protos::user::v1::user_service_client::UserServiceClient;
use testkit::{As, Authorized, TestDatabase, Tokens};
use tonic::Status;
use tonic::transport::Channel;
use user_service::Config;

use crate::peers::Peers;

/// A client that calls as somebody.
pub type Client = UserServiceClient<Authorized>;

/// A running service with its own database, clock and peers.
pub struct World {
    pub clock: Clock,
    pub hands: MockClock,
    pub tokens: Tokens,
    pub peers: Peers,
    pub database: TestDatabase,
    pub life: Lifecycle,
    config: Config,
    channel: Channel,
}

/// Another service on the same database.
pub struct Replica {
    channel: Channel,
    life: Lifecycle,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// Starts with a changed configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config, &mut Wiring)) -> Self {
        let (clock, hands) = testkit::mock_clock();
        let tokens = Tokens::new(clock.clone());
        let database = TestDatabase::new(&user_service::MIGRATOR).await;
        let peers = Peers::default();
        let url = format!("http://{}", peers.serve().await);
        let mut config = Config {
            listen: Listen::on(0, 0),
            database: database.section(),
            peers: PeersSection { auth_url: url.clone(), messaging_url: url, ..PeersSection::default() },
            ..Config::default()
        };
        // Limits have tests of their own; the others do at once what people do in a day.
        config.rate_limits.enabled = false;
        let mut wiring = Wiring { verifier: Some(tokens.verifier()), ..Wiring::default() };
        change(&mut config, &mut wiring);
        let life = Lifecycle::new(clock.clone());
        let running = user_service::start(config.clone(), life.clone(), wiring).await.expect("the service starts");
        running.readiness.ready().await;
        let channel = testkit::channel(running.grpc);
        Self { clock, hands, tokens, peers, database, life, config, channel }
    }

    /// Starts another service on the same database.
    pub async fn replica(&self) -> Replica {
        let wiring = Wiring { verifier: Some(self.tokens.verifier()), ..Wiring::default() };
        let life = Lifecycle::new(self.clock.clone());
        let running = user_service::start(self.config.clone(), life.clone(), wiring).await.expect("the service starts");
        running.readiness.ready().await;
        Replica { channel: testkit::channel(running.grpc), life }
    }

    pub fn client(&self, token: &str) -> Client {
        UserServiceClient::new(As::token(token).on(self.channel.clone()))
    }

    pub fn nobody(&self) -> Client {
        UserServiceClient::new(As::nobody().on(self.channel.clone()))
    }

    pub fn service(&self) -> Client {
        self.client(&self.tokens.service("messaging"))
    }

    pub fn admin(&self) -> Client {
        self.client(&self.tokens.admin(self.new_id()))
    }

    pub fn new_id(&self) -> UserId {
        UserId::generate(self.clock.now())
    }

    /// Somebody with an account and a profile, made as Register makes them.
    pub async fn person(&self, username: &str) -> Person {
        let person = self.account(username);
        let request = pb::EnsureProfileRequest {
            user_id: person.id.to_string(),
            username: username.to_owned(),
            display_name: String::new(),
            created_at: rfc3339(self.clock.now()),
        };
        let made = self.service().ensure_profile(request).await.expect("a service may").into_inner();
        assert!(made.created);
        person
    }

    pub async fn people<const N: usize>(&self, names: [&str; N]) -> [Person; N] {
        let mut people = Vec::with_capacity(N);
        for name in names {
            people.push(self.person(name).await);
        }
        people.try_into().ok().expect("as many as names")
    }

    /// Somebody whose account exists but whose profile was not announced.
    pub fn account(&self, username: &str) -> Person {
        self.hands.advance(Duration::from_millis(1));
        let id = self.new_id();
        self.peers.add(id, username, self.clock.now());
        Person { id, client: self.client(&self.tokens.person(id)) }
    }

    /// A pool of the test's own on the service's database.
    pub fn pool(&self) -> Pool {
        Pool::new(self.database.section().pool_config("test")).expect("an address")
    }

    /// Holds the tables against what must be true at every commit.
    pub async fn assert_consistent(&self) {
        let report = user_service::admin::reconcile(&self.pool(), false).await.expect("the database answers");
        assert_eq!(report.drifts, [], "counts equal rows");
        let mut connection = self.database.connect().await;
        let across: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM follows f JOIN blocks b ON (b.blocker_id, b.blocked_id) IN ((f.follower_id, f.followee_id), (f.followee_id, f.follower_id))",
        )
        .fetch_one(&mut connection)
        .await
        .expect("the database answers");
        assert_eq!(across, 0, "no follow lies across a block");
    }
}

impl Replica {
    /// The same person, who calls this service.
    pub fn person(&self, world: &World, person: &Person) -> Person {
        Person { id: person.id, client: self.client(&world.tokens.person(person.id)) }
    }

    pub fn client(&self, token: &str) -> Client {
        UserServiceClient::new(As::token(token).on(self.channel.clone()))
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.life.shut_down();
    }
}

/// A user with a client of their own.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub client: Client,
}

impl Person {
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub async fn profile(&self, of: &Person) -> Result<pb::UserProfile, Status> {
        let request = pb::GetUserProfileRequest { user_id: of.id.to_string() };
        let answer = self.client().get_user_profile(request).await?.into_inner();
        Ok(answer.profile.expect("an answer has a profile"))
    }

    pub async fn counts(&self) -> (i64, i64) {
        let profile = self.profile(self).await.expect("own profile");
        (profile.follower_count, profile.following_count)
    }

    pub async fn follow(&self, whom: &Person) -> Result<Kind, Status> {
        let request = pb::FollowUserRequest { follower_id: None, followee_id: whom.id.to_string() };
        let answer = self.client().follow_user(request).await?.into_inner();
        assert!(answer.success);
        Ok(answer.relationship())
    }

    pub async fn unfollow(&self, whom: &Person) -> Result<Kind, Status> {
        let request = pb::UnfollowUserRequest { follower_id: None, followee_id: whom.id.to_string() };
        let answer = self.client().unfollow_user(request).await?.into_inner();
        assert!(answer.success);
        Ok(answer.relationship())
    }

    pub async fn block(&self, whom: &Person) -> Result<(), Status> {
        let request = pb::BlockUserRequest { blocker_id: None, blocked_id: whom.id.to_string() };
        assert!(self.client().block_user(request).await?.into_inner().success);
        Ok(())
    }

    pub async fn unblock(&self, whom: &Person) -> Result<(), Status> {
        let request = pb::UnblockUserRequest { blocker_id: None, blocked_id: whom.id.to_string() };
        assert!(self.client().unblock_user(request).await?.into_inner().success);
        Ok(())
    }

    pub async fn respond(&self, to: &Person, accept: bool) -> Result<Kind, Status> {
        let request =
            pb::RespondToFollowRequestRequest { followee_id: "me".to_owned(), follower_id: to.id.to_string(), accept };
        let answer = self.client().respond_to_follow_request(request).await?.into_inner();
        assert!(answer.success);
        Ok(answer.relationship())
    }

    pub async fn relationship(&self, to: &Person) -> Result<Kind, Status> {
        relationship(self.client(), self.id, to.id).await
    }

    pub async fn set_private(&self, private: bool) {
        let request = pb::UpdateUserProfileRequest {
            user_id: "me".to_owned(),
            private: Some(private),
            ..pb::UpdateUserProfileRequest::default()
        };
        self.client().update_user_profile(request).await.expect("own profile");
    }

    pub async fn settings(&self, change: pb::UpdateUserSettingsRequest) -> Result<pb::UserSettings, Status> {
        let request = pb::UpdateUserSettingsRequest { user_id: self.id.to_string(), ..change };
        let answer = self.client().update_user_settings(request).await?.into_inner();
        Ok(answer.settings.expect("an answer has settings"))
    }

    pub async fn followers(&self, of: &Person) -> Result<Vec<String>, Status> {
        let request = pb::GetUserFollowersRequest { user_id: of.id.to_string(), ..Default::default() };
        Ok(names(self.client().get_user_followers(request).await?.into_inner().profiles))
    }

    pub async fn following(&self, of: &Person) -> Result<Vec<String>, Status> {
        let request = pb::GetUserFollowingRequest { user_id: of.id.to_string(), ..Default::default() };
        Ok(names(self.client().get_user_following(request).await?.into_inner().profiles))
    }

    pub async fn search(&self, query: &str) -> Vec<String> {
        let request = pb::SearchUsersRequest { query: query.to_owned(), limit: 100, ..Default::default() };
        names(self.client().search_users(request).await.expect("a good query").into_inner().profiles)
    }
}

pub async fn relationship(mut client: Client, first: UserId, second: UserId) -> Result<Kind, Status> {
    let request = pb::CheckUserRelationshipRequest { user_id_1: first.to_string(), user_id_2: second.to_string() };
    Ok(client.check_user_relationship(request).await?.into_inner().relationship())
}

pub fn names(profiles: Vec<pb::UserProfile>) -> Vec<String> {
    profiles.into_iter().map(|profile| profile.username).collect()
}
