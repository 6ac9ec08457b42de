//! What may people of a role do?

use std::collections::BTreeMap;

/// Given to everybody at signup.
pub const USER: &str = "user";
/// May administer the installation.
pub const ADMIN: &str = "admin";

/// Every role with its permissions, and the version `rv` that tokens carry: it rises with every
/// change of a role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    /// The version.
    pub version: u64,
    /// The permissions by the name of the role.
    pub permissions: BTreeMap<String, Vec<String>>,
}

impl Roles {
    /// What a person with these roles may do, sorted, each permission once.
    pub fn permissions_of<'a>(&self, roles: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let mut all: Vec<String> =
            roles.into_iter().filter_map(|role| self.permissions.get(role)).flatten().cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Whether a role or a permission may be called that: 1 to 64 of `a-z 0-9 _ . : -`, so that lists
/// of them are safe in a header, separated by commas.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_of_several_roles_are_one_sorted_list() {
        let roles = Roles {
            version: 1,
            permissions: BTreeMap::from([
                ("tas".to_owned(), vec!["jobs:write".to_owned(), "jobs:read".to_owned()]),
                ("viewer".to_owned(), vec!["jobs:read".to_owned()]),
            ]),
        };
        let names = ["viewer".to_owned(), "tas".to_owned(), "gone".to_owned()];
        assert_eq!(roles.permissions_of(&names), ["jobs:read", "jobs:write"]);
    }

    #[test]
    fn a_name_is_safe_in_a_header() {
        assert!(is_name("tas") && is_name("jobs:write") && is_name("a-b_c.d"));
        for bad in ["", "a,b", "A", "a b", "a\n", "\u{e9}", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
