//! Is there such a key, and if not, which one was meant?

use super::table::Section;

/// The names that may be written.
pub(super) struct Names {
    sections: Vec<&'static str>,
    /// `section.key` and the variable that sets it.
    keys: Vec<(String, String)>,
}

impl Names {
    /// The names in this table, and the `_file` twins of its secrets.
    pub(super) fn of(table: &[Section]) -> Self {
        let keys = table.iter().flat_map(|section| &section.keys).flat_map(|key| {
            let twin = key.secret.then(|| (format!("{}_file", key.path), format!("{}_FILE", key.variable)));
            [Some((key.path.clone(), key.variable.clone())), twin].into_iter().flatten()
        });
        Self { sections: table.iter().map(|section| section.name).collect(), keys: keys.collect() }
    }

    pub(super) fn is_section(&self, name: &str) -> bool {
        self.sections.contains(&name)
    }

    pub(super) fn is_key(&self, path: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == path)
    }

    pub(super) fn key_of_variable(&self, variable: &str) -> Option<&str> {
        self.keys.iter().find(|(_, known)| known == variable).map(|(path, _)| path.as_str())
    }

    /// What to say of a section that there isn't.
    pub(super) fn instead_of_section(&self, name: &str) -> String {
        let meant = nearest(name, self.sections.iter().copied()).map(|section| format!("[{section}]"));
        complaint("no such section", meant, || format!("the sections are {}", self.sections.join(", ")))
    }

    /// What to say of a key that there isn't in its section.
    pub(super) fn instead_of_key(&self, path: &str) -> String {
        let (section, key) = path.split_once('.').unwrap_or(("", path));
        let within: Vec<&str> = self.keys_of(section).collect();
        let meant = nearest(key, within.iter().copied()).map(|key| format!("{section}.{key}"));
        let meant = meant.or_else(|| self.key_elsewhere(key).map(str::to_owned));
        complaint("no such key", meant, || format!("the keys of [{section}] are {}", within.join(", ")))
    }

    /// What to say of a key that stands before the first section.
    pub(super) fn instead_of_loose_key(&self, name: &str) -> String {
        if self.is_section(name) {
            return format!("this is a section: write [{name}] and its keys below");
        }
        complaint("every key stands in a section", self.key_elsewhere(name).map(str::to_owned), || {
            format!("the sections are {}", self.sections.join(", "))
        })
    }

    /// What to say of a variable that sets nothing.
    pub(super) fn instead_of_variable(&self, name: &str) -> String {
        let upper = name.to_ascii_uppercase();
        let meant = nearest(&upper, self.keys.iter().map(|(_, variable)| variable.as_str()));
        let meant = meant.or_else(|| {
            let key = upper.split_once("__").map(|(_, key)| key.to_ascii_lowercase())?;
            let path = self.key_elsewhere(&key)?;
            self.keys.iter().find(|(known, _)| known == path).map(|(_, variable)| variable.as_str())
        });
        complaint("no such setting", meant.map(str::to_owned), || {
            "a variable is KEYWARD_ + section + __ + key, such as KEYWARD_TOKENS__ACCESS_TTL".to_owned()
        })
    }

    fn keys_of(&self, section: &str) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(move |(path, _)| path.strip_prefix(section)?.strip_prefix('.'))
    }

    /// The key of this name in whichever section.
    fn key_elsewhere(&self, key: &str) -> Option<&str> {
        self.keys.iter().map(|(path, _)| path.as_str()).find(|path| path.split('.').nth(1) == Some(key))
    }
}

fn complaint(what: &str, meant: Option<String>, otherwise: impl FnOnce() -> String) -> String {
    match meant {
        Some(meant) => format!("{what}; did you mean {meant}?"),
        None => format!("{what}; {}", otherwise()),
    }
}

/// The candidate that is the fewest slips away, if they are few enough to be slips.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips = candidates.map(|candidate| (distance(name, candidate), candidate));
    slips.min().filter(|(distance, _)| *distance <= 1 + name.len() / 6).map(|(_, candidate)| candidate)
}

/// How many characters to insert, drop or replace, or neighbours to swap (Damerau–Levenshtein,
/// each place touched once).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut least = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sections;

    #[test]
    fn a_distance_counts_slips() {
        for (a, b, slips) in [
            ("", "", 0),
            ("ttl", "ttl", 0),
            ("", "ttl", 3),
            ("tll", "ttl", 1),
            ("tlt", "ttl", 1),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(a, b), slips, "{a} {b}");
            assert_eq!(distance(b, a), slips, "{b} {a}");
        }
    }

    #[test]
    fn a_slip_is_told_what_was_meant() {
        let names = Names::of(&sections());
        for (said, meant) in [
            (names.instead_of_key("tokens.acess_ttl"), "tokens.access_ttl"),
            (names.instead_of_key("server.access_ttl"), "tokens.access_ttl"),
            (names.instead_of_key("keys.masterkey_file"), "keys.master_key_file"),
            (names.instead_of_section("token"), "[tokens]"),
            (names.instead_of_section("rate-limits"), "[rate_limits]"),
            (names.instead_of_loose_key("listen"), "server.listen"),
            (names.instead_of_variable("KEYWARD_TOKENS__ACCES_TTL"), "KEYWARD_TOKENS__ACCESS_TTL"),
            (names.instead_of_variable("KEYWARD_tokens__access_ttl"), "KEYWARD_TOKENS__ACCESS_TTL"),
            (names.instead_of_variable("KEYWARD_AUTH__ACCESS_TTL"), "KEYWARD_TOKENS__ACCESS_TTL"),
        ] {
            assert!(said.ends_with(&format!("did you mean {meant}?")), "{said}");
        }
    }

    #[test]
    fn what_resembles_nothing_is_told_what_there_is() {
        let names = Names::of(&sections());
        assert!(names.instead_of_key("edge.colour").ends_with("the keys of [edge] are audience"));
        assert!(names.instead_of_section("colour").contains("the sections are server, database, "));
        assert!(names.instead_of_variable("KEYWARD_X__Y").contains("KEYWARD_TOKENS__ACCESS_TTL"));
        assert!(names.instead_of_loose_key("server").contains("write [server]"));
    }
}
