//! How are accounts searched for, one page at a time, in bounded work?
//!
//! A page reads a range of one index, in its order. Where the index does not answer the whole
//! question by itself, the range is first cut to so many rows: what a page looks at is bounded
//! however few it finds there.

use keyward_core::id::UserId;

use super::{Expect, Row, Statement, Value, account, id, natural, text};
use crate::store::{Fault, Found, Key, Page, Search};

/// What a page is read by.
struct Index {
    /// Where a range has to be cut: `?1` is its first key, `?2` the one after its last, `?3` how
    /// many rows; `?4` the role, of the index that begins with it.
    cut: &'static str,
    /// The accounts: `?1` to `?4` as above, `?5` and `?6` how active they may be. Whether one has the
    /// role is counted: for what EXISTS an engine may read everybody who has it first.
    page: &'static str,
}

macro_rules! index {
    ($from:literal, $key:literal, $cut_from:literal, $cut_key:literal) => {
        Index {
            cut: concat!(
                "SELECT ",
                $cut_key,
                " FROM ",
                $cut_from,
                " AND ",
                $cut_key,
                " >= ?1 AND ",
                $cut_key,
                " < ?2 ORDER BY ",
                $cut_key,
                " LIMIT 1 OFFSET ?3"
            ),
            page: concat!(
                "SELECT ",
                account_columns!(),
                ", (SELECT count(*) FROM session s \
                 WHERE s.user_id = a.id AND s.ended_at IS NULL) FROM ",
                $from,
                " AND ",
                $key,
                " >= ?1 AND ",
                $key,
                " < ?2 AND (?4 = '' OR (SELECT count(*) FROM account_role h \
                 WHERE h.user_id = a.id AND h.role = ?4) = 1) AND a.is_active IN (?5, ?6) ORDER BY ",
                $key,
                " LIMIT ?3"
            ),
        }
    };
    ($from:literal, $key:literal) => {
        index!($from, $key, $from, $key)
    };
}

const BY_ID: Index = index!("account a WHERE TRUE", "a.id");
const BY_EMAIL: Index = index!("account a WHERE TRUE", "a.email");
const BY_PHONE: Index = index!("account a WHERE TRUE", "a.phone_number");
const INACTIVE: Index = index!("account a WHERE a.is_active = FALSE", "a.id");
const OF_ROLE: Index = index!(
    "account_role r JOIN account a ON a.id = r.user_id WHERE r.role = ?4",
    "r.user_id",
    "account_role r WHERE r.role = ?4",
    "r.user_id"
);

/// The statement that finds where the range of a search has to be cut; `None` where no row of it is
/// looked at in vain.
pub(crate) fn cut(search: &Search) -> Option<Statement> {
    let by_role = search.by_role();
    let others = usize::from(search.role.is_some() && !by_role)
        + usize::from(search.is_active.is_some() && !search.by_inactivity());
    if others == 0 {
        return None;
    }
    let mut params = vec![key(&search.from), key(&search.to), Value::Int(search.scan.into())];
    if by_role {
        params.push(text(search.role.as_deref().unwrap_or_default()));
    }
    Some(Statement { sql: index(search).cut, params, expect: Expect::Anything })
}

/// The statement that reads a page, up to where its range is cut; one account more than asked for,
/// where there is one.
pub(crate) fn page(search: &Search, cut: Option<&Key>) -> Statement {
    let params = vec![
        key(&search.from),
        key(cut.unwrap_or(&search.to)),
        Value::Int(i64::from(search.limit) + 1),
        text(search.role.as_deref().unwrap_or_default()),
        Value::Bool(search.is_active.unwrap_or(true)),
        Value::Bool(search.is_active.unwrap_or(false)),
    ];
    Statement { sql: index(search).page, params, expect: Expect::Anything }
}

/// What was found, and where the next page begins.
pub(crate) fn paged(search: &Search, mut accounts: Vec<Found>, cut: Option<Key>) -> Page {
    let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
    let more = accounts.get(limit).and_then(|found| search.key_of(&found.account));
    accounts.truncate(limit);
    Page { accounts, next: more.or(cut) }
}

/// The key at which a range is cut.
pub(crate) fn cut_key(search: &Search, row: &impl Row) -> Result<Key, Fault> {
    Ok(match search.from {
        Key::Id(_) => Key::Id(UserId::from_bytes(row.id(0)?)),
        Key::Email(_) => Key::Email(row.text(0)?),
        Key::Phone(_) => Key::Phone(row.text(0)?),
    })
}

/// An account with the number of its open sessions.
pub(crate) fn found(row: &impl Row) -> Result<Found, Fault> {
    Ok(Found { account: account(row)?, sessions: natural(row, super::ACCOUNT_WIDTH)? })
}

fn index(search: &Search) -> &'static Index {
    match search.from {
        Key::Email(_) => &BY_EMAIL,
        Key::Phone(_) => &BY_PHONE,
        Key::Id(_) if search.by_role() => &OF_ROLE,
        Key::Id(_) if search.by_inactivity() => &INACTIVE,
        Key::Id(_) => &BY_ID,
    }
}

fn key(key: &Key) -> Value {
    match key {
        Key::Id(user) => id(*user),
        Key::Email(email) | Key::Phone(email) => text(email),
    }
}
