use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const RETIRE: u64 = 960;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_795_000_000 + i64::try_from(seconds).expect("small"))
}

fn policy(algorithm: Algorithm) -> KeyPolicy {
    KeyPolicy {
        algorithm,
        configured: None,
        rotation: Duration::from_secs(30 * DAY),
        retire_after: Duration::from_secs(RETIRE),
    }
}

fn record(kid: &str, algorithm: Algorithm) -> KeyRecord {
    KeyRecord {
        kid: kid.to_owned(),
        algorithm,
        state: KeyState::Revoked,
        created_at: Timestamp::default(),
        active_from: None,
        retired_at: None,
        revoked_at: None,
        secret: Vec::new(),
    }
}

/// Keys, and what an observer saw of them.
struct Table {
    records: Vec<KeyRecord>,
    made: usize,
    /// Whether a JWKS without a key can have been served before it was made.
    late: HashMap<String, bool>,
    last_signed: HashMap<String, Timestamp>,
    served: bool,
}

impl Table {
    fn new() -> Self {
        let (late, last_signed) = (HashMap::new(), HashMap::new());
        Self { records: Vec::new(), made: 0, late, last_signed, served: false }
    }

    fn commit(&mut self, steps: &[Step], policy: &KeyPolicy, now: Timestamp) {
        let served = self.served;
        for step in steps {
            let before = self.records.clone();
            let made = match step {
                Step::Make(_) => {
                    self.made += 1;
                    Some(record(&format!("k{}", self.made), policy.algorithm))
                }
                Step::Adopt => {
                    Some(record(policy.configured.as_ref().expect("configured"), Algorithm::Hs256))
                }
                Step::Promote(_) | Step::Forget(_) => None,
            };
            if let Some(made) = &made {
                self.late.insert(made.kid.clone(), served);
            }
            if let Step::Forget(kid) = step {
                let gone = before.iter().find(|r| r.kid == *kid).expect("known");
                let alive_until = |t: &Timestamp| t.after(policy.retire_after);
                assert!(
                    self.last_signed.get(kid).map(alive_until).is_none_or(|until| until <= now),
                    "{gone:?}"
                );
                assert!(
                    gone.revoked_at.as_ref().map(alive_until).is_none_or(|until| until <= now),
                    "{gone:?}"
                );
                assert_ne!(gone.state, KeyState::Active);
            }
            if let Step::Promote(kid) = step {
                let promoted = before.iter().find(|r| r.kid == *kid).expect("known");
                let revoked_active = active(&before).is_none();
                let configured = policy.configured.as_ref() == Some(kid);
                let known_everywhere = !self.late[kid] || promoted.created_at.after(PUBLISH_AHEAD) <= now;
                assert!(
                    revoked_active || configured || known_everywhere || !promoted.algorithm.is_published(),
                    "{kid} signs too early: {before:?}"
                );
            }
            apply(&mut self.records, step, made, now);
            for old in &before {
                let new = self.records.iter().find(|r| r.kid == old.kid);
                if old.state == KeyState::Active && new.is_none_or(|r| r.state != KeyState::Active) {
                    self.last_signed.insert(old.kid.clone(), now);
                }
                if old.state == KeyState::Revoked {
                    assert!(new.is_none_or(|r| r.state == KeyState::Revoked), "{old:?} came back");
                }
            }
        }
        self.served = true;
    }

    /// Does what is due until nothing is; returns what it did.
    fn settle(&mut self, policy: &KeyPolicy, now: Timestamp) -> Vec<Step> {
        let mut done = Vec::new();
        for _ in 0..4 {
            let steps = due(&self.records, policy, now);
            if steps.is_empty() {
                self.check(policy);
                return done;
            }
            self.commit(&steps, policy, now);
            done.extend(steps);
        }
        panic!("never settles: {done:?}");
    }

    fn check(&self, policy: &KeyPolicy) {
        let count = |state| in_state(&self.records, state).count();
        assert_eq!(count(KeyState::Active), 1, "{:?}", self.records);
        let configured = configured_secret(&self.records, policy);
        assert_eq!(count(KeyState::Next), usize::from(configured.is_none()), "{:?}", self.records);
        assert!(in_state(&self.records, KeyState::Next).all(|r| r.algorithm == policy.algorithm));
        if let Some(kid) = configured {
            assert_eq!(active(&self.records).map(|r| &r.kid), Some(kid));
        }
        let mut kids: Vec<_> = self.records.iter().map(|r| &r.kid).collect();
        kids.sort_unstable();
        kids.dedup();
        assert_eq!(kids.len(), self.records.len());
    }

    fn state(&self, kid: &str) -> Option<KeyState> {
        self.records.iter().find(|r| r.kid == kid).map(|r| r.state)
    }
}

fn promote(kid: &str) -> Step {
    Step::Promote(kid.to_owned())
}

fn forget(kid: &str) -> Step {
    Step::Forget(kid.to_owned())
}

const NEXT: Step = Step::Make(KeyState::Next);
const ACTIVE: Step = Step::Make(KeyState::Active);

#[test]
fn a_first_start_makes_two_keys_and_the_second_may_follow_at_once() {
    let (mut table, policy) = (Table::new(), policy(Algorithm::Rs256));
    assert_eq!(table.settle(&policy, at(0)), [ACTIVE, NEXT]);
    assert_eq!(table.settle(&policy, at(29 * DAY)), []);
    assert_eq!(rotate(&table.records, &policy, at(1)), Ok(vec![promote("k2"), NEXT]));
    table.commit(&[promote("k2"), NEXT], &policy, at(1));
    // The third was not in the JWKS that verifiers hold.
    let refused = rotate(&table.records, &policy, at(2));
    assert_eq!(refused, Err(CannotRotate::Unripe(at(1 + PUBLISH_AHEAD.as_secs()))));
    assert_eq!(rotate(&table.records, &policy, at(601)), Ok(vec![promote("k3"), NEXT]));
}

#[test]
fn a_key_signs_for_its_time_and_is_forgotten_with_its_last_token() {
    let (mut table, policy) = (Table::new(), policy(Algorithm::Es256));
    table.settle(&policy, at(0));
    assert_eq!(table.settle(&policy, at(30 * DAY - 1)), []);
    assert_eq!(table.settle(&policy, at(30 * DAY)), [promote("k2"), NEXT]);
    assert_eq!(table.state("k1"), Some(KeyState::Retiring));
    assert_eq!(table.settle(&policy, at(30 * DAY + RETIRE - 1)), []);
    assert_eq!(table.settle(&policy, at(30 * DAY + RETIRE)), [forget("k1")]);
    assert_eq!(table.settle(&policy, at(60 * DAY - 1)), []);
    assert_eq!(table.settle(&policy, at(60 * DAY)), [promote("k3"), NEXT]);
}

#[test]
fn a_revoked_key_is_replaced_at_once_even_by_an_unripe_one() {
    let (mut table, policy) = (Table::new(), policy(Algorithm::Rs256));
    table.settle(&policy, at(0));
    table.settle(&policy, at(30 * DAY));
    assert!(revoke(&mut table.records, "k2", at(30 * DAY + 5)));
    assert!(!revoke(&mut table.records, "k2", at(30 * DAY + 6)) && !revoke(&mut table.records, "?", at(0)));
    assert_eq!(table.settle(&policy, at(30 * DAY + 5)), [promote("k3"), NEXT]);
    assert_eq!(table.state("k2"), Some(KeyState::Revoked));
    // Next and active both gone: nothing is left to promote.
    assert!(revoke(&mut table.records, "k3", at(30 * DAY + 6)));
    assert!(revoke(&mut table.records, "k4", at(30 * DAY + 6)));
    assert_eq!(table.settle(&policy, at(30 * DAY + 6)), [ACTIVE, NEXT]);
    let done = table.settle(&policy, at(31 * DAY));
    assert_eq!(done, [forget("k1"), forget("k2"), forget("k3"), forget("k4")]);
}

#[test]
fn another_algorithm_waits_until_its_key_is_known() {
    let mut table = Table::new();
    table.settle(&policy(Algorithm::Rs256), at(0));
    let es = policy(Algorithm::Es256);
    assert_eq!(table.settle(&es, at(DAY)), [forget("k2"), NEXT]);
    assert_eq!(table.settle(&es, at(DAY + 599)), []);
    assert_eq!(table.settle(&es, at(DAY + 600)), [promote("k3"), NEXT]);
    // No JWKS holds a secret, so nobody has to be waited for.
    let hs = policy(Algorithm::Hs256);
    assert_eq!(table.settle(&hs, at(DAY + 700)), [forget("k4"), NEXT, promote("k5"), NEXT]);
}

#[test]
fn a_configured_secret_signs_at_once_and_never_after_its_revocation() {
    let mut table = Table::new();
    table.settle(&policy(Algorithm::Rs256), at(0));
    let configured = |kid: &str| KeyPolicy { configured: Some(kid.to_owned()), ..policy(Algorithm::Hs256) };
    assert_eq!(table.settle(&configured("s1"), at(10)), [forget("k2"), Step::Adopt]);
    assert_eq!(table.settle(&configured("s1"), at(90 * DAY)), [forget("k1")]);
    assert_eq!(rotate(&table.records, &configured("s1"), at(90 * DAY)), Err(CannotRotate::Configured));
    assert_eq!(table.settle(&configured("s2"), at(90 * DAY)), [Step::Adopt]);
    assert_eq!(table.state("s1"), Some(KeyState::Retiring));
    assert_eq!(table.settle(&configured("s1"), at(90 * DAY + 5)), [promote("s1")]);
    assert_eq!(table.state("s2"), Some(KeyState::Retiring));
    assert!(revoke(&mut table.records, "s1", at(91 * DAY)));
    assert_eq!(table.settle(&configured("s1"), at(91 * DAY)), [ACTIVE, NEXT, forget("s2")]);
    assert_eq!(table.settle(&configured("s1"), at(400 * DAY))[..2], [promote("k4"), NEXT]);
    assert_eq!(table.state("s1"), Some(KeyState::Revoked));
}

#[test]
fn a_witness_outlives_its_time_while_a_next_key_is_unripe() {
    let (mut table, mut policy) = (Table::new(), policy(Algorithm::Rs256));
    policy.retire_after = Duration::from_secs(120);
    table.settle(&policy, at(0));
    for kid in ["k1", "k2"] {
        assert!(revoke(&mut table.records, kid, at(DAY)));
    }
    // The node was down for an hour: the revoked ones are over when the new ones are made.
    assert_eq!(table.settle(&policy, at(DAY + HOUR)), [ACTIVE, NEXT]);
    assert!(matches!(rotate(&table.records, &policy, at(DAY + HOUR + 300)), Err(CannotRotate::Unripe(_))));
    assert_eq!(table.settle(&policy, at(DAY + HOUR + 599)), []);
    assert_eq!(table.settle(&policy, at(DAY + HOUR + 600)), [forget("k1"), forget("k2")]);
}

#[test]
fn a_clock_that_was_set_back_makes_no_key_ripe() {
    let (mut table, policy) = (Table::new(), policy(Algorithm::Rs256));
    table.settle(&policy, at(DAY));
    assert!(revoke(&mut table.records, "k2", at(5)));
    assert_eq!(table.settle(&policy, at(5)), [NEXT]);
    assert_eq!(rotate(&table.records, &policy, at(6)), Err(CannotRotate::Unripe(at(605))));
}

#[test]
fn several_nodes_that_ask_at_once_ask_for_the_same() {
    let policy = policy(Algorithm::Rs256);
    let mut table = Table::new();
    table.settle(&policy, at(0));
    let mut reversed = table.records.clone();
    reversed.reverse();
    assert_eq!(due(&reversed, &policy, at(31 * DAY)), due(&table.records, &policy, at(31 * DAY)));
    // The second one's write is refused; it loads again, and finds nothing left to do.
    table.commit(&due(&table.records, &policy, at(31 * DAY)), &policy, at(31 * DAY));
    assert_eq!(due(&table.records, &policy, at(31 * DAY)), []);
}

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Algorithm(Algorithm),
    Secret(Option<u8>),
    Revoke(usize),
    Rotate,
}

fn act() -> impl Strategy<Value = Act> {
    let algorithm = (0usize..4).prop_map(|i| Algorithm::ALL[i]);
    prop_oneof![
        4 => prop_oneof![0u64..1200, Just(30 * DAY), Just(RETIRE), Just(600u64)].prop_map(Act::Wait),
        2 => algorithm.prop_map(Act::Algorithm),
        1 => proptest::option::of(0u8..3).prop_map(Act::Secret),
        2 => (0usize..4).prop_map(Act::Revoke),
        2 => Just(Act::Rotate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// What an observer asserts is in [`Table::commit`] and [`Table::check`]: one active key, at
    /// most one next, none signs before it is known, none is forgotten while its tokens live,
    /// and no revoked one comes back; with nodes that are down between an act and its steps.
    #[test]
    fn every_history_keeps_the_rules(
        retire in prop_oneof![Just(61u64), Just(RETIRE), Just(7200)],
        rotation in prop_oneof![Just(60u64), Just(30 * DAY)],
        acts in proptest::collection::vec((act(), any::<bool>()), 0..30),
    ) {
        let mut policy = policy(Algorithm::Rs256);
        policy.retire_after = Duration::from_secs(retire);
        policy.rotation = Duration::from_secs(rotation);
        let (mut table, mut now) = (Table::new(), 0);
        table.settle(&policy, at(now));
        for (act, up) in acts {
            // No two commits fall into one microsecond.
            now += 1;
            match act {
                Act::Wait(seconds) => now += seconds,
                Act::Algorithm(algorithm) => policy.algorithm = algorithm,
                Act::Secret(which) => policy.configured = which.map(|n| format!("s{n}")),
                Act::Revoke(which) => {
                    let record = table.records.get(which).map(|r| (r.kid.clone(), r.state));
                    if let Some((kid, state)) = record {
                        revoke(&mut table.records, &kid, at(now));
                        if state == KeyState::Active {
                            table.last_signed.insert(kid, at(now));
                        }
                    }
                }
                Act::Rotate => {
                    if let Ok(steps) = rotate(&table.records, &policy, at(now)) {
                        // An active one has to be there: else this is no rotation by hand.
                        if active(&table.records).is_some() {
                            table.commit(&steps, &policy, at(now));
                        }
                    }
                }
            }
            if up {
                table.settle(&policy, at(now));
            }
        }
        // In the end only an active key, its next, and secrets that must never sign are left. A
        // next that ripens retires the active one where keys sign for a minute.
        policy.rotation = Duration::from_secs(30 * DAY);
        for _ in 0..4 {
            now += retire.max(PUBLISH_AHEAD.as_secs());
            table.settle(&policy, at(now));
        }
        let others = table.records.iter().filter(|r| !matches!(r.state, KeyState::Active | KeyState::Next));
        prop_assert!(others.into_iter().all(|r| r.algorithm == Algorithm::Hs256), "{:?}", table.records);
        prop_assert!(table.records.len() <= 2 + table.records.iter().filter(|r| r.revoked_at.is_some()).count());
    }
}
