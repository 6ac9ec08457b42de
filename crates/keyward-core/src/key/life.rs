//! What has to be done about the keys by now?
//!
//! A key is made as `next`, stands in the JWKS until every verifier must have seen it, becomes
//! the `active` one, signs for `keys.rotation`, retires when another takes its place, and is
//! forgotten when its last token has died. [`due`] says what is to be done as a list of steps,
//! [`apply`] does one to the records; whoever commits the outcome does so on condition that nobody
//! changed the records since, so that of several nodes only one does it, and the rest find nothing
//! left to do.
//!
//! Two emergencies are above the wait: an active key was revoked (a token that some verifier can't
//! check for five minutes is better than none at all), and the operator configured another secret.

use std::time::Duration;

use super::{Algorithm, KeyRecord, KeyState};
use crate::time::Timestamp;

/// How long a key stands in the JWKS before it signs: twice as long as a verifier may keep an old
/// JWKS (`max-age` is 300 s), as clocks differ and fetches fail.
pub const PUBLISH_AHEAD: Duration = Duration::from_secs(600);

/// What the configuration says of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// `tokens.algorithm`.
    pub algorithm: Algorithm,
    /// The name of the key that `tokens.hs256_secret` is, where that is set.
    pub configured: Option<String>,
    /// How long a key signs (`keys.rotation`).
    pub rotation: Duration,
    /// How long after its last signature a token of a key can live: the largest `access_ttl` that
    /// was in force within that time, plus `leeway` and [`crate::policy::CLOCK_SKEW`].
    pub retire_after: Duration,
}

/// One thing to do about the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a key of the configured algorithm from fresh bytes, in this state: `next`, or `active`
    /// at once where there is none that could be.
    Make(KeyState),
    /// Take the configured secret in as the active key.
    Adopt,
    /// Let this key sign from now on; the one that did retires.
    Promote(String),
    /// Drop this key: nothing that it signed can be alive, or it never signed.
    Forget(String),
}

/// What has to be done at `now`, in this order. Empty when all is well, and once it was done.
///
/// As long as the nodes are configured with different algorithms (one after the other is being
/// changed), each asks for its own; it settles with the last one.
pub fn due(records: &[KeyRecord], policy: &KeyPolicy, now: Timestamp) -> Vec<Step> {
    let mut steps = Vec::new();
    let active = active(records);
    let secret = configured_secret(records, policy);
    let next = if secret.is_none() { wanted_next(records, policy) } else { None };
    // One that is not wanted never signed.
    let unwanted =
        in_state(records, KeyState::Next).filter(|record| Some(&record.kid) != next.map(|n| &n.kid));
    steps.extend(unwanted.filter(|r| Some(&r.kid) != secret).map(|r| Step::Forget(r.kid.clone())));
    match (secret, active, next) {
        (Some(kid), Some(active), _) if active.kid == *kid => {}
        (Some(kid), _, _) if records.iter().any(|r| r.kid == *kid) => {
            steps.push(Step::Promote(kid.clone()));
        }
        (Some(_), _, _) => steps.push(Step::Adopt),
        (None, None, None) => {
            steps.extend([Step::Make(KeyState::Active), Step::Make(KeyState::Next)]);
        }
        (None, None, Some(next)) => {
            steps.extend([Step::Promote(next.kid.clone()), Step::Make(KeyState::Next)]);
        }
        (None, Some(_), None) => steps.push(Step::Make(KeyState::Next)),
        (None, Some(active), Some(next)) => {
            let from = active.active_from.unwrap_or(active.created_at);
            let over = active.algorithm != policy.algorithm || now >= from.after(policy.rotation);
            if over && ripe(next, records, now).is_ok() {
                steps.extend([Step::Promote(next.kid.clone()), Step::Make(KeyState::Next)]);
            }
        }
    }
    let over = records.iter().filter(|record| is_over(record, policy, now));
    let forgotten: Vec<_> = over
        .filter(|record| !steps.contains(&Step::Promote(record.kid.clone())))
        .filter(|record| !is_needed_witness(record, records, &steps, policy, now))
        .map(|record| Step::Forget(record.kid.clone()))
        .collect();
    steps.extend(forgotten);
    steps
}

/// Whether a key that is `next` may sign at `now`: no verifier can still hold a JWKS without it.
///
/// # Errors
/// The moment from which on it may.
pub fn ripe(next: &KeyRecord, records: &[KeyRecord], now: Timestamp) -> Result<(), Timestamp> {
    let from = next.created_at.after(PUBLISH_AHEAD);
    // Made in one commit with the very first key, it stood in every JWKS that was ever served.
    // The sibling is asked for, too, as a clock that was set back makes no key an old one.
    let of_the_first = records.iter().all(|record| record.created_at >= next.created_at)
        && records.iter().any(|record| record.kid != next.kid && record.active_from == Some(next.created_at));
    if !next.algorithm.is_published() || of_the_first || now >= from { Ok(()) } else { Err(from) }
}

/// Why keys can't be rotated by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotRotate {
    /// The next key is not published for long enough; from this moment on it is.
    Unripe(Timestamp),
    /// The configured secret signs: another one has to be configured.
    Configured,
    /// There is no next key yet: what is [`due`] has to be done first.
    NoNext,
}

/// What an operator's wish to rotate now comes to: the next key takes over ahead of time.
///
/// # Errors
/// [`CannotRotate`].
pub fn rotate(records: &[KeyRecord], policy: &KeyPolicy, now: Timestamp) -> Result<Vec<Step>, CannotRotate> {
    if configured_secret(records, policy).is_some() {
        return Err(CannotRotate::Configured);
    }
    let next = wanted_next(records, policy).ok_or(CannotRotate::NoNext)?;
    ripe(next, records, now).map_err(CannotRotate::Unripe)?;
    Ok(vec![Step::Promote(next.kid.clone()), Step::Make(KeyState::Next)])
}

/// Does one step to the records. `made` is the record of the key that [`Step::Make`] or
/// [`Step::Adopt`] asks for; what it says of its state and times is overwritten.
pub fn apply(records: &mut Vec<KeyRecord>, step: &Step, made: Option<KeyRecord>, now: Timestamp) {
    let (state, kid) = match step {
        Step::Forget(kid) => return records.retain(|record| record.kid != *kid),
        Step::Promote(kid) => (KeyState::Active, kid.clone()),
        Step::Make(_) | Step::Adopt => {
            let Some(made) = made else { return };
            let kid = made.kid.clone();
            if records.iter().any(|record| record.kid == kid) {
                return;
            }
            let fresh = KeyRecord { created_at: now, active_from: None, revoked_at: None, ..made };
            records.push(KeyRecord { state: KeyState::Next, retired_at: None, ..fresh });
            (if let Step::Make(state) = step { *state } else { KeyState::Active }, kid)
        }
    };
    if state != KeyState::Active {
        return;
    }
    for record in records.iter_mut() {
        if record.kid == kid {
            (record.state, record.active_from, record.retired_at) = (KeyState::Active, Some(now), None);
        } else if record.state == KeyState::Active {
            (record.state, record.retired_at) = (KeyState::Retiring, Some(now));
        }
    }
}

/// Takes a key out, in whatever state it is: from now on all its tokens are worth nothing. Whether
/// there was such a key, not yet revoked. What is [`due`] then has to be done in the same commit.
pub fn revoke(records: &mut [KeyRecord], kid: &str, now: Timestamp) -> bool {
    let found = records.iter_mut().find(|r| r.kid == kid && r.state != KeyState::Revoked);
    found.map(|record| (record.state, record.revoked_at) = (KeyState::Revoked, Some(now))).is_some()
}

fn in_state(records: &[KeyRecord], state: KeyState) -> impl Iterator<Item = &KeyRecord> {
    records.iter().filter(move |record| record.state == state)
}

fn active(records: &[KeyRecord]) -> Option<&KeyRecord> {
    in_state(records, KeyState::Active).next()
}

/// The next key of the configured algorithm: the oldest, should there be several.
fn wanted_next<'a>(records: &'a [KeyRecord], policy: &KeyPolicy) -> Option<&'a KeyRecord> {
    in_state(records, KeyState::Next)
        .filter(|record| record.algorithm == policy.algorithm)
        .min_by_key(|record| (record.created_at, &record.kid))
}

/// The configured secret, where it is to sign. One that was revoked never does again: keys are
/// made instead, until another one is configured.
fn configured_secret<'a>(records: &[KeyRecord], policy: &'a KeyPolicy) -> Option<&'a String> {
    let kid = policy.configured.as_ref().filter(|_| policy.algorithm == Algorithm::Hs256)?;
    let revoked = in_state(records, KeyState::Revoked).any(|record| record.kid == *kid);
    (!revoked).then_some(kid)
}

/// Whether nothing that the key signed can be alive. A revoked secret is kept for good: the
/// configuration could bring it back, and nothing else would remember that it must not sign.
fn is_over(record: &KeyRecord, policy: &KeyPolicy, now: Timestamp) -> bool {
    let since = match record.state {
        KeyState::Next | KeyState::Active => return false,
        KeyState::Revoked if record.algorithm == Algorithm::Hs256 => return false,
        KeyState::Revoked => record.revoked_at,
        KeyState::Retiring => record.retired_at,
    };
    since.is_some_and(|since| now >= since.after(policy.retire_after))
}

/// Whether only records that are over, this among them, show that a JWKS was served without a next
/// key that is not ripe. Without any, [`ripe`] would take that key for one of the first.
fn is_needed_witness(
    record: &KeyRecord,
    records: &[KeyRecord],
    steps: &[Step],
    policy: &KeyPolicy,
    now: Timestamp,
) -> bool {
    let made = steps.contains(&Step::Make(KeyState::Next)).then_some(now);
    let unripe = in_state(records, KeyState::Next).filter(|next| ripe(next, records, now).is_err());
    unripe.map(|next| next.created_at).chain(made).any(|created_at| {
        let stays = |r: &KeyRecord| r.state != KeyState::Next && !is_over(r, policy, now);
        record.created_at < created_at && !records.iter().any(|r| stays(r) && r.created_at < created_at)
    })
}

#[cfg(test)]
mod tests;
