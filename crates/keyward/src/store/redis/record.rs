//! How does the moving part of a session rest in Redis?
//!
//! One key a session, one text: `newest parent made_by made_at seen last_active_at owed`, in words
//! and decimal numbers, so that an operator can read it. Each operation is one script on that key
//! alone, which is its own hash tag: no cross-slot access. The scripts look at numbers as digits:
//! Lua's are doubles and end at 2^53. Whatever makes a generation also says how long the key lives;
//! a note leaves that as it is.

use std::sync::LazyLock;
use std::time::Duration;

use keyward_core::id::SessionId;
use keyward_core::session::{Generation, MadeBy, Progress};
use keyward_core::time::Timestamp;
use redis::{Cmd, Script, ScriptInvocation};

use crate::store::Fault;

/// What stands for a number that there isn't.
const NONE: &str = "-";

/// How far a session has come, and what is still to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) progress: Progress,
    pub(super) owed: Option<Owed>,
}

/// A generation that was given up for lost, which may not stand in the revocation set yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) dead: Generation,
    pub(super) until: Timestamp,
}

/// Which key a session has.
pub(super) fn key(prefix: &str, session: SessionId) -> String {
    format!("{prefix}:{{{session}}}")
}

impl Record {
    /// # Errors
    /// [`Fault::Corrupt`] for what no Keyward can have written.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let corrupt = || Fault::Corrupt("the progress of a session in Redis".to_owned());
        Self::read(text).ok_or_else(corrupt)
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let record = Self {
            progress: Progress {
                newest: next()?.parse().ok()?,
                parent: match next()? {
                    NONE => None,
                    parent => Some(parent.parse().ok()?),
                },
                made_by: MadeBy::parse(next()?)?,
                made_at: moment(next()?)?,
                seen: match next()? {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                },
                last_active_at: moment(next()?)?,
            },
            owed: match next()? {
                NONE => None,
                owed => {
                    let (dead, until) = owed.split_once('@')?;
                    Some(Owed { dead: dead.parse().ok()?, until: moment(until)? })
                }
            },
        };
        next().is_none().then_some(record)
    }
}

/// Writes the progress of a session that was just opened, unless something is known of it: what was
/// asked to be written here and was not answered may come after the session has moved on.
pub(super) fn open(key: &str, progress: &Progress, lives: Duration) -> Cmd {
    let text = format!("{} {} {NONE}", head(progress), progress.last_active_at.micros());
    let mut set = redis::cmd("SET");
    set.arg(key).arg(text).arg("NX").arg("PX").arg(millis(lives));
    set
}

fn moment(text: &str) -> Option<Timestamp> {
    Some(Timestamp::from_micros(text.parse().ok()?))
}

/// All but the activity, of which the later one stays, and what is owed.
fn head(progress: &Progress) -> String {
    let Progress { newest, made_by, made_at, seen, .. } = progress;
    let parent = number(progress.parent);
    format!("{newest} {parent} {} {} {}", made_by.as_str(), made_at.micros(), u8::from(*seen))
}

fn number(number: Option<Generation>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

impl Owed {
    fn text(self) -> String {
        format!("{}@{}", self.dead, self.until.micros())
    }
}

/// Whether one decimal number is larger than another.
macro_rules! later {
    () => {
        "local function later(a, b)
            local below, other_below = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
            if below ~= other_below then return other_below end
            if below then a, b = b:sub(2), a:sub(2) end
            if #a ~= #b then return #a > #b end
            return a > b
        end
        "
    };
}

const ADVANCE: &str = concat!(
    later!(),
    "local newest, unseen, lives, head, active, owed = unpack(ARGV)
    local known = redis.call('GET', KEYS[1])
    if known then
        local newest_known, seen, active_known, owed_known =
            known:match('^(%S+) %S+ %S+ %S+ (%S+) (%S+) (%S+)$')
        if newest_known ~= newest or (unseen == '1' and seen == '1') then return 0 end
        if later(active_known, active) then active = active_known end
        if owed == '-' then owed = owed_known end
    elseif newest ~= '-' then
        return 0
    end
    redis.call('SET', KEYS[1], head .. ' ' .. active .. ' ' .. owed, 'PX', lives)
    return 1"
);

const NOTE: &str = concat!(
    later!(),
    "local known = redis.call('GET', KEYS[1])
    if not known then return end
    local newest, made, seen, active, owed = known:match('^(%S+) (%S+ %S+ %S+) (%S+) (%S+) (%S+)$')
    if ARGV[1] == newest then seen = '1' end
    if ARGV[2] ~= '-' and later(ARGV[2], active) then active = ARGV[2] end
    redis.call('SET', KEYS[1], table.concat({newest, made, seen, active, owed}, ' '), 'KEEPTTL')"
);

const PAID: &str = "local known = redis.call('GET', KEYS[1])
    if not known then return end
    local rest, owed = known:match('^(.+) (%S+)$')
    if owed == ARGV[1] then redis.call('SET', KEYS[1], rest .. ' -', 'KEEPTTL') end";

/// Writes the progress on condition of the newest generation, and that it was not seen where
/// `unseen`; without a newest one, on condition that nothing is known. Answers whether it did.
pub(super) fn advance(
    key: &str,
    newest: Option<Generation>,
    unseen: bool,
    after: &Progress,
    owed: Option<Owed>,
    lives: Duration,
) -> ScriptInvocation<'static> {
    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(ADVANCE));
    let mut invocation = SCRIPT.key(key);
    invocation.arg(number(newest)).arg(u8::from(unseen)).arg(millis(lives)).arg(head(after));
    invocation.arg(after.last_active_at.micros()).arg(owed.map_or_else(|| NONE.to_owned(), Owed::text));
    invocation
}

/// Notes what was seen and done, where anything is known of the session.
pub(super) fn note(
    key: &str,
    seen: Option<Generation>,
    active_at: Option<Timestamp>,
) -> ScriptInvocation<'static> {
    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(NOTE));
    let mut invocation = SCRIPT.key(key);
    let active_at = active_at.map_or_else(|| NONE.to_owned(), |at| at.micros().to_string());
    invocation.arg(number(seen)).arg(active_at);
    invocation
}

/// Takes away what is owed, if that is still it.
pub(super) fn paid(key: &str, owed: Owed) -> ScriptInvocation<'static> {
    static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(PAID));
    let mut invocation = SCRIPT.key(key);
    invocation.arg(owed.text());
    invocation
}

/// How long a key lives, as Redis takes it.
fn millis(lives: Duration) -> u64 {
    u64::try_from(lives.as_millis()).unwrap_or(u64::MAX)
}
