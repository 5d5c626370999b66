//! `nova admin dead-letters` and `nova admin replay`, and what `nova doctor` says of events.

use anyhow::{Context, bail};
use auth_service::app::Feed;
use chassis::config::Database;
use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Subcommand};
use clock::Clock;
use events::consumer::{self, DeadLetter, Place, ReplayFrom};
use events::{Backlog, Bus, Consumer, Kafka, Log, Outbox, Source, Topic};
use ids::EventId;
use messaging_service::app::listening as messaging;
use messaging_service::app::outbox::ConversationLog;
use pg::{Conn, Pool};
use sqlx::migrate::Migrator;
use user_service::app::accounts as user;
use uuid::Uuid;

use crate::admin::must_be_up_to_date;
use crate::config::Config;

/// The name that the database knows these commands by.
const TOOL: &str = "nova-admin";
/// While Nova runs nothing waits for so long, unless the bus is away.
const LONG_S: i64 = 60;

/// What can be done about events that nobody could act on.
#[derive(Subcommand)]
pub enum DeadLetters {
    /// Shows events that could not be acted on, and those behind them.
    List {
        /// Those of one consumer only, such as user.accounts.
        consumer: Option<String>,
    },
    /// Has a consumer try its dead letters again, within seconds if it runs.
    Redrive {
        /// Which, such as user.accounts.
        consumer: String,
        /// Those of one aggregate only.
        #[arg(long)]
        aggregate: Option<Uuid>,
    },
    /// Gives one event up for good; those behind it are tried at the next redrive.
    Discard {
        /// Whose, such as user.accounts.
        consumer: String,
        /// Which event.
        event: Uuid,
    },
}

/// From where on a consumer acts again. Never forward: what it has not done yet is done first.
#[derive(Args)]
#[command(group(ArgGroup::new("from").required(true).args(["since", "offset"])))]
pub struct Replay {
    /// Which, such as user.accounts.
    consumer: String,
    /// From the first event on that was published at this time or later, such as 2026-11-23T12:00:00Z.
    #[arg(long)]
    since: Option<DateTime<Utc>>,
    /// Events of one topic only, such as nova.auth.v1.
    #[arg(long, value_parser = topic)]
    topic: Option<Topic>,
    /// From this offset on, as `nova admin consumers` shows it.
    #[arg(long, requires = "topic")]
    offset: Option<i64>,
    /// The offset's partition: 0 unless there is Kafka.
    #[arg(long, default_value_t = 0, requires = "offset")]
    partition: i32,
}

fn topic(name: &str) -> Result<Topic, String> {
    let names = Topic::ALL.map(Topic::name).join(", ");
    Topic::of_name(name).ok_or_else(|| format!("there are {names}"))
}

/// A consumer that there is.
struct Known {
    name: &'static str,
    database: fn(&Config) -> &Database,
    migrator: &'static Migrator,
    topics: fn() -> Vec<Topic>,
}

const CONSUMERS: [Known; 3] = [
    Known {
        name: Feed::NAME,
        database: |config| &config.auth.database,
        migrator: &auth_service::MIGRATOR,
        topics: Consumer::<Feed>::topics,
    },
    Known {
        name: user::CONSUMER,
        database: |config| &config.user.database,
        migrator: &user_service::MIGRATOR,
        topics: Consumer::<user::AccountHandler>::topics,
    },
    Known {
        name: messaging::CONSUMER,
        database: |config| &config.messaging.database,
        migrator: &messaging_service::MIGRATOR,
        topics: Consumer::<messaging::AccountHandler>::topics,
    },
];

/// The names of all consumers.
pub fn consumer_names() -> impl Iterator<Item = &'static str> {
    CONSUMERS.iter().map(|known| known.name)
}

impl Known {
    fn named(name: &str) -> anyhow::Result<&'static Self> {
        let names: Vec<&str> = consumer_names().collect();
        let found = CONSUMERS.iter().find(|known| known.name == name);
        found.with_context(|| format!("there is no consumer {name}; there are {}", names.join(", ")))
    }

    async fn pool(&self, config: &Config) -> anyhow::Result<Pool> {
        let pool_config = (self.database)(config).pool_config(TOOL);
        must_be_up_to_date(&pool_config, self.migrator).await?;
        Ok(Pool::new(pool_config)?)
    }
}

/// Carries out a command about dead letters.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn dead_letters(config: &Config, command: DeadLetters) -> anyhow::Result<()> {
    match command {
        DeadLetters::List { consumer } => {
            let mut count = 0;
            for known in &CONSUMERS {
                if consumer.as_deref().is_some_and(|name| name != known.name) {
                    continue;
                }
                let pool = known.pool(config).await?;
                let letters = consumer::list(&mut *pool.conn().await?, Some(known.name)).await?;
                letters.iter().for_each(show);
                count += letters.len();
            }
            if let Some(name) = consumer {
                Known::named(&name)?;
            }
            println!("{count} dead letters");
        }
        DeadLetters::Redrive { consumer: name, aggregate } => {
            let pool = Known::named(&name)?.pool(config).await?;
            let asked = consumer::request_redrive(&mut *pool.conn().await?, &name, aggregate).await?;
            println!("{asked} dead letters of {name} are tried again by a running nova");
        }
        DeadLetters::Discard { consumer: name, event } => {
            let pool = Known::named(&name)?.pool(config).await?;
            if !consumer::discard(&mut *pool.conn().await?, &name, EventId::from(event)).await? {
                bail!("{name} has no dead letter {event}");
            }
            println!("{event} is given up");
        }
    }
    Ok(())
}

fn show(letter: &DeadLetter) {
    let DeadLetter { consumer, event, died_at, fault } = letter;
    let why = fault.as_deref().unwrap_or("waits for the one before it");
    println!(
        "{consumer}  {}  {}  {}  aggregate {}: {why}",
        clock::rfc3339(*died_at),
        event.id,
        event.kind,
        event.aggregate
    );
}

/// Has a consumer act again on what the bus still has from a place on.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn replay(config: &Config, replay: Replay) -> anyhow::Result<()> {
    let Replay { consumer: name, since, topic, offset, partition } = replay;
    let known = Known::named(&name)?;
    let topics = (known.topics)();
    let topics = match topic {
        Some(topic) if !topics.contains(&topic) => bail!("{name} does not listen to {topic}"),
        Some(topic) => vec![topic],
        None => topics,
    };
    let from = match (since, offset) {
        (Some(since), None) => ReplayFrom::Time(since),
        (None, Some(offset)) => ReplayFrom::Offset { partition, offset },
        _ => bail!("say where from: --since a time, or --topic and --offset"),
    };
    let (pool, bus) = (known.pool(config).await?, bus(config).await?);
    for topic in topics {
        let count = consumer::replay(&pool, &bus, &name, topic, from).await?;
        println!("{name} acts on {count} events of {topic}");
    }
    Ok(())
}

/// Shows where the consumers are in each topic.
///
/// # Errors
/// With a sentence that says what to do.
pub async fn consumers(config: &Config) -> anyhow::Result<()> {
    let bus = bus(config).await?;
    println!(
        "{:<20} {:<18} {:>9} {:>10} {:>10} {:>10} {:>8}",
        "CONSUMER", "TOPIC", "PARTITION", "FIRST", "NEXT", "END", "BEHIND"
    );
    for known in &CONSUMERS {
        let pool = known.pool(config).await?;
        for place in consumer::places(&pool, &bus, known.name, &(known.topics)()).await? {
            let Place { topic, partition, first, next, end, behind } = place;
            let next = next.unwrap_or(first);
            println!(
                "{:<20} {:<18} {partition:>9} {first:>10} {next:>10} {end:>10} {behind:>8}",
                known.name,
                topic.name(),
            );
        }
    }
    println!("\n{} reads nothing while there is no webhook, and begins with the first", Feed::NAME);
    Ok(())
}

/// How far a consumer has come in a part of a topic.
pub struct Come {
    /// Which consumer.
    pub consumer: &'static str,
    /// Where it is.
    pub place: Place,
}

/// How far all consumers have come.
///
/// # Errors
/// If a database or the bus fails.
pub async fn how_far(config: &Config) -> anyhow::Result<Vec<Come>> {
    let bus = bus(config).await?;
    let mut come = vec![];
    for known in &CONSUMERS {
        let pool = Pool::new((known.database)(config).pool_config(TOOL))?;
        let places = consumer::places(&pool, &bus, known.name, &(known.topics)()).await?;
        come.extend(places.into_iter().map(|place| Come { consumer: known.name, place }));
    }
    Ok(come)
}

/// The bus, as the user service is told of it; it is the same for all.
async fn bus(config: &Config) -> anyhow::Result<Bus> {
    let section = &config.user.events;
    if !section.kafka.brokers.is_empty() {
        return Ok(Bus::Kafka(Kafka::new(section.kafka.config())?));
    }
    let log = section.database.pool_config(TOOL);
    must_be_up_to_date(&log, &events::LOG_MIGRATOR).await?;
    let (log, _) = Log::new(Pool::new(log)?, Clock::system());
    Ok(Bus::Log(log))
}

/// What is to be said of events in one of the databases.
pub struct Standing {
    /// In a sentence.
    pub text: String,
    /// Whether somebody has to do something.
    pub is_fault: bool,
}

/// How events stand in a service's database, `nova_auth` and so on; nothing where there are none, or where they can't be read,
/// which is told as what it is.
pub async fn standing(database: &str, conn: &mut Conn, is_running: bool) -> Vec<Standing> {
    let waiting = match database {
        auth_service::root::DATABASE | user_service::DATABASE => Outbox.backlog(conn).await,
        messaging_service::DATABASE => ConversationLog.backlog(conn).await,
        _ => return vec![],
    };
    let (Ok(waiting), Ok(dead)) = (waiting, consumer::list(conn, None).await) else { return vec![] };
    let mut standings = vec![of_waiting(waiting, Clock::system().now(), is_running)];
    if let Some(oldest) = dead.first() {
        let text = format!(
            "{} dead letters, the oldest of {}: see `nova admin dead-letters list`",
            dead.len(),
            clock::rfc3339(oldest.died_at)
        );
        standings.push(Standing { text, is_fault: true });
    }
    standings
}

fn of_waiting(waiting: Backlog, now: DateTime<Utc>, is_running: bool) -> Standing {
    let Some(oldest) = waiting.oldest else {
        return Standing { text: "no event waits for the bus".to_owned(), is_fault: false };
    };
    let age = (now - oldest).num_seconds().max(0);
    let text = format!("{} events wait for the bus, the oldest for {age} s", waiting.rows);
    if is_running && age > LONG_S {
        return Standing { text: format!("{text}: see in the log why they are not published"), is_fault: true };
    }
    Standing { text, is_fault: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_wait_are_a_fault_only_if_nova_runs_and_they_wait_for_long() {
        let now = DateTime::from_timestamp(1_795_435_200, 0).expect("valid");
        let backlog = |seconds| Backlog { rows: 3, oldest: Some(now - chrono::TimeDelta::seconds(seconds)) };
        assert!(!of_waiting(backlog(LONG_S), now, true).is_fault);
        assert!(of_waiting(backlog(LONG_S + 1), now, true).is_fault);
        assert!(!of_waiting(backlog(LONG_S + 1), now, false).is_fault);
        assert!(!of_waiting(Backlog::default(), now, true).is_fault);
    }
}
