//! Where was a value written, and what is wrong there?

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::nearest::Names;
use super::raw::Raw;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// From nowhere: it is the default.
    Default,
    /// From this line of the configuration file, counted from 1.
    File(PathBuf, usize),
    /// From this variable.
    Variable(String),
    /// From a file of its own, which the second source names.
    Secret(PathBuf, Box<Source>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Secret(path, named_by) => write!(f, "{}, named by {named_by}", path.display()),
        }
    }
}

/// One thing that keeps Keyward from starting. Prints as one line that repeats no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The key as it was written, `section.key`; empty where it is about the file as a whole.
    pub(crate) key: String,
    /// Where.
    pub(crate) source: Source,
    /// What is wrong and what is allowed.
    pub(crate) message: String,
}

impl Problem {
    pub(super) fn new(key: impl Into<String>, source: Source, message: impl Into<String>) -> Self {
        Self { key: key.into(), source, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, source, message } = self;
        // A message of the TOML parser, or a name that somebody wrote, may have line breaks.
        let message = message.replace(['\n', '\r'], " ");
        match key.as_str() {
            "" => write!(f, "{source}: {message}"),
            key => write!(f, "{} ({source}): {message}", key.escape_debug()),
        }
    }
}

/// A key, its value in force as a file would have it (secrets masked), and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// `section.key`.
    pub(crate) key: &'static str,
    /// The value.
    pub(crate) value: Value,
    /// Its source.
    pub(crate) source: Source,
}

/// What was written, by `section.key`.
pub(super) type Written = BTreeMap<String, (Raw, Source)>;

/// Takes in what the file at `path` says.
///
/// # Errors
/// What TOML itself has against the text. Unknown keys go to `problems`: the rest can be read.
pub(super) fn from_file(
    path: &Path,
    text: &str,
    names: &Names,
    written: &mut Written,
    problems: &mut Vec<Problem>,
) -> Result<(), Vec<Problem>> {
    let at = |offset: usize| {
        let before = text.as_bytes().iter().take(offset);
        Source::File(path.to_owned(), 1 + before.filter(|byte| **byte == b'\n').count())
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| {
            Problem::new("", at(error.span().map_or(0, |span| span.start)), error.message())
        };
        return Err(errors.iter().map(problem).collect());
    }
    for (section, keys) in document.get_ref() {
        let source = at(section.span().start);
        let section: &str = section.get_ref();
        let DeValue::Table(keys) = keys.get_ref() else {
            problems.push(Problem::new(section, source, names.instead_of_loose_key(section)));
            continue;
        };
        if !names.is_section(section) {
            problems.push(Problem::new(section, source, names.instead_of_section(section)));
            continue;
        }
        for (key, value) in keys {
            let source = at(key.span().start);
            let key = format!("{section}.{}", key.get_ref());
            if names.is_key(&key) {
                written.insert(key, (value.get_ref().into(), source));
            } else {
                let message = names.instead_of_key(&key);
                problems.push(Problem::new(key, source, message));
            }
        }
    }
    Ok(())
}

/// Takes in what the variables say, over what the file does. Only names that begin with
/// `KEYWARD_` and have a `__` are read: Kubernetes sets `KEYWARD_PORT` for a service of that name.
pub(super) fn from_environment(
    env: impl Iterator<Item = (String, String)>,
    names: &Names,
    written: &mut Written,
    problems: &mut Vec<Problem>,
) {
    let mut ours: Vec<(String, String)> = env
        .filter(|(name, _)| name.strip_prefix("KEYWARD_").is_some_and(|rest| rest.contains("__")))
        .collect();
    ours.sort();
    for (name, value) in ours {
        match names.key_of_variable(&name) {
            Some(key) if value.contains('\u{fffd}') => {
                problems.push(Problem::new(key, Source::Variable(name), "the value is not UTF-8"));
            }
            Some(key) => {
                written.insert(key.to_owned(), (Raw::Word(value), Source::Variable(name)));
            }
            None => {
                let message = names.instead_of_variable(&name);
                problems.push(Problem::new("", Source::Variable(name), message));
            }
        }
    }
}
