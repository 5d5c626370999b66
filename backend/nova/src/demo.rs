//! `nova demo`: a lively data set, made through the public API like any client's, and safe to run again.

use std::collections::HashMap;

use anyhow::Context;
use chassis::Lifecycle;
use clock::Clock;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{LoginRequest, RegisterRequest};
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::messaging::v1::{CreateConversationRequest, MarkAsReadRequest, SendMessageRequest, conversation};
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{FollowUserRequest, UpdateUserProfileRequest};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::config::Config;
use crate::{doctor, serve};

struct Person {
    username: &'static str,
    display_name: &'static str,
    bio: &'static str,
    follows: &'static [&'static str],
}

const PEOPLE: [Person; 6] = [
    Person {
        username: "ada",
        display_name: "Ada Lovelace",
        bio: "Notes on an engine",
        follows: &["charles", "grace", "alan"],
    },
    Person { username: "charles", display_name: "Charles Babbage", bio: "Still building it", follows: &["ada"] },
    Person {
        username: "grace",
        display_name: "Grace Hopper",
        bio: "It is easier to ask forgiveness",
        follows: &["ada", "margaret"],
    },
    Person {
        username: "alan",
        display_name: "Alan Turing",
        bio: "Can machines think?",
        follows: &["ada", "katherine"],
    },
    Person {
        username: "margaret",
        display_name: "Margaret Hamilton",
        bio: "Priority display: 1202",
        follows: &["grace", "katherine"],
    },
    Person {
        username: "katherine",
        display_name: "Katherine Johnson",
        bio: "Check the numbers",
        follows: &["margaret"],
    },
];

/// A conversation: its name (none for a direct one), who belongs to it, the first opens it; and what they say.
struct Talk {
    key: &'static str,
    name: Option<&'static str>,
    members: &'static [&'static str],
    lines: &'static [(&'static str, &'static str)],
}

const TALKS: [Talk; 3] = [
    Talk {
        key: "ada-charles",
        name: None,
        members: &["ada", "charles"],
        lines: &[
            ("ada", "Is the mill ready for the Bernoulli numbers?"),
            ("charles", "The treasury asks what it is for."),
            ("ada", "Tell them: anything that can be written down."),
        ],
    },
    Talk {
        key: "grace-margaret",
        name: None,
        members: &["grace", "margaret"],
        lines: &[("grace", "I found a moth in relay 70."), ("margaret", "Did you tape it into the log?")],
    },
    Talk {
        key: "moonshot",
        name: Some("Moonshot"),
        members: &["margaret", "katherine", "grace", "alan", "ada"],
        lines: &[
            ("margaret", "Go or no go?"),
            ("katherine", "The trajectory checks out to the last digit."),
            ("alan", "It halts. I looked."),
            ("grace", "Compiler says go."),
            ("ada", "Go."),
            ("margaret", "We are go."),
        ],
    },
];

/// Fills in the data set; uses the Nova that runs, or starts one for as long as it takes.
///
/// # Errors
/// If a call fails.
pub async fn run(mut config: Config) -> anyhow::Result<()> {
    let password = config.data.secret_file("demo.password")?;
    let door = config.front_door.address();
    let channel = config.front_door.channel(door)?;
    if doctor::answers(&channel).await {
        return fill(channel, password.expose()).await;
    }
    println!("no Nova answers on {door}: starting one for the moment");
    let life = Lifecycle::new(Clock::system());
    let managed = config.open_databases().await?;
    config.front_door.port = 0;
    for listen in [&mut config.auth.listen, &mut config.user.listen, &mut config.messaging.listen] {
        (listen.http_port, listen.grpc_port) = (0, 0);
    }
    let front_door = config.front_door.clone();
    let filled = match serve::start(config, &life).await {
        Ok(nova) => match front_door.channel(nova.front_door) {
            Ok(channel) => fill(channel, password.expose()).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    life.stop().await;
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    filled
}

/// A person who is logged in.
struct Login {
    user_id: String,
    token: MetadataValue<Ascii>,
}

impl Login {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }
}

async fn fill(channel: Channel, password: &str) -> anyhow::Result<()> {
    let mut logins = HashMap::new();
    for person in &PEOPLE {
        let login =
            log_in(&channel, person, password).await.with_context(|| format!("{} can't log in", person.username))?;
        logins.insert(person.username, login);
    }
    let mut users = UserServiceClient::new(channel.clone());
    for person in &PEOPLE {
        let login = &logins[person.username];
        let bio = UpdateUserProfileRequest {
            user_id: login.user_id.clone(),
            bio: Some(person.bio.to_owned()),
            ..Default::default()
        };
        users.update_user_profile(login.request(bio)).await.context("a profile could not be written")?;
        for followee in person.follows {
            let follow = FollowUserRequest { followee_id: logins[followee].user_id.clone(), ..Default::default() };
            users.follow_user(login.request(follow)).await.context("a follow failed")?;
        }
    }
    for talk in &TALKS {
        hold(&channel, talk, &logins).await.with_context(|| format!("the conversation {} failed", talk.key))?;
    }
    println!(
        "\n{} people, their follows and {} conversations are there. Log-ins (password {password}):\n",
        PEOPLE.len(),
        TALKS.len()
    );
    for person in &PEOPLE {
        println!("  {:<10} {:<18} {}", person.username, person.display_name, logins[person.username].user_id);
    }
    println!();
    Ok(())
}

/// Registers a person, or logs in one whom an earlier run has registered.
async fn log_in(channel: &Channel, person: &Person, password: &str) -> anyhow::Result<Login> {
    let mut auth = AuthServiceClient::new(channel.clone());
    let register = RegisterRequest {
        username: person.username.to_owned(),
        email: format!("{}@example.org", person.username),
        password: password.to_owned(),
        display_name: Some(person.display_name.to_owned()),
    };
    let (user, tokens) = match auth.register(register).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            (answer.user, answer.tokens)
        }
        Err(status) if status.code() == Code::AlreadyExists => {
            let login = LoginRequest {
                identifier: person.username.to_owned(),
                password: password.to_owned(),
                ..Default::default()
            };
            let answer =
                auth.login(login).await.context("the name is taken by somebody with another password")?.into_inner();
            (answer.user, answer.tokens)
        }
        Err(status) => return Err(status.into()),
    };
    let (user, tokens) = (user.context("no user in the answer")?, tokens.context("no tokens in the answer")?);
    Ok(Login { user_id: user.id, token: format!("Bearer {}", tokens.access_token).parse()? })
}

/// Opens a conversation and says its lines; ids of the client's make a second run find the first one's.
async fn hold(channel: &Channel, talk: &Talk, logins: &HashMap<&str, Login>) -> anyhow::Result<()> {
    let mut messaging = MessagingServiceClient::new(channel.clone());
    let opener = &logins[talk.members[0]];
    let kind = if talk.name.is_some() { conversation::Type::Group } else { conversation::Type::Direct };
    let create = CreateConversationRequest {
        r#type: kind.into(),
        member_ids: talk.members[1..].iter().map(|name| logins[name].user_id.clone()).collect(),
        name: talk.name.map(str::to_owned),
        client_conversation_id: Some(format!("demo-{}", talk.key)),
    };
    let conversation = messaging.create_conversation(opener.request(create)).await?.into_inner().conversation;
    let conversation_id = conversation.context("no conversation in the answer")?.id;
    let mut last = None;
    for (n, (speaker, line)) in talk.lines.iter().enumerate() {
        let login = &logins[speaker];
        let send = SendMessageRequest {
            conversation_id: conversation_id.clone(),
            sender_id: login.user_id.clone(),
            content: Some((*line).to_owned()),
            client_message_id: Some(format!("demo-{}-{n}", talk.key)),
            ..Default::default()
        };
        last = messaging.send_message(login.request(send)).await?.into_inner().message;
    }
    let message_id = last.context("no message in the answer")?.id;
    let read = MarkAsReadRequest { message_id, reader_id: opener.user_id.clone() };
    messaging.mark_as_read(opener.request(read)).await?;
    Ok(())
}
