//! What holds of a service's example configuration.

use std::collections::BTreeSet;

use chassis::config::ServiceConfig;
use serde::Serialize;

/// Checks that an example in TOML has every key of the service's configuration, and no other.
///
/// # Panics
/// If it doesn't, with the keys.
#[track_caller]
pub fn assert_every_key<C: ServiceConfig + Default + Serialize>(example: &str) {
    let example: toml::Table = example.parse().expect("an example in TOML");
    let config = toml::Value::try_from(C::default()).expect("a configuration can be written");
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    keys(&example[C::SECTION], C::SECTION, &mut shown);
    keys(&config, C::SECTION, &mut known);
    let (missing, unknown): (Vec<_>, Vec<_>) = (known.difference(&shown).collect(), shown.difference(&known).collect());
    assert!(missing.is_empty() && unknown.is_empty(), "the example lacks {missing:?} and has {unknown:?} besides");
}

fn keys(value: &toml::Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| keys(value, &format!("{path}.{key}"), into)),
        _ => drop(into.insert(path.to_owned())),
    }
}
