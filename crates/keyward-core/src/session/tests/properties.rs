//! What holds of every session and every token, whatever they say?

use proptest::prelude::*;

use super::*;

fn moments() -> impl Strategy<Value = Timestamp> {
    let ends = prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]);
    let near = (-100i64..100).prop_map(|s| MADE.micros() + s * 1_000_000);
    prop_oneof![ends, near, any::<i64>()].prop_map(Timestamp::from_micros)
}

fn lengths() -> impl Strategy<Value = Duration> {
    let seconds = prop_oneof![0u64..100, Just(u64::MAX), any::<u64>()];
    seconds.prop_map(Duration::from_secs)
}

fn generations() -> impl Strategy<Value = Generation> {
    prop_oneof![0u64..10, Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
}

prop_compose! {
    fn policies()(
        (access_ttl, refresh_ttl, absolute_ttl) in (lengths(), lengths(), lengths()),
        idle_timeout in prop::option::of(lengths()),
        idle_timeout_bearer in prop::option::of(lengths()),
        rotation_window in lengths(),
    ) -> Policy {
        Policy {
            access_ttl, refresh_ttl, absolute_ttl, idle_timeout, idle_timeout_bearer, rotation_window,
            ..Policy::default()
        }
    }
}

prop_compose! {
    fn records()(
        newest in generations(),
        parent in prop::option::of(generations()),
        made_by in prop::sample::select(MadeBy::ALL.to_vec()),
        (made_at, last_active_at) in (moments(), moments()),
        seen: bool,
    ) -> Progress {
        Progress { newest, parent, made_by, made_at, seen, last_active_at }
    }
}

prop_compose! {
    fn sessions()(
        progress in prop::option::of(records()),
        opened_at in moments(),
        transport in prop::sample::select(vec![Transport::Cookie, Transport::Bearer]),
        ended in prop::option::of((moments(), prop::sample::select(EndReason::ALL.to_vec()))),
    ) -> Session {
        Session {
            opened_at,
            transport,
            ended: ended.map(|(at, why)| End { at, why }),
            ..session(progress)
        }
    }
}

prop_compose! {
    fn tokens()(generation in generations(), made_at in moments(), dead: bool) -> Presented {
        Presented { generation, made_at, dead, last_dead: dead.then_some(generation) }
    }
}

/// What a verdict writes.
fn after(verdict: Verdict) -> Option<Progress> {
    match verdict {
        Verdict::Rotate { after } | Verdict::Forgive { after, .. } | Verdict::Adopt { after } => Some(after),
        Verdict::Refuse(_) | Verdict::Keep { .. } | Verdict::Wait { .. } | Verdict::Theft => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_asked_is_answered_and_nothing_falls(
        session in sessions(),
        token in tokens(),
        active: bool,
        now in moments(),
        policy in policies(),
    ) {
        let verdict = session.present(token, active, now, &policy);
        session.over(active, now, &policy);
        session.forgettable_at(&policy);
        let known = session.progress;
        if let Some(after) = after(verdict) {
            session.end_of_access(&after, &policy);
            prop_assert!(known.is_none_or(|p| after.newest >= p.newest));
            prop_assert!(known.is_none_or(|p| after.last_active_at >= p.last_active_at));
            prop_assert!(after.newest >= token.generation);
            prop_assert!(after.parent.is_none_or(|p| p <= after.newest));
            prop_assert_eq!(after.made_at, now);
            prop_assert_eq!(after.seen, after.made_by == MadeBy::Adoption);
        }
        // Nothing but what was presented is ever named in an answer that makes nothing.
        if let Verdict::Keep { names } = verdict {
            prop_assert_eq!(names, token.generation);
            prop_assert!(known.is_some_and(|p| names == p.newest || Some(names) == p.parent));
        }
        if let Verdict::Wait { until } = verdict {
            prop_assert!(until > now);
        }
        if !active || session.ended.is_some() {
            prop_assert!(matches!(verdict, Verdict::Refuse(_)));
        } else if token.dead {
            prop_assert!(matches!(verdict, Verdict::Refuse(_) | Verdict::Theft));
        }
    }

    #[test]
    fn of_all_generations_one_rotates(
        session in sessions(),
        now in moments(),
        policy in policies(),
        generations in prop::collection::vec(generations(), 1..20),
    ) {
        let newest = session.progress.map(|p| p.newest);
        for generation in generations.into_iter().chain(newest) {
            let token = Presented { generation, ..token(0) };
            if let Verdict::Rotate { after } = session.present(token, true, now, &policy) {
                prop_assert_eq!(Some(generation), newest);
                prop_assert_eq!(after.parent, newest);
            }
        }
    }

    /// What the model checker relies on when it numbers generations by rank.
    #[test]
    fn the_numbers_of_generations_say_nothing_but_their_order(
        session in sessions(),
        numbers: [u32; 3],
        (times, plus) in (1u64..1000, any::<u32>()),
        token in tokens(),
        now in moments(),
        policy in policies(),
    ) {
        let kind = |name: &dyn Fn(u32) -> Generation| {
            let [newest, parent, presented] = numbers.map(|n| name(n % 4));
            let progress = session.progress.map(|p| Progress { newest, parent: p.parent.map(|_| parent), ..p });
            let session = Session { progress, ..session.clone() };
            let token = Presented { generation: presented, ..token };
            std::mem::discriminant(&session.present(token, true, now, &policy))
        };
        prop_assert_eq!(kind(&u64::from), kind(&|n| u64::from(n) * times + u64::from(plus)));
    }

    /// However often a client refreshes, and whatever answers it loses: the record stays one of the
    /// same size, and the client goes on.
    #[test]
    fn a_lone_client_goes_on(answers in prop::collection::vec(any::<(bool, u16)>(), 1..200)) {
        let policy = Policy { absolute_ttl: Duration::MAX, idle_timeout: None, ..policy() };
        let mut session = session(Progress::opened(MADE));
        let (mut held, mut now) = (token(0), MADE);
        for (arrives, later) in answers {
            now = now.after(Duration::from_secs(u64::from(later)));
            let noted = session.progress.map(|p| p.noted(Some(held.generation), None));
            session.progress = noted;
            let verdict = session.present(held, true, now, &policy);
            prop_assert!(!matches!(verdict, Verdict::Refuse(_) | Verdict::Theft), "{:?}", verdict);
            let Some(after) = after(verdict) else { continue };
            session.progress = Some(after);
            if arrives {
                held = Presented { generation: after.newest, made_at: now, dead: false, last_dead: None };
            }
        }
    }
}
