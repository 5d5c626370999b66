//! Where configuration comes from, and how it is read.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Environment variables that set this prefix's sections: `NOVA_AUTH__DATABASE__URL` is `auth.database.url`.
const PREFIX: &str = "NOVA_";
/// Variables of that prefix that are no configuration keys.
const NOT_KEYS: [&str; 3] = ["NOVA_CONFIG", "NOVA_DATA_DIR", "NOVA_PG_BINDIR"];

/// Stands in files that are made to be filled in, such as the manifests of Kubernetes, where a value of one's own belongs. Whatever
/// still holds it is refused: a secret that everybody can read in the repository is none.
pub const PLACEHOLDER: &str = "REPLACE_ME";

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, such as `auth.database.max_connections`.
    pub key: String,
    /// What is wrong, or what would be right.
    pub problem: String,
}

impl Fault {
    /// A fault of a key.
    pub fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

/// Everything that is wrong with the configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable:")?;
        for Fault { key, problem } in &self.0 {
            write!(f, "\n  {key}: {problem}")?;
            let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b));
            if is_key && !key.is_empty() && !key.ends_with(".toml") {
                write!(f, " (environment: {PREFIX}{})", key.to_uppercase().replace('.', "__"))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Rules that go beyond the type of a single value.
pub trait Validate {
    /// Adds a fault for each rule that is broken; `section` is the section's path.
    fn validate(&self, section: &str, faults: &mut Vec<Fault>);
}

/// The configuration as it was written, not yet typed.
#[derive(Clone, Debug, Default)]
pub struct Source {
    root: Table,
    /// Paths that the environment set: their values are text and may stand for numbers.
    from_environment: Vec<Vec<String>>,
    faults: Vec<Fault>,
}

impl Source {
    /// Reads the file that `NOVA_CONFIG` or the command line names, if any, and the environment.
    ///
    /// # Errors
    /// If the file can't be read or is not TOML.
    pub fn load(file: Option<&Path>) -> Result<Self, Faults> {
        let file = file.map(Path::to_path_buf).or_else(|| std::env::var_os("NOVA_CONFIG").map(PathBuf::from));
        let text = match &file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| Faults(vec![Fault::new(path.display().to_string(), format!("can't be read: {e}"))]))?,
            None => String::new(),
        };
        let name = file.map(|p| p.display().to_string()).unwrap_or_default();
        Self::from_parts(&text, &name, std::env::vars())
    }

    /// The same from a text and a list of variables.
    ///
    /// # Errors
    /// If the text is not TOML.
    pub fn from_parts(
        toml: &str,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Faults> {
        let root = toml.parse::<Table>().map_err(|e| Faults(vec![Fault::new(name, e.message().to_owned())]))?;
        let mut source = Self { root, ..Self::default() };
        for (variable, value) in environment {
            let Some(path) = variable.strip_prefix(PREFIX).filter(|_| !NOT_KEYS.contains(&variable.as_str())) else {
                continue;
            };
            if !path.contains("__") {
                continue; // other programs may use the prefix too
            }
            let path: Vec<String> = path.to_lowercase().split("__").map(str::to_owned).collect();
            source.set(path, value);
        }
        Ok(source)
    }

    /// Sets a key as the environment would, unless it is set already.
    pub fn set_default(&mut self, key: &str, value: impl Into<String>) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if self.get(&path).is_none() {
            self.set(path, value.into());
        }
    }

    /// Whether a key is set.
    pub fn is_set(&self, key: &str) -> bool {
        self.get(&key.split('.').map(str::to_owned).collect::<Vec<_>>()).is_some()
    }

    fn get(&self, path: &[String]) -> Option<&Value> {
        let (last, parents) = path.split_last()?;
        let mut table = &self.root;
        for key in parents {
            table = table.get(key)?.as_table()?;
        }
        table.get(last)
    }

    fn set(&mut self, path: Vec<String>, value: String) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut table = &mut self.root;
        for key in parents {
            let entry = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(next) = entry else {
                self.faults.push(Fault::new(path.join("."), format!("{key} is a value, not a section")));
                return;
            };
            table = next;
        }
        table.insert(last.clone(), guess(&value));
        self.from_environment.push(path);
    }

    /// Names every section that is not one of `known`: a misspelt section would otherwise be ignored.
    pub fn unknown_sections(&self, known: &[&str]) -> Vec<Fault> {
        let unknown = self.root.keys().filter(|key| !known.contains(&key.as_str()));
        let fault = |key: &String| Fault::new(key, format!("is no section; there are {}", known.join(", ")));
        self.faults.iter().cloned().chain(unknown.map(fault)).collect()
    }

    /// Reads one section into its type and checks its rules; faults are added to `faults`, and what is at fault is left
    /// at its default so that reading can go on.
    pub fn section<T: DeserializeOwned + Serialize + Default + Validate>(
        &self,
        section: &str,
        faults: &mut Vec<Fault>,
    ) -> T {
        let given = self.root.get(section).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        // What is not given is the default of this section, and not that of the part's type: ports and pool sizes differ.
        let default = Value::try_from(T::default()).unwrap_or_else(|_| Value::Table(Table::new()));
        let mut value = over(default, given);
        let mut texts: Vec<&[String]> =
            self.from_environment.iter().filter(|p| p[0] == section).map(|p| &p[1..]).collect();
        let found = faults.len();
        let unfilled = placeholders(&value, section);
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(value.clone()) {
                Ok(typed) => {
                    if faults.len() == found {
                        typed.validate(section, faults);
                    }
                    // What else is wrong with a placeholder need not be told.
                    faults.retain(|fault| !unfilled.contains(fault.key.as_str()));
                    faults.extend(unfilled.into_iter().map(|key| Fault::new(key, unfilled_problem())));
                    return typed;
                }
                Err(error) => error,
            };
            let path = error.path().to_string();
            let mut path: Vec<String> = path.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect();
            let problem = error.inner().message().to_owned();
            let unknown = problem.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            if let Some(name) = unknown.filter(|name| path.last().is_none_or(|last| last != name)) {
                path.push(name.to_owned());
            }
            // "12345" was taken for a number, but the key wants a text
            if let Some(at) = texts.iter().position(|p| *p == path) {
                texts.swap_remove(at);
                if let Some(slot) = lookup(&mut value, &path).filter(|v| !v.is_str()) {
                    *slot = Value::String(original(slot));
                    continue;
                }
            }
            faults.push(Fault::new(format!("{section}.{}", path.join(".")), problem));
            if !remove(&mut value, &path) {
                return T::default();
            }
        }
    }
}

/// A configuration over another: what the upper one does not say is as in the lower one.
fn over(lower: Value, upper: Value) -> Value {
    match (lower, upper) {
        (Value::Table(mut lower), Value::Table(upper)) => {
            for (key, value) in upper {
                let value = match lower.remove(&key) {
                    Some(below) => over(below, value),
                    None => value,
                };
                lower.insert(key, value);
            }
            Value::Table(lower)
        }
        (_, upper) => upper,
    }
}

/// What is wrong with a key that holds a [`PLACEHOLDER`].
pub fn unfilled_problem() -> String {
    format!("is still a placeholder ({PLACEHOLDER}): put a value of your own into its place")
}

/// The keys below `path` whose text holds a placeholder.
fn placeholders(value: &Value, path: &str) -> BTreeSet<String> {
    match value {
        Value::String(text) if text.contains(PLACEHOLDER) => BTreeSet::from([path.to_owned()]),
        Value::Table(table) => {
            table.iter().flat_map(|(key, value)| placeholders(value, &format!("{path}.{key}"))).collect()
        }
        Value::Array(values) => values.iter().flat_map(|value| placeholders(value, path)).collect(),
        _ => BTreeSet::new(),
    }
}

/// Environment variables are text; this is the TOML value that the text most likely means.
fn guess(text: &str) -> Value {
    if let Ok(value) = text.parse::<bool>() {
        return Value::Boolean(value);
    }
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => Value::Integer(number),
        _ if text.starts_with('[') || text.starts_with('{') => {
            format!("v = {text}").parse::<Table>().ok().and_then(|mut t| t.remove("v")).unwrap_or_else(|| text.into())
        }
        _ => text.into(),
    }
}

fn original(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn lookup<'v>(value: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |value, key| value.as_table_mut()?.get_mut(key))
}

fn remove(value: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    lookup(value, parents).and_then(Value::as_table_mut).and_then(|table| table.remove(last)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, duration};
    use serde::Deserialize;
    use std::time::Duration;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Part {
        size: u32,
        #[serde(with = "duration")]
        wait: Duration,
        password: Secret,
        inner: Inner,
    }
    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        on: bool,
        most: u32,
    }
    impl Default for Part {
        fn default() -> Self {
            Self {
                size: 7,
                wait: Duration::from_secs(1),
                password: Secret::default(),
                inner: Inner { on: false, most: 4 },
            }
        }
    }
    impl Validate for Part {
        fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
            if self.size == 0 {
                faults.push(Fault::new(format!("{section}.size"), "must not be 0"));
            }
        }
    }

    fn read(toml: &str, environment: &[(&str, &str)]) -> (Part, Vec<String>) {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let source = Source::from_parts(toml, "test.toml", environment).expect("toml");
        let mut faults = vec![];
        let part = source.section("part", &mut faults);
        (part, faults.into_iter().map(|f| f.key).collect())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
        let (part, faults) =
            read("[part]\nsize = 1\nwait = '2s'", &[("NOVA_PART__SIZE", "3"), ("NOVA_PART__INNER__ON", "true")]);
        assert_eq!((part.size, part.wait, part.inner.on, faults.len()), (3, Duration::from_secs(2), true, 0));
    }

    #[test]
    fn a_text_that_looks_like_a_number_stays_a_text() {
        let (part, faults) = read("", &[("NOVA_PART__PASSWORD", "12345")]);
        assert_eq!((part.password.expose(), faults.len()), ("12345", 0));
    }

    #[test]
    fn what_is_not_given_is_the_sections_own_default() {
        for (toml, environment) in [("[part.inner]\non = true", vec![]), ("", vec![("NOVA_PART__INNER__ON", "true")])] {
            let (part, faults) = read(toml, &environment);
            assert_eq!((part.inner.on, part.inner.most, faults.len()), (true, 4, 0));
        }
        assert_eq!(read("[part.inner]\nmost = 5", &[]).0.inner.most, 5);
    }

    #[test]
    fn placeholders_are_refused_wherever_they_are() {
        let told = |toml: &str, environment: &[(&str, &str)]| read(toml, environment).1;
        assert_eq!(told("", &[("NOVA_PART__PASSWORD", "REPLACE_ME")]), ["part.password"]);
        assert_eq!(told("[part]\npassword = 'db://me:REPLACE_ME@host'", &[]), ["part.password"]);
        assert_eq!(told("[part]\nsize = 0\npassword = 'REPLACE_ME: 32 bytes'", &[]), ["part.size", "part.password"]);
        assert_eq!(told("", &[("NOVA_PART__PASSWORD", "replace me")]), [""; 0]);
        let environment = [("NOVA_PART__PASSWORD".to_owned(), "REPLACE_ME".to_owned())];
        let mut faults = vec![];
        Source::from_parts("", "", environment).expect("valid").section::<Part>("part", &mut faults);
        let told = Faults(faults).to_string();
        assert!(
            told.contains("part.password: is still a placeholder") && told.contains("NOVA_PART__PASSWORD"),
            "{told}"
        );
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let toml = "[part]\nsize = 'x'\nwait = 5\nbogus = 1\n[part.inner]\non = 3\nmore = 1";
        let (part, mut faults) = read(toml, &[]);
        faults.sort();
        assert_eq!(faults, ["part.bogus", "part.inner.more", "part.inner.on", "part.size", "part.wait"]);
        assert_eq!(part.size, 7, "what is at fault stays at its default");
        assert_eq!(read("[part]\nsize = 0", &[]).1, ["part.size"]);
    }
}
