//! What can be written in a configuration already that this release does not do?
//!
//! The keys are part of the contract, so that a file written for a later release is understood. A
//! value for one of them would promise what nobody keeps: it is refused by name.

use super::raw::Raw;
use super::source::{Problem, Setting, Source};
use super::table::Section;

/// A key, and what this release does not do with it.
pub(super) type Later = (&'static str, &'static str);

/// The keys that take their default alone.
pub(super) const LATER: &[Later] = &[("edge.audience", "speak to proxies")];

/// What the default file and the schema say of such a key.
pub(super) fn note(key: &str) -> Option<String> {
    let (_, what) = LATER.iter().find(|(later, _)| *later == key)?;
    Some(format!("This release does not {what}: it takes the default alone."))
}

/// What speaks against these settings where nothing of `later` is done.
pub(super) fn problems(settings: &[Setting], sections: &[Section], later: &[Later]) -> Vec<Problem> {
    let default = |key: &str| {
        let keys = sections.iter().flat_map(|section| &section.keys);
        keys.filter(|known| known.path == key).map(|known| Raw::literal(known.default).json()).next()
    };
    let written = later.iter().filter_map(|(key, what)| {
        let setting = settings.iter().find(|setting| setting.key == *key)?;
        let default = default(key)?;
        let says_something = setting.source != Source::Default && setting.value != default;
        says_something.then(|| {
            let message = format!("this release does not {what}; allowed: {default}");
            Problem::new(*key, setting.source.clone(), message)
        })
    });
    written.collect()
}
