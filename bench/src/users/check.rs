//! What people find in the end, held against what they were told.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use protos::messaging::v1::stream_events_response::Event;
use protos::messaging::v1::{GetMessagesRequest, GetUnreadCountRequest, SendMessageRequest, StreamEventsRequest};
use tonic::Code;

use super::{PEOPLE, Users};

impl Users {
    /// Reads every group from its first message on and holds it against what was acknowledged: numbered without a gap, each text that
    /// was acknowledged before `before` in its place, and no other text in the place of one that was acknowledged later. Tells how
    /// many messages each has.
    pub async fn read_all(&self, before: Instant) -> anyhow::Result<HashMap<String, i64>> {
        let acknowledged = self.seen.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut lengths = HashMap::new();
        for n in 0..PEOPLE {
            let group = self.people[n].group.clone();
            let texts = self.read(n, &group).await?;
            let last = texts.keys().last().copied().unwrap_or(0);
            ensure!(texts.len() as i64 == last, "{} of {last} numbers are there", texts.len());
            for (sequence, (text, at)) in acknowledged.get(&group).into_iter().flatten() {
                match texts.get(sequence) {
                    Some(there) => ensure!(there == text, "message {sequence} is another than was acknowledged"),
                    None => ensure!(*at >= before, "acknowledged message {sequence} is not there"),
                }
            }
            lengths.insert(group, last);
        }
        Ok(lengths)
    }

    async fn read(&self, n: usize, group: &str) -> anyhow::Result<BTreeMap<i64, String>> {
        let (mut texts, mut page_token) = (BTreeMap::new(), String::new());
        loop {
            let get = GetMessagesRequest {
                conversation_id: group.to_owned(),
                limit: 100,
                page_token: page_token.clone(),
                ..Default::default()
            };
            let page = self.people[n].rpc.messaging.clone().get_messages(self.request(n, get)).await?.into_inner();
            for message in page.messages {
                ensure!(texts.insert(message.sequence, message.content).is_none(), "a number was given twice");
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(texts);
            }
        }
    }

    /// Holds the unread counts of everybody against how many messages the group has that is not theirs: nobody reads.
    pub async fn check_unread(&self, lengths: &HashMap<String, i64>) -> anyhow::Result<()> {
        for n in 0..PEOPLE {
            let [_, other] = self.groups_of(n);
            let count = GetUnreadCountRequest { user_id: self.people[n].id.clone(), ..Default::default() };
            let unread = self.people[n]
                .rpc
                .messaging
                .clone()
                .get_unread_count(self.request(n, count))
                .await?
                .into_inner()
                .unread_count;
            ensure!(unread == lengths[&other], "{unread} unread, but there are {}", lengths[&other]);
        }
        Ok(())
    }

    /// Sends to everybody's group and hears it on a stream; the numbers go on after what is there.
    pub async fn go_on(&self, lengths: &HashMap<String, i64>) -> anyhow::Result<()> {
        for n in 0..PEOPLE {
            let mut cursor = self.first_cursor(n).await?;
            let group = self.people[n].group.clone();
            let message = SendMessageRequest {
                conversation_id: group.clone(),
                content: Some("and on".to_owned()),
                ..Default::default()
            };
            let sent = self.people[n].rpc.messaging.clone().send_message(self.request(n, message)).await?.into_inner();
            let sequence = sent.message.context("a message")?.sequence;
            ensure!(sequence == lengths[&group] + 1, "{sequence} came after {}", lengths[&group]);
            let mut heard = HashMap::new();
            let hears = async {
                while !heard.contains_key(&group) {
                    self.hear_one(n, &mut heard, &mut cursor).await?;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(Duration::from_secs(20), hears).await.context("a new message is told of")??;
        }
        Ok(())
    }

    async fn hear_one(
        &self,
        n: usize,
        heard: &mut HashMap<String, Vec<i64>>,
        cursor: &mut String,
    ) -> anyhow::Result<()> {
        let request = StreamEventsRequest { cursor: Some(cursor.clone()), conversation_ids: vec![] };
        let mut stream = self.people[n].rpc.streams.clone().stream_events(self.request(n, request)).await?.into_inner();
        loop {
            let event = stream.message().await?.context("an event")?;
            *cursor = event.cursor;
            if let Some(Event::MessageSent(message)) = event.event {
                heard.entry(event.conversation_id).or_default().push(message.sequence);
                return Ok(());
            }
        }
    }

    /// Whether a cursor of another world is refused as one that has expired.
    pub async fn is_expired(&self, n: usize, cursor: &str) -> bool {
        let request = StreamEventsRequest { cursor: Some(cursor.to_owned()), conversation_ids: vec![] };
        let answer = self.people[n].rpc.streams.clone().stream_events(self.request(n, request)).await;
        answer.err().is_some_and(|status| status.code() == Code::OutOfRange)
    }
}
