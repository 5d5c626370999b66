//! People who call all services all the time, and take no failure for an answer.

mod check;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{RefreshTokenRequest, RegisterRequest};
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::stream_events_response::Event;
use protos::messaging::v1::{
    CreateConversationRequest, GetMessagesRequest, GetUnreadCountRequest, SendMessageRequest, StreamEventsRequest,
    conversation,
};
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{FollowUserRequest, GetUserProfileRequest, UpdateUserProfileRequest};
use rpc::{Bounds, Dial, Peer, PeerChannel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

use crate::chaos::roll;
use crate::rest::Rest;

const PEOPLE: usize = 12;
/// A call takes milliseconds; this is how long a whole replica may take to end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Each sends into a group of their own, so that what they were acknowledged is numbered.
const CALM: Duration = Duration::from_millis(15);
/// Failures that are printed.
const SHOWN: usize = 10;

/// The services as one person reaches them, over connections of their own. Calls that a connection which was just being closed has not
/// looked at go over another, as gRPC has clients do it ("transparent retries", gRFC A6; tonic's bare channel does not); no
/// call that somebody has looked at is made twice.
#[derive(Clone)]
struct Rpc {
    auth: AuthServiceClient<PeerChannel>,
    user: UserServiceClient<PeerChannel>,
    messaging: MessagingServiceClient<PeerChannel>,
    streams: MessagingServiceClient<PeerChannel>,
}

impl Rpc {
    fn new(ports: Ports) -> anyhow::Result<Self> {
        let [auth, user, messaging] = ports.grpc.map(|port| {
            let url = format!("http://127.0.0.1:{port}");
            Peer { url, dial: Dial::Plain, timeout: TIMEOUT }.open("nova", &Bounds::default())
        });
        let messaging = messaging?;
        Ok(Self {
            auth: AuthServiceClient::new(auth?),
            user: UserServiceClient::new(user?),
            streams: MessagingServiceClient::new(messaging.clone().for_streams()),
            messaging: MessagingServiceClient::new(messaging),
        })
    }
}

struct Person {
    rpc: Rpc,
    id: String,
    token: MetadataValue<Ascii>,
    refresh: Mutex<String>,
    /// The group that they send to; the next person is in it, too.
    group: String,
}

/// Where the services are: ports on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// gRPC of the auth, user and messaging service.
    pub grpc: [u16; 3],
    /// HTTP of the user and messaging service.
    pub http: [u16; 2],
}

impl Ports {
    /// All of them behind one.
    pub fn one(port: u16) -> Self {
        Self { grpc: [port; 3], http: [port; 2] }
    }
}

/// Texts by number, as they were acknowledged, and when.
type Acknowledged = BTreeMap<i64, (String, Instant)>;

/// What happened.
#[derive(Default)]
pub struct Seen {
    /// Calls that were answered as they have to be, by kind.
    answered: Mutex<BTreeMap<&'static str, usize>>,
    failures: Mutex<Vec<String>>,
    acknowledged: Mutex<HashMap<String, Acknowledged>>,
    /// Messages that streams have told of.
    pub told: AtomicUsize,
    /// How often streams were taken up again.
    pub resumed: AtomicUsize,
    /// REST calls that were repeated over another connection.
    pub repeated: AtomicUsize,
}

/// See the module.
pub struct Users {
    people: Vec<Person>,
    ports: [u16; 2],
    /// What happened.
    pub seen: Seen,
}

impl Users {
    /// Registers everybody.
    pub async fn gather(ports: Ports) -> anyhow::Result<Self> {
        let mut users = Self { people: vec![], ports: ports.http, seen: Seen::default() };
        for n in 0..PEOPLE {
            let register = RegisterRequest {
                username: format!("person{n}"),
                email: format!("person{n}@example.org"),
                password: "correct horse battery".to_owned(),
                display_name: None,
            };
            let mut rpc = Rpc::new(ports)?;
            let answer = rpc.auth.register(register).await?.into_inner();
            let tokens = answer.tokens.context("tokens")?;
            let token = format!("Bearer {}", tokens.access_token).parse()?;
            let (id, refresh) = (answer.user.context("a user")?.id, Mutex::new(tokens.refresh_token));
            users.people.push(Person { rpc, id, token, refresh, group: String::new() });
        }
        for n in 0..PEOPLE {
            let create = CreateConversationRequest {
                r#type: conversation::Type::Group.into(),
                member_ids: vec![users.people[(n + 1) % PEOPLE].id.clone()],
                name: Some(format!("of {n}")),
                ..Default::default()
            };
            let made =
                users.people[n].rpc.messaging.clone().create_conversation(users.request(n, create)).await?.into_inner();
            users.people[n].group = made.conversation.context("a conversation")?.id;
        }
        Ok(users)
    }

    /// The same people at other services, which know their tokens.
    pub fn move_to(&mut self, ports: Ports) -> anyhow::Result<()> {
        self.ports = ports.http;
        self.people.iter_mut().try_for_each(|person| {
            person.rpc = Rpc::new(ports)?;
            Ok(())
        })
    }

    /// Keeps everybody busy until it is over: senders, others who call, and who listens.
    pub fn be_busy(self: Arc<Self>, over: &CancellationToken) -> Vec<JoinHandle<()>> {
        let mut busy = vec![];
        for n in 0..PEOPLE {
            let (users, until) = (Arc::clone(&self), over.clone());
            busy.push(tokio::spawn(async move {
                for number in 0.. {
                    if until.is_cancelled() {
                        break;
                    }
                    users.act(n, number).await;
                    tokio::time::sleep(CALM).await;
                }
            }));
            let (users, until) = (Arc::clone(&self), over.clone());
            busy.push(tokio::spawn(async move {
                users.rest(n, until).await;
            }));
        }
        busy
    }

    async fn act(&self, n: usize, number: usize) {
        let (me, other) = (&self.people[n], &self.people[(n + 1) % PEOPLE]);
        match roll(12) {
            0..4 => self.send(n, number).await,
            4 => {
                let get = GetUserProfileRequest { user_id: other.id.clone() };
                self.note(
                    "GetUserProfile",
                    self.people[n].rpc.user.clone().get_user_profile(self.request(n, get)).await,
                );
            }
            5 => {
                let update = UpdateUserProfileRequest {
                    user_id: me.id.clone(),
                    bio: Some(format!("likes {number}")),
                    ..Default::default()
                };
                self.note(
                    "UpdateUserProfile",
                    self.people[n].rpc.user.clone().update_user_profile(self.request(n, update)).await,
                );
            }
            6 => {
                let follow = FollowUserRequest { follower_id: Some(me.id.clone()), followee_id: other.id.clone() };
                self.note("FollowUser", self.people[n].rpc.user.clone().follow_user(self.request(n, follow)).await);
            }
            7 => {
                let count = GetUnreadCountRequest { user_id: me.id.clone(), ..Default::default() };
                self.note(
                    "GetUnreadCount",
                    self.people[n].rpc.messaging.clone().get_unread_count(self.request(n, count)).await,
                );
            }
            8..11 => {
                let get = GetMessagesRequest { conversation_id: me.group.clone(), limit: 20, ..Default::default() };
                self.note("GetMessages", self.people[n].rpc.messaging.clone().get_messages(self.request(n, get)).await);
            }
            _ => {
                let token = me.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let refreshed =
                    self.people[n].rpc.auth.clone().refresh_token(RefreshTokenRequest { refresh_token: token }).await;
                if let Some(answer) = self.note("RefreshToken", refreshed)
                    && let Some(tokens) = answer.tokens
                {
                    *me.refresh.lock().unwrap_or_else(PoisonError::into_inner) = tokens.refresh_token;
                }
            }
        }
    }

    async fn send(&self, n: usize, number: usize) {
        let (group, text) = (self.people[n].group.clone(), format!("{n}: {number}"));
        let message =
            SendMessageRequest { conversation_id: group.clone(), content: Some(text.clone()), ..Default::default() };
        let sent = self.people[n].rpc.messaging.clone().send_message(self.request(n, message)).await;
        if let Some(answer) = self.note("SendMessage", sent) {
            self.acknowledge(group, answer.message.map_or(0, |message| message.sequence), text);
        }
    }

    async fn rest(&self, n: usize, until: CancellationToken) {
        let (me, token) = (&self.people[n], self.people[n].token.to_str().unwrap_or_default().to_owned());
        let [user, messaging] = self.ports.map(|port| Rest::new(port, token.clone()));
        let (mut user, mut messaging) = (user, messaging);
        let mut number = 0;
        while !until.is_cancelled() {
            number += 1;
            let (kind, answer) = match roll(3) {
                0 => ("GET profile", user.call("GET", "/api/v1/users/me", "").await),
                1 => ("GET messages", {
                    let path = format!("/api/v1/conversations/{}/messages?limit=10", me.group);
                    messaging.call("GET", &path, "").await
                }),
                // With an id of the client's a repeat is the same message.
                _ => ("POST message", {
                    let path = format!("/api/v1/conversations/{}/messages", me.group);
                    let body =
                        format!("{{\"content\":\"rest {n}: {number}\",\"clientMessageId\":\"rest-{n}-{number}\"}}");
                    let answer = messaging.call("POST", &path, &body).await;
                    if let Ok((200, text)) = &answer {
                        let sequence = text.split("\"sequence\":\"").nth(1).and_then(|rest| rest.split('"').next());
                        let sequence = sequence.and_then(|digits| digits.parse().ok()).unwrap_or(0);
                        self.acknowledge(me.group.clone(), sequence, format!("rest {n}: {number}"));
                    }
                    answer
                }),
            };
            match answer {
                Ok((200, _)) => self.count(kind),
                Ok((status, text)) => self.fail(format!("{kind}: {status} {text}")),
                Err(error) => self.fail(format!("{kind}: {error:#}")),
            }
            tokio::time::sleep(CALM).await;
        }
        self.seen.repeated.fetch_add(user.repeated + messaging.repeated, Ordering::Relaxed);
    }

    /// Where a stream of a person's begins.
    pub async fn first_cursor(&self, n: usize) -> anyhow::Result<String> {
        let request = self.request(n, StreamEventsRequest::default());
        let mut stream = self.people[n].rpc.streams.clone().stream_events(request).await?.into_inner();
        Ok(stream.message().await?.context("a heartbeat")?.cursor)
    }

    /// What a person hears of from a cursor on, until it is over: every message of their two groups by number. Whoever is cut off
    /// comes back with the last cursor.
    pub fn listen(
        self: Arc<Self>,
        n: usize,
        mut cursor: String,
        until: CancellationToken,
    ) -> JoinHandle<HashMap<String, Vec<i64>>> {
        tokio::spawn(async move {
            let mut heard = HashMap::<String, Vec<i64>>::new();
            while !until.is_cancelled() {
                let ended = until.run_until_cancelled(self.hear(n, &mut heard, &mut cursor)).await;
                match ended {
                    None => break,
                    Some(status) if status.code() == Code::Unavailable => {
                        self.seen.resumed.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    Some(status) => {
                        self.fail(format!("StreamEvents: {status}"));
                        break;
                    }
                }
            }
            heard
        })
    }

    async fn hear(&self, n: usize, heard: &mut HashMap<String, Vec<i64>>, cursor: &mut String) -> Status {
        let request = StreamEventsRequest { cursor: Some(cursor.clone()), conversation_ids: vec![] };
        let mut stream = match self.people[n].rpc.streams.clone().stream_events(self.request(n, request)).await {
            Ok(stream) => stream.into_inner(),
            Err(status) => return status,
        };
        loop {
            match stream.message().await {
                Ok(Some(event)) => {
                    *cursor = event.cursor;
                    if let Some(Event::MessageSent(message)) = event.event {
                        heard.entry(event.conversation_id).or_default().push(message.sequence);
                        self.seen.told.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(None) => return Status::unavailable("the stream ended"),
                Err(status) => return status,
            }
        }
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        PEOPLE
    }

    /// How many messages a person hears of in the end: those in the own group and in that of the person before.
    pub fn groups_of(&self, n: usize) -> [String; 2] {
        [self.people[n].group.clone(), self.people[(n + PEOPLE - 1) % PEOPLE].group.clone()]
    }

    fn acknowledge(&self, group: String, sequence: i64, text: String) {
        let mut all = self.seen.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        if all.entry(group).or_default().insert(sequence, (text, Instant::now())).is_some() {
            drop(all);
            self.fail(format!("message {sequence} was acknowledged twice"));
        }
    }

    fn note<T>(&self, kind: &'static str, answer: Result<tonic::Response<T>, Status>) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.count(kind);
                Some(answer.into_inner())
            }
            Err(status) => {
                self.fail(format!("{kind}: {status:?}"));
                None
            }
        }
    }

    fn count(&self, kind: &'static str) {
        *self.seen.answered.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    fn fail(&self, what: String) {
        let mut failures = self.seen.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < SHOWN {
            println!("failed: {what}");
        }
        failures.push(what);
    }

    fn request<T>(&self, n: usize, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.people[n].token.clone());
        request
    }
}

impl Seen {
    /// Messages that were acknowledged before a moment.
    pub fn acknowledged_before(&self, moment: Instant) -> usize {
        let acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.values().flat_map(BTreeMap::values).filter(|(_, at)| *at < moment).count()
    }

    /// Calls that failed.
    pub fn failures(&self) -> usize {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Calls that were answered, and of each kind.
    pub fn answered(&self) -> (usize, String) {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let each: Vec<String> = answered.iter().map(|(kind, n)| format!("{kind} {n}")).collect();
        (answered.values().sum(), each.join(", "))
    }
}
