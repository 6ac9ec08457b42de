//! Which accounts are there, and how is one found among many?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyward_core::account::Account;
use keyward_core::id::UserId;
use keyward_core::phone::Phone;
use keyward_core::role::{self, Roles};
use keyward_core::time::Timestamp;

use crate::Keyward;
use crate::engine::Engine;
use crate::error::{Denied, Error, FieldError};
use crate::schema::{Id, Moment};
use crate::store::{Found, Key, Page, Search};

/// How many accounts a page has at most.
pub const LONGEST_PAGE: u32 = 200;
/// How many accounts are looked at for one page: some milliseconds.
const SCAN: u32 = 5_000;
/// No e-mail address is longer, in bytes.
const LONGEST_QUERY: usize = 254;
/// Past every character that an e-mail address or a phone number can have.
const PAST_ASCII: &str = "\u{7f}";

/// Which accounts are asked for.
#[derive(Debug, Clone)]
pub struct AccountQuery {
    /// How their e-mail address begins, without regard to case, or, with a leading `+`, their phone
    /// number; or their whole id. Empty: all of them.
    pub query: String,
    /// Only those that are active, or only those that are not.
    pub is_active: Option<bool>,
    /// Only those with this role.
    pub role: Option<String>,
    /// How many at most, from 1 to [`LONGEST_PAGE`].
    pub limit: u32,
    /// Where to go on: what the page before said.
    pub cursor: Option<String>,
}

impl Default for AccountQuery {
    fn default() -> Self {
        Self { query: String::new(), is_active: None, role: None, limit: 50, cursor: None }
    }
}

/// Some accounts: by id, the oldest first, or where they were searched for by a name, by that. A
/// page may have fewer than asked for, or none, and not be the last.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct AccountPage {
    /// The accounts.
    pub users: Vec<AccountView>,
    /// Where to go on; `None` after the last page. An account that is made meanwhile is on a later
    /// page or on none, and no other is left out or told twice.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An account, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Account)]
pub struct AccountView {
    /// Its name for ever.
    #[schema(value_type = Id)]
    pub id: UserId,
    /// Its e-mail address.
    pub email: String,
    /// Its phone number.
    #[schema(value_type = Option<String>, required)]
    pub phone_number: Option<Phone>,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Whether the person showed that they receive mail there.
    pub email_verified: bool,
    /// Its roles, sorted.
    pub roles: Vec<String>,
    /// When it was made.
    #[schema(value_type = Moment)]
    pub created_at: Timestamp,
    /// When somebody last signed in to it.
    #[schema(value_type = Option<Moment>, required)]
    pub last_login_at: Option<Timestamp>,
    /// How many sessions it has that have not ended. One that went idle counts until it is swept,
    /// some minutes later at most.
    pub session_count: u64,
}

impl Keyward {
    /// A page of accounts.
    ///
    /// # Errors
    /// `validation_failed` for a query, role, limit or cursor that can't be.
    pub async fn accounts(&self, query: &AccountQuery) -> Result<AccountPage, Error> {
        self.engine.search_accounts(query).await
    }

    /// The account of this id, as administrators see it.
    ///
    /// # Errors
    /// [`Error::Fault`] where the store does not answer.
    pub async fn account_view(&self, user: UserId) -> Result<Option<AccountView>, Error> {
        self.engine.account_view(user).await
    }
}

impl Engine {
    /// A page of accounts.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) async fn search_accounts(&self, query: &AccountQuery) -> Result<AccountPage, Error> {
        let Page { accounts, next } = self.store.accounts(&search(query)?).await?;
        let roles = self.load_roles().await?;
        let users = accounts.into_iter().map(|found| AccountView::of(found, &roles));
        Ok(AccountPage { users: users.collect(), next_cursor: next.map(|key| cursor(&key)) })
    }

    /// The account of this id, as administrators see it.
    pub(crate) async fn account_view(&self, user: UserId) -> Result<Option<AccountView>, Error> {
        let Page { accounts, .. } = self.store.accounts(&Search::only(user)).await?;
        let roles = self.load_roles().await?;
        Ok(accounts.into_iter().next().map(|found| AccountView::of(found, &roles)))
    }
}

impl AccountView {
    /// An account that has so many open sessions.
    pub(crate) fn new(account: Account, session_count: u64) -> Self {
        Self {
            id: account.id,
            email: account.email.to_string(),
            phone_number: account.phone_number,
            is_active: account.is_active,
            email_verified: account.email_verified,
            roles: account.roles,
            created_at: account.created_at,
            last_login_at: account.last_login_at,
            session_count,
        }
    }

    fn of(mut found: Found, roles: &Roles) -> Self {
        roles.retain_known(&mut found.account.roles);
        Self::new(found.account, found.sessions)
    }
}

/// What a query asks of the store.
fn search(query: &AccountQuery) -> Result<Search, Error> {
    let (mut from, to) = range(&query.query);
    let mut wrong = Vec::new();
    if query.query.len() > LONGEST_QUERY || query.query.chars().any(char::is_control) {
        let message = format!("this has to be at most {LONGEST_QUERY} bytes long, on one line");
        wrong.push(FieldError::new("query", message));
    }
    if !(1..=LONGEST_PAGE).contains(&query.limit) {
        let message = format!("this has to be a number from 1 to {LONGEST_PAGE}");
        wrong.push(FieldError::new("limit", message));
    }
    if query.role.as_deref().is_some_and(|name| !role::is_role(name)) {
        wrong.push(FieldError::new("role", role::InvalidRole::Name.to_string()));
    }
    if let Some(text) = &query.cursor {
        match parse_cursor(text).filter(|at| (&from..&to).contains(&at)) {
            Some(at) => from = at,
            None => wrong.push(FieldError::new("cursor", "this is no next_cursor of the same query")),
        }
    }
    if !wrong.is_empty() {
        return Err(Denied::invalid(wrong).into());
    }
    let AccountQuery { is_active, role, limit, .. } = query.clone();
    Ok(Search { from, to, role, is_active, limit, scan: SCAN })
}

/// Where those lie that a query is about: from here, up to there.
fn range(query: &str) -> (Key, Key) {
    // In a URL that nobody encoded, a plus sign arrives as a space.
    let digits = query.strip_prefix(['+', ' ']).map(str::trim_end);
    if let Some(digits) = digits.filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())) {
        let from = format!("+{digits}");
        return (Key::Phone(from.clone()), Key::Phone(from + PAST_ASCII));
    }
    let query = query.trim().to_ascii_lowercase();
    if query.is_empty() {
        return (Key::Id(UserId::from_bytes([0; 16])), Key::Id(UserId::from_bytes([0xff; 16])));
    }
    if let Ok(user) = query.parse() {
        let only = Search::only(user);
        return (only.from, only.to);
    }
    (Key::Email(query.clone()), Key::Email(query + PAST_ASCII))
}

fn cursor(key: &Key) -> String {
    let (kind, bytes) = match key {
        Key::Id(user) => (b'i', user.as_bytes().as_slice()),
        Key::Email(email) => (b'e', email.as_bytes()),
        Key::Phone(phone) => (b'p', phone.as_bytes()),
    };
    URL_SAFE_NO_PAD.encode([&[kind], bytes].concat())
}

/// Whether this is of what e-mail addresses and phone numbers are made of.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

fn parse_cursor(text: &str) -> Option<Key> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (kind, key) = bytes.split_first()?;
    let text = || std::str::from_utf8(key).ok().filter(|text| is_plain(text)).map(str::to_owned);
    match kind {
        b'i' => Some(Key::Id(UserId::from_bytes(key.try_into().ok()?))),
        b'e' => text().map(Key::Email),
        b'p' => text().map(Key::Phone),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            any::<[u8; 16]>().prop_map(|bytes| Key::Id(UserId::from_bytes(bytes))),
            "[!-~]{0,254}".prop_map(Key::Email),
            "\\+[0-9]{7,15}".prop_map(Key::Phone),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(key in key()) {
            prop_assert_eq!(parse_cursor(&cursor(&key)), Some(key));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}", query in ".{0,300}") {
            let query = AccountQuery { query, cursor: Some(text), ..AccountQuery::default() };
            drop(search(&query));
        }

        #[test]
        fn a_name_lies_in_the_range_of_its_beginning_and_in_no_other(
            email in "[a-z0-9.+-]{1,6}@[a-z]{1,3}", other in "[!-~]{1,6}"
        ) {
            let key = Key::Email(email.clone());
            for n in 1..=email.len() {
                let (from, to) = range(&email[..n]);
                prop_assume!(matches!(from, Key::Email(_)));
                prop_assert!(from <= key && key < to);
            }
            let (from, to) = range(&other);
            let begins = email.starts_with(&other.to_ascii_lowercase());
            prop_assert_eq!((from..to).contains(&key), begins);
        }
    }

    #[test]
    fn a_query_says_by_which_name() {
        let id = "0195f6a0-0000-7000-8000-00000000abcd";
        assert_eq!(range(" Ada "), (Key::Email("ada".into()), Key::Email("ada\u{7f}".into())));
        assert_eq!(range(&id.to_uppercase()).0, Key::Id(id.parse().expect("an id")));
        for text in ["+4915", " 4915", "+4915 "] {
            assert_eq!(
                range(text),
                (Key::Phone("+4915".into()), Key::Phone("+4915\u{7f}".into())),
                "{text:?}"
            );
        }
        assert_eq!(range("4915").0, Key::Email("4915".into()));
        assert_eq!(range("+").0, Key::Email("+".into()));
        assert_eq!(range(" ").0, Key::Id(UserId::from_bytes([0; 16])));
    }

    #[test]
    fn a_cursor_of_another_query_is_refused() {
        let of = |query: &str, key: &Key| {
            let query =
                AccountQuery { query: query.into(), cursor: Some(cursor(key)), ..AccountQuery::default() };
            search(&query).map(|search| search.from).map_err(|e| e.code())
        };
        let ada = Key::Email("ada@example.com".into());
        assert_eq!(of("ad", &ada), Ok(ada.clone()));
        assert_eq!(of("b", &ada), Err("validation_failed"));
        assert_eq!(of("", &ada), Err("validation_failed"));
        assert_eq!(of("+49", &ada), Err("validation_failed"));
    }
}
