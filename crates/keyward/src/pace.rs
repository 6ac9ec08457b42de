//! How long does a failed login take? As long as the costliest hash that is stored, whoever it was for.
//!
//! Hashes differ in what they cost while imported ones are there, or some of before the cost was
//! raised, and so would the time of a failure, by which anybody could tell who has an account. So
//! a failure is answered when the costliest one would have been verified: it waits for that, and
//! neither works nor holds a thread meanwhile.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyward_core::password::{Password, PasswordHash};

use crate::engine::Engine;
use crate::error::Error;

/// How long verifying takes here, by the class of the hash.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    learnt: Mutex<HashMap<String, Duration>>,
    /// One at a time: what is learnt beside others is too long.
    measuring: tokio::sync::Mutex<()>,
}

impl Pace {
    /// Takes in how long it took once. A longer time counts at once, yet no more than doubles what
    /// is known, for one hiccup says little; a shorter one by a sixteenth of the difference.
    pub(crate) fn learn(&self, class: &str, took: Duration) {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = learnt.get_mut(class) else {
            learnt.insert(class.to_owned(), took);
            return;
        };
        // A clock that stands still tells nothing.
        if took.is_zero() {
            return;
        }
        *known = match known.is_zero() {
            true => took,
            false if took > *known => took.min(*known * 2),
            false => *known - (*known - took) / 16,
        };
    }

    /// How long it takes, as far as that is known.
    fn of(&self, class: &str) -> Option<Duration> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(class).copied()
    }
}

impl Engine {
    /// How long a failed login takes from when its hash was begun: no time at all while every hash
    /// is of today's cost, since then each failure is the same work anyway.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub(crate) async fn longest_verification(&self) -> Result<Duration, Error> {
        let stored = self.store.cost_classes().await?;
        if stored.iter().all(|class| *class == self.nobody.cost_class()) {
            return Ok(Duration::ZERO);
        }
        let mut longest = Duration::ZERO;
        for hash in costliest(stored.iter().filter_map(|class| PasswordHash::dummy_of(class).ok())) {
            longest = longest.max(self.verification_of(hash).await);
        }
        Ok(longest.max(self.pace.of(&self.nobody.cost_class()).unwrap_or_default()))
    }

    /// How long a hash like this takes; one that was never seen is tried once.
    async fn verification_of(&self, hash: PasswordHash) -> Duration {
        let class = hash.cost_class();
        if let Some(known) = self.pace.of(&class) {
            return known;
        }
        let _one = self.pace.measuring.lock().await;
        if let Some(known) = self.pace.of(&class) {
            return known;
        }
        // Where there is no room for it, the next failure learns it.
        let Ok(tried) = self.hashing.verify(Password::default(), hash).await else { return Duration::ZERO };
        self.pace.learn(&class, tried.took);
        tried.took
    }
}

/// Of each scheme the hash that is the most work. Which scheme takes the longest is to be tried.
fn costliest(hashes: impl Iterator<Item = PasswordHash>) -> Vec<PasswordHash> {
    let mut found: HashMap<&str, PasswordHash> = HashMap::new();
    for hash in hashes {
        let (scheme, work) = hash.work();
        if found.get(scheme).is_none_or(|known| known.work().1 < work) {
            found.insert(scheme, hash);
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_core::account::Account;
    use keyward_core::change::{Change, Write};
    use keyward_core::id::UserId;
    use keyward_core::password::Cost;
    use keyward_core::session::Transport;
    use keyward_core::throttle::Limits;
    use keyward_core::time::Timestamp;

    use super::*;
    use crate::client::Client;
    use crate::clock::Clock;
    use crate::flow::sign_in::{Former, SignIn};
    use crate::{Keyward, MasterKey, Settings};

    const MS: Duration = Duration::from_millis(1);
    const BCRYPT: &str = "$2b$04";

    #[test]
    fn a_longer_time_counts_at_once_and_a_shorter_one_slowly() {
        let pace = Pace::default();
        assert_eq!(pace.of(BCRYPT), None);
        let learnt = |took| {
            pace.learn(BCRYPT, took);
            pace.of(BCRYPT)
        };
        assert_eq!(learnt(100 * MS), Some(100 * MS));
        assert_eq!(learnt(120 * MS), Some(120 * MS));
        assert_eq!(learnt(104 * MS), Some(119 * MS));
        assert_eq!(learnt(10_000 * MS), Some(238 * MS), "one hiccup says little");
        assert_eq!(learnt(Duration::ZERO), Some(238 * MS), "a clock that stands still tells nothing");
        assert_eq!(pace.of("$2b$05"), None);
    }

    #[test]
    fn of_each_scheme_the_costliest_is_looked_at() {
        let classes = [
            "$2b$04",
            "$2b$12",
            "$2b$11",
            "pbkdf2_sha256$1000",
            "pbkdf2_sha256$999",
            "$argon2id$v=19$m=64,t=2,p=1",
            "$argon2i$v=19$m=64,t=3,p=1",
        ];
        let hashes = classes.iter().map(|class| PasswordHash::dummy_of(class).expect(class));
        let mut found: Vec<String> = costliest(hashes).iter().map(PasswordHash::cost_class).collect();
        found.sort_unstable();
        assert_eq!(found, ["$2b$12", "$argon2i$v=19$m=64,t=3,p=1", "pbkdf2_sha256$1000"]);
    }

    /// Ada has a hash of that class, Bob one of today's cost.
    async fn with(class: &str) -> (Keyward, Clock, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let cost = Cost::new(8, 1, 1).expect("a cost");
        let settings = Settings { background: false, cost, limits: Limits::OFF, ..Settings::default() };
        let keyward = Keyward::builder(settings)
            .sqlite(folder.path().join("keyward.db"))
            .master_key(MasterKey::from_bytes(&[7; 32]))
            .clock(clock.clone());
        let keyward = keyward.open().await.expect("opens");
        let account = |n, name: &str, password| Account {
            id: UserId::from_bytes([n; 16]),
            email: format!("{name}@example.com").parse().expect("an address"),
            email_verified: false,
            phone_number: None,
            phone_number_verified: false,
            password,
            roles: Vec::new(),
            is_active: true,
            roles_version: 0,
            version: 0,
            created_at: clock.now(),
            last_login_at: None,
        };
        let ada = account(1, "ada", PasswordHash::dummy_of(class).expect(class).into());
        let bob = account(2, "bob", PasswordHash::dummy(&cost).into());
        let create = |account| Write::CreateAccount(Box::new(account));
        keyward.engine.commit(Change::of([create(ada), create(bob)])).await.expect("fresh");
        (keyward, clock, folder)
    }

    /// A login with a wrong password: what it is answered, and until when it waited for the clock.
    /// That is moved to the end of each wait, and a microsecond short of it first.
    async fn fail(keyward: &Keyward, clock: &Clock, name: &str) -> (&'static str, Vec<Duration>) {
        let sign_in = SignIn {
            name: format!("{name}@example.com"),
            by_phone: false,
            password: "wrong".to_owned().try_into().expect("short"),
            transport: Transport::Bearer,
            replaces: Former::default(),
        };
        let before = clock.waits().len();
        let engine = Arc::clone(&keyward.engine);
        let login = tokio::spawn(async move { engine.sign_in(sign_in, &Client::operator()).await.err() });
        let mut seen = before;
        while !login.is_finished() {
            tokio::task::yield_now().await;
            if let Some(until) = clock.waits().get(seen) {
                seen += 1;
                let left = until.saturating_sub(clock.monotonic());
                clock.advance(if left > Duration::from_micros(1) {
                    left - Duration::from_micros(1)
                } else {
                    left
                });
            }
        }
        let error = login.await.expect("no panic").expect("a wrong password");
        (error.code(), clock.waits().split_off(before))
    }

    #[tokio::test]
    async fn a_failure_waits_for_the_costliest_hash_and_works_for_none() {
        let (keyward, clock, _folder) = with(BCRYPT).await;
        keyward.engine.pace.learn(BCRYPT, 300 * MS);
        keyward.engine.pace.learn(&keyward.engine.nobody.cost_class(), 30 * MS);
        for name in ["ada", "bob", "nobody", "no address"] {
            let (start, hashes) = (clock.monotonic(), keyward.password_hashes());
            let (code, waits) = fail(&keyward, &clock, name).await;
            assert_eq!(code, "invalid_credentials");
            // Asked when it begins, again when the clock has come close, and not once more.
            assert_eq!(waits, [start + 300 * MS; 2], "{name}");
            assert_eq!(clock.monotonic(), start + 300 * MS, "{name}");
            assert_eq!(keyward.password_hashes(), hashes + 1, "{name}");
        }
    }

    #[tokio::test]
    async fn a_hash_of_a_former_cost_is_waited_for_too() {
        let former = "$argon2id$v=19$m=64,t=3,p=1";
        let (keyward, clock, _folder) = with(former).await;
        keyward.engine.pace.learn(former, 50 * MS);
        for name in ["ada", "bob", "nobody"] {
            let start = clock.monotonic();
            let (_, waits) = fail(&keyward, &clock, name).await;
            assert_eq!(waits, [start + 50 * MS; 2], "{name}");
        }
        // Made anew, nobody waits for what nobody has.
        let user = UserId::from_bytes([1; 16]);
        let password = PasswordHash::dummy(&keyward.engine.settings.cost);
        keyward
            .engine
            .commit(Change::of([Write::Rehash { user, version: 0, password }]))
            .await
            .expect("there");
        for name in ["ada", "bob", "nobody"] {
            assert!(fail(&keyward, &clock, name).await.1.is_empty(), "{name}");
        }
    }

    #[tokio::test]
    async fn what_was_never_seen_is_tried_once() {
        let (keyward, clock, _folder) = with(BCRYPT).await;
        let hashes = keyward.password_hashes();
        fail(&keyward, &clock, "nobody").await;
        assert_eq!(keyward.password_hashes(), hashes + 2);
        fail(&keyward, &clock, "nobody").await;
        assert_eq!(keyward.password_hashes(), hashes + 3);
        assert_eq!(keyward.engine.pace.of(BCRYPT), Some(Duration::ZERO), "by a clock that stands still");
    }
}
