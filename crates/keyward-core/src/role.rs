//! What may people of a role do?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Given to everybody at signup.
pub const USER: &str = "user";
/// May administer the installation.
pub const ADMIN: &str = "admin";

/// How many roles there may be.
pub const MOST_ROLES: usize = 64;
/// How many roles one account may have.
pub const MOST_OF_ACCOUNT: usize = 16;
/// How many bytes the permissions of all roles together may take in a token, each counted once.
/// So the token of whoever has whichever roles fits into a cookie, of which browsers take 4096
/// bytes, beside the longest e-mail address and the signature of RS256.
pub const MOST_BYTES: usize = 1_400;

/// How long a role's name may be.
const LONGEST_ROLE: usize = 32;
/// How long a permission's name may be.
const LONGEST_PERMISSION: usize = 64;
/// What a text takes in a list in JSON besides itself.
const QUOTES_AND_COMMA: usize = 3;

/// Why a role can't be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRole {
    /// No role can be called that.
    Name,
    /// No permission can be called that.
    Permission(String),
    /// There are as many roles as there can be.
    TooMany,
    /// The permissions of all roles together would take this many bytes.
    TooLong(usize),
}

impl fmt::Display for InvalidRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "a role is called by a lower-case letter, then up to {} of a-z, 0-9, _ and -",
                LONGEST_ROLE - 1
            ),
            Self::Permission(name) => write!(
                f,
                "{name:?} can't be a permission: give 1 to {LONGEST_PERMISSION} of a-z, 0-9, _ . : and -"
            ),
            Self::TooMany => write!(f, "there are {MOST_ROLES} roles, and there can be no more"),
            Self::TooLong(bytes) => write!(
                f,
                "the permissions of all roles would take {bytes} bytes in a token; {MOST_BYTES} is the most"
            ),
        }
    }
}

impl std::error::Error for InvalidRole {}

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

    /// Leaves those that are roles: one that was deleted means nothing, whoever still has it.
    pub fn retain_known(&self, roles: &mut Vec<String>) {
        roles.retain(|role| self.permissions.contains_key(role));
    }

    /// Whether the role of this name may have these permissions, beside the other roles.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self, name: &str, permissions: &[String]) -> Result<(), InvalidRole> {
        if !is_role(name) {
            return Err(InvalidRole::Name);
        }
        if let Some(bad) = permissions.iter().find(|permission| !is_permission(permission)) {
            return Err(InvalidRole::Permission(bad.chars().take(LONGEST_PERMISSION).collect()));
        }
        if !self.permissions.contains_key(name) && self.permissions.len() >= MOST_ROLES {
            return Err(InvalidRole::TooMany);
        }
        let others = self.permissions.iter().filter(|(role, _)| *role != name).flat_map(|(_, all)| all);
        let all: BTreeSet<&String> = others.chain(permissions).collect();
        let bytes: usize = all.iter().map(|permission| permission.len() + QUOTES_AND_COMMA).sum();
        if bytes > MOST_BYTES { Err(InvalidRole::TooLong(bytes)) } else { Ok(()) }
    }
}

/// Whether a role can't be deleted.
pub fn is_built_in(name: &str) -> bool {
    [USER, ADMIN].contains(&name)
}

/// Whether a role may be called that: a letter, then up to 31 of `a-z 0-9 _ -`, so that lists of
/// them are safe in a header, separated by commas.
pub fn is_role(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=LONGEST_ROLE).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(b))
}

/// Whether a permission may be called that: 1 to 64 of `a-z 0-9 _ . : -`, for the same reason.
pub fn is_permission(text: &str) -> bool {
    (1..=LONGEST_PERMISSION).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(all: &[(&str, &[&str])]) -> Roles {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Roles {
            version: 1,
            permissions: all.iter().map(|(name, all)| ((*name).to_owned(), owned(all))).collect(),
        }
    }

    #[test]
    fn permissions_of_several_roles_are_one_sorted_list() {
        let roles = roles(&[("tas", &["jobs:write", "jobs:read"]), ("viewer", &["jobs:read"])]);
        let mut names = ["viewer".to_owned(), "gone".to_owned(), "tas".to_owned()].to_vec();
        assert_eq!(roles.permissions_of(&names), ["jobs:read", "jobs:write"]);
        roles.retain_known(&mut names);
        assert_eq!(names, ["viewer", "tas"]);
    }

    #[test]
    fn a_name_is_safe_in_a_header() {
        assert!(is_role("tas") && is_role("a-b_c9") && is_role("a") && is_role(&"a".repeat(32)));
        for bad in ["", "a,b", "A", "a b", "a\n", "\u{e9}", "9a", "-a", "a:b", "a.b", &"a".repeat(33)] {
            assert!(!is_role(bad), "{bad:?}");
        }
        assert!(is_permission("jobs:write") && is_permission("9.a_b-c") && is_permission(&"a".repeat(64)));
        for bad in ["", "a,b", "A", "a b", "a\r\nb", "\u{e9}", "\"", &"a".repeat(65)] {
            assert!(!is_permission(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_table_has_so_many_roles_and_so_long_a_list_of_permissions() {
        let table = roles(&[("admin", &[]), ("tas", &["jobs:read:everything"])]);
        let names = |n: usize| (0..n).map(|i| format!("p{i:015}")).collect::<Vec<_>>();
        assert_eq!(table.check("tas", &names(1)), Ok(()));
        assert_eq!(table.check("Tas", &[]), Err(InvalidRole::Name));
        let bad = ["a,b".to_owned()];
        assert_eq!(table.check("tas", &bad), Err(InvalidRole::Permission("a,b".into())));
        // 19 bytes each in JSON; what two roles share counts once, what is replaced not at all.
        let most = MOST_BYTES / 19;
        assert_eq!(table.check("tas", &names(most)), Ok(()));
        assert_eq!(table.check("tas", &names(most + 1)), Err(InvalidRole::TooLong((most + 1) * 19)));
        assert_eq!(table.check("new", &names(most)), Err(InvalidRole::TooLong(most * 19 + 23)));
        assert_eq!(table.check("new", &["jobs:read:everything".to_owned()]), Ok(()));
        let mut full = table.clone();
        for n in 2..MOST_ROLES {
            assert_eq!(full.check(&format!("r{n}"), &[]), Ok(()));
            full.permissions.insert(format!("r{n}"), Vec::new());
        }
        assert_eq!(full.check("one-more", &[]), Err(InvalidRole::TooMany));
        assert_eq!(full.check("r2", &[]), Ok(()));
    }
}
