//! Scenarios: named steps that read as a story, and say how far it went when it goes wrong.

use std::collections::BTreeMap;

use futures::future::LocalBoxFuture;
use protos::messaging::v1::Message;
use tonic::Code;

use crate::grpc_helpers::unexpected;
use crate::{GrpcTestError, Outcome, Person, World};

/// A story in steps, told to any [`World`].
pub struct IntegrationTestScenario {
    name: String,
    steps: Vec<(&'static str, Step)>,
}

/// What happens, with the words for it.
pub struct Step {
    words: String,
    action: Action,
}

type Action = Box<dyn for<'a> FnOnce(&'a mut Stage<'_>) -> LocalBoxFuture<'a, Outcome>>;

/// Who and what the steps of a scenario share, by the names that the story gives them.
pub struct Stage<'w> {
    /// Where it plays.
    pub world: &'w World,
    people: BTreeMap<String, Person>,
    /// The conversation that the story is about.
    conversation: Option<String>,
    /// The message sent last.
    last_message: Option<Message>,
}

impl IntegrationTestScenario {
    /// A story without steps.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), steps: vec![] }
    }

    /// How things stand at the start.
    #[must_use]
    pub fn given(self, step: Step) -> Self {
        self.add("given", step)
    }

    /// What somebody does.
    #[must_use]
    pub fn when(self, step: Step) -> Self {
        self.add("when", step)
    }

    /// What must be true then.
    #[must_use]
    pub fn then(self, step: Step) -> Self {
        self.add("then", step)
    }

    fn add(mut self, role: &'static str, step: Step) -> Self {
        self.steps.push((role, step));
        self
    }

    /// Plays it.
    ///
    /// # Panics
    /// At the first step that fails, with the steps done and the request ids of the calls made.
    pub async fn run(self, world: &World) {
        if let Err(failure) = self.play(world).await {
            panic!("{failure}");
        }
    }

    /// Plays it, and tells of a failure in words.
    ///
    /// # Errors
    /// At the first step that fails: the steps done, the failure, and the request ids of the calls made.
    pub async fn play(self, world: &World) -> Result<(), String> {
        let mut stage = Stage { world, people: BTreeMap::new(), conversation: None, last_message: None };
        let mut told = format!("scenario {:?} on {world:?}", self.name);
        for (role, step) in self.steps {
            match (step.action)(&mut stage).await {
                Ok(()) => told.push_str(&format!("\n  done    {role} {}", step.words)),
                Err(error) => {
                    return Err(format!(
                        "{told}\n  FAILED  {role} {}\n          {error}\n{}",
                        step.words,
                        world.journal()
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Stage<'_> {
    /// Somebody whom an earlier step has introduced.
    ///
    /// # Errors
    /// If none has.
    pub fn person(&self, name: &str) -> Outcome<&Person> {
        self.people.get(name).ok_or_else(|| unexpected(format!("no step has introduced {name}")))
    }

    /// The conversation's id.
    ///
    /// # Errors
    /// If no step has opened one.
    pub fn conversation(&self) -> Outcome<&str> {
        self.conversation.as_deref().ok_or_else(|| unexpected("no step has opened a conversation"))
    }

    /// The message sent last.
    ///
    /// # Errors
    /// If none was sent.
    pub fn last_message(&self) -> Outcome<&Message> {
        self.last_message.as_ref().ok_or_else(|| unexpected("no step has sent a message"))
    }

    async fn introduce(&mut self, name: &str) -> Outcome {
        if !self.people.contains_key(name) {
            let person = self.world.person(name).await?;
            self.people.insert(name.to_owned(), person);
        }
        Ok(())
    }
}

/// A step of a test's own.
pub fn step<F>(words: impl Into<String>, action: F) -> Step
where
    F: for<'a> FnOnce(&'a mut Stage<'_>) -> LocalBoxFuture<'a, Outcome> + 'static,
{
    Step { words: words.into(), action: Box::new(action) }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(unexpected(format!("{what} is {found:?}, not {wanted:?}"))) }
}

/// Somebody registers.
pub fn registered(name: &'static str) -> Step {
    step(format!("{name} has registered"), move |stage| Box::pin(stage.introduce(name)))
}

/// One follows another; both register if they have not.
pub fn follows(follower: &'static str, followee: &'static str) -> Step {
    step(format!("{follower} follows {followee}"), move |stage| {
        Box::pin(async move {
            stage.introduce(follower).await?;
            stage.introduce(followee).await?;
            stage.person(follower)?.follow(stage.person(followee)?).await.map(drop)
        })
    })
}

/// One blocks another.
pub fn blocks(blocker: &'static str, blocked: &'static str) -> Step {
    step(format!("{blocker} blocks {blocked}"), move |stage| {
        Box::pin(async move { stage.person(blocker)?.block(stage.person(blocked)?).await })
    })
}

/// One takes the block of another back.
pub fn unblocks(blocker: &'static str, blocked: &'static str) -> Step {
    step(format!("{blocker} unblocks {blocked}"), move |stage| {
        Box::pin(async move { stage.person(blocker)?.unblock(stage.person(blocked)?).await })
    })
}

/// Two people have their direct conversation; both register if they have not.
pub fn conversation_between(one: &'static str, other: &'static str) -> Step {
    step(format!("a conversation between {one} and {other}"), move |stage| {
        Box::pin(async move {
            stage.introduce(one).await?;
            stage.introduce(other).await?;
            let conversation = stage.person(one)?.direct_with(stage.person(other)?).await?;
            stage.conversation = Some(conversation.id);
            Ok(())
        })
    })
}

/// Somebody sends a text to the conversation.
pub fn send(sender: &'static str, text: &'static str) -> Step {
    step(format!("{sender} sends {text:?}"), move |stage| {
        Box::pin(async move {
            let message = stage.person(sender)?.send(stage.conversation()?, text).await?;
            equal("the content", &message.content.as_str(), &text)?;
            stage.last_message = Some(message);
            Ok(())
        })
    })
}

/// Somebody sends a text under a client id; a repeat must bring the message sent last.
pub fn send_again(sender: &'static str, text: &'static str, client_message_id: &'static str) -> Step {
    step(format!("{sender} sends {text:?} as {client_message_id}"), move |stage| {
        Box::pin(async move {
            let sent = stage.person(sender)?.send_once(stage.conversation()?, text, client_message_id).await?;
            if let Some(last) = stage.last_message.as_ref().filter(|m| m.client_message_id == sent.client_message_id) {
                equal("the repeated message", &sent, last)?;
            }
            stage.last_message = Some(sent);
            Ok(())
        })
    })
}

/// Somebody reads up to the message sent last.
pub fn mark_read(reader: &'static str) -> Step {
    step(format!("{reader} reads the last message"), move |stage| {
        Box::pin(async move {
            let left = stage.person(reader)?.read(&stage.last_message()?.id).await?;
            equal("what is left unread", &left, &0)
        })
    })
}

/// Somebody has so many messages unread, whichever way one asks.
pub fn unread(reader: &'static str, count: i64) -> Step {
    step(format!("{reader} has {count} unread"), move |stage| {
        Box::pin(async move {
            let (person, conversation) = (stage.person(reader)?, stage.conversation()?);
            equal("GetUnreadCount of the conversation", &person.unread(Some(conversation)).await?, &count)?;
            equal("GetUnreadCount of all", &person.unread(None).await?, &count)?;
            equal("GetConversation", &person.conversation(conversation).await?.unread_count, &count)
        })
    })
}

/// Somebody finds exactly these texts in the conversation, oldest first.
pub fn finds(reader: &'static str, texts: &'static [&'static str]) -> Step {
    step(format!("{reader} finds {texts:?}"), move |stage| {
        Box::pin(async move {
            let history = stage.person(reader)?.history(stage.conversation()?, false).await?;
            equal("the history", &history.iter().map(|m| m.content.as_str()).collect::<Vec<_>>(), &texts.to_vec())
        })
    })
}

/// Sending is refused, with this reason; nothing arrives.
pub fn sending_is_refused(sender: &'static str, code: Code, reason: &'static str) -> Step {
    step(format!("{sender} can't send: {reason}"), move |stage| {
        Box::pin(async move {
            match stage.person(sender)?.send(stage.conversation()?, "must not arrive").await {
                Err(GrpcTestError::Status { code: c, reason: r, status }) if c == code && r == reason => {
                    testkit::check_status(&status);
                    Ok(())
                }
                Err(other) => Err(other),
                Ok(message) => Err(unexpected(format!("it was accepted as number {}", message.sequence))),
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_tells_the_steps_done_and_the_request_ids() {
        let world = World::start().await;
        let failure = IntegrationTestScenario::new("a story that goes wrong")
            .given(registered("ada"))
            .when(send("ada", "hello"))
            .then(unread("ada", 7))
            .play(&world)
            .await
            .expect_err("ada has no conversation");
        assert!(failure.contains("done    given ada has registered"), "{failure}");
        assert!(failure.contains("FAILED  when ada sends \"hello\""), "{failure}");
        assert!(failure.contains("nova.auth.v1.AuthService/Register") && failure.contains("test-"), "{failure}");
        assert!(!failure.contains("unread"), "later steps are not played: {failure}");
    }
}
