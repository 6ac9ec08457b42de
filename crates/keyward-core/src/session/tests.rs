//! Does each row of the table say what it says, to the microsecond?

mod properties;

use super::*;

const LOGIN: Timestamp = Timestamp::from_seconds(1_795_216_000);
const MADE: Timestamp = Timestamp::from_seconds(1_795_216_600);
const W: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
const MICRO: Duration = Duration::from_micros(1);

fn policy() -> Policy {
    let policy = Policy::default();
    assert_eq!(policy.rotation_window, W);
    policy
}

fn strict() -> Policy {
    Policy { rotation_window: Duration::ZERO, ..policy() }
}

/// The seventh generation, made from the sixth, of which nothing was seen.
fn progress(made_by: MadeBy) -> Progress {
    Progress {
        newest: 7,
        parent: (made_by != MadeBy::Adoption).then_some(6),
        made_by,
        made_at: MADE,
        seen: made_by == MadeBy::Adoption,
        last_active_at: MADE,
    }
}

fn session(progress: impl Into<Option<Progress>>) -> Session {
    Session {
        id: SessionId::from_bytes([1; 16]),
        user: UserId::from_bytes([2; 16]),
        transport: Transport::Cookie,
        opened_at: LOGIN,
        auth_time: LOGIN,
        amr: "pwd".into(),
        ip: "192.0.2.1".into(),
        user_agent: "tests".into(),
        ended: None,
        progress: progress.into(),
        resting: None,
    }
}

fn token(generation: Generation) -> Presented {
    Presented { generation, made_at: MADE, dead: false, last_dead: None }
}

fn present(session: &Session, generation: Generation, now: Timestamp) -> Verdict {
    session.present(token(generation), true, now, &policy())
}

/// One moment before the newest generation settles, and the moment it does.
fn before() -> Timestamp {
    MADE.after(W - MICRO)
}

fn settled() -> Timestamp {
    MADE.after(W)
}

fn rotated(from: Progress, to: Generation, now: Timestamp) -> Verdict {
    Verdict::Rotate {
        after: Progress {
            newest: to,
            parent: Some(from.newest),
            made_by: MadeBy::Rotation,
            made_at: now,
            seen: false,
            last_active_at: from.last_active_at,
        },
    }
}

fn forgiven(from: Progress, now: Timestamp) -> Verdict {
    Verdict::Forgive {
        after: Progress {
            newest: from.newest + 1,
            parent: from.parent,
            made_by: MadeBy::Forgiveness,
            made_at: now,
            seen: false,
            last_active_at: from.last_active_at,
        },
        dead: from.newest,
    }
}

#[test]
fn row_1_refuses_in_the_order_of_reasons() {
    let end = End { at: MADE, why: EndReason::Logout };
    let late = LOGIN.after(policy().absolute_ttl);
    let open = session(progress(MadeBy::Rotation));
    let over = Session { ended: Some(end), ..open.clone() };
    let lost = Session { progress: None, ..over.clone() };
    for (session, active, now, why) in [
        (&over, false, late, Refusal::Inactive),
        (&open, false, settled(), Refusal::Inactive),
        (&over, true, late, Refusal::Ended(EndReason::Logout)),
        (&lost, true, settled(), Refusal::Ended(EndReason::Logout)),
        (&open, true, late, Refusal::Expired),
        (&open, true, MADE.after(W).after(policy().access_ttl + HOUR), Refusal::Idle),
    ] {
        // Whatever is presented, be it ahead, a thief's or dead.
        for generation in [0, 5, 6, 7, 8, u64::MAX] {
            for dead in [false, true] {
                let token = Presented { dead, ..token(generation) };
                assert_eq!(session.present(token, active, now, &policy()), Verdict::Refuse(why));
            }
        }
    }
}

#[test]
fn row_2_rotates_the_newest_once_it_has_settled() {
    for made_by in [MadeBy::Rotation, MadeBy::Forgiveness] {
        let progress = progress(made_by);
        for seen in [false, true] {
            let progress = Progress { seen, ..progress };
            assert_eq!(present(&session(progress), 7, settled()), rotated(progress, 8, settled()));
        }
    }
}

#[test]
fn row_2_leaps_after_an_adoption() {
    let progress = progress(MadeBy::Adoption);
    let expected = rotated(progress, 7 + 65_536, settled());
    assert_eq!(present(&session(progress), 7, settled()), expected);
    assert_eq!(LEAP, 65_536);
}

#[test]
fn row_2_rotates_the_first_at_once() {
    let opened = Progress::opened(MADE);
    assert_eq!(present(&session(opened), 0, MADE), rotated(opened, 1, MADE));
}

#[test]
fn row_3_keeps_the_newest_until_it_settles() {
    for made_by in [MadeBy::Rotation, MadeBy::Forgiveness, MadeBy::Adoption] {
        let session = session(progress(made_by));
        for now in [MADE, before()] {
            assert_eq!(present(&session, 7, now), Verdict::Keep { names: 7 });
        }
        assert!(matches!(present(&session, 7, settled()), Verdict::Rotate { .. }));
    }
    // A login's number that was adopted is not a login.
    let adopted = Progress { newest: 0, ..progress(MadeBy::Adoption) };
    assert_eq!(present(&session(adopted), 0, before()), Verdict::Keep { names: 0 });
}

#[test]
fn row_4_keeps_the_parent_until_the_newest_settles() {
    for seen in [false, true] {
        let session = session(Progress { seen, ..progress(MadeBy::Rotation) });
        for now in [MADE, before()] {
            assert_eq!(present(&session, 6, now), Verdict::Keep { names: 6 });
        }
    }
}

#[test]
fn row_5_lets_the_parent_wait_after_a_forgiveness_and_anything_older_after_an_adoption() {
    let wait = Verdict::Wait { until: settled() };
    let forgiven = session(progress(MadeBy::Forgiveness));
    let adopted = session(progress(MadeBy::Adoption));
    for now in [MADE, before()] {
        assert_eq!(present(&forgiven, 6, now), wait);
        assert_eq!(present(&forgiven, 5, now), Verdict::Theft);
        for older in [0, 5, 6] {
            assert_eq!(present(&adopted, older, now), wait);
        }
    }
    for older in [0, 5, 6] {
        assert_eq!(present(&adopted, older, settled()), Verdict::Theft);
    }
}

#[test]
fn row_6_forgives_once_the_answer_can_be_under_way_no_longer() {
    for made_by in [MadeBy::Rotation, MadeBy::Forgiveness] {
        let progress = progress(made_by);
        let now = settled().after(Duration::from_secs(600));
        for now in [settled(), now] {
            assert_eq!(present(&session(progress), 6, now), forgiven(progress, now));
        }
        let seen = Progress { seen: true, ..progress };
        assert_eq!(present(&session(seen), 6, settled()), Verdict::Theft);
    }
}

#[test]
fn row_7_adopts_what_is_ahead_of_the_record_or_has_none() {
    let now = MADE.after(Duration::from_secs(60));
    let expected = |newest, last_active_at| Verdict::Adopt {
        after: Progress {
            newest,
            parent: None,
            made_by: MadeBy::Adoption,
            made_at: now,
            seen: true,
            last_active_at,
        },
    };
    // What the record still knows of activity holds where it is later than what the token proves.
    let active = Progress { last_active_at: now, ..progress(MadeBy::Rotation) };
    assert_eq!(present(&session(active), 8, now), expected(8, now));
    assert_eq!(present(&session(None), 0, now), expected(0, now));
    assert_eq!(present(&session(None), u64::MAX, now), expected(u64::MAX, now));
    let long_after = MADE.after(Duration::from_secs(3000));
    let Verdict::Adopt { after } = present(&session(None), 3, long_after) else { panic!("not adopted") };
    assert_eq!(after.last_active_at, MADE.after(W).after(policy().access_ttl));
}

#[test]
fn row_8_ends_the_session_for_anything_else() {
    let rotated = session(progress(MadeBy::Rotation));
    for now in [MADE, before(), settled()] {
        for older in [0, 5] {
            assert_eq!(present(&rotated, older, now), Verdict::Theft);
        }
    }
}

#[test]
fn what_is_dead_brings_nothing_wherever_it_stands() {
    for record in [None, Some(progress(MadeBy::Rotation)), Some(progress(MadeBy::Adoption))] {
        for generation in [5, 6, 7, 8] {
            for now in [MADE, settled()] {
                let token = Presented { dead: true, ..token(generation) };
                assert_eq!(session(record).present(token, true, now, &policy()), Verdict::Theft);
            }
        }
    }
}

#[test]
fn a_window_of_nothing_settles_everything_at_once() {
    let progress = progress(MadeBy::Rotation);
    let strictly = |session: &Session, generation| session.present(token(generation), true, MADE, &strict());
    assert_eq!(strictly(&session(progress), 7), rotated(progress, 8, MADE));
    assert_eq!(strictly(&session(progress), 6), forgiven(progress, MADE));
    assert_eq!(strictly(&session(progress), 5), Verdict::Theft);
    // Also where the clock went back.
    let ahead = Progress { made_at: MADE.after(W), ..progress };
    assert_eq!(strictly(&session(ahead), 7), rotated(ahead, 8, MADE));
}

#[test]
fn a_clock_that_went_back_settles_nothing() {
    let session = session(progress(MadeBy::Rotation));
    let earlier = MADE.before(Duration::from_secs(5));
    assert_eq!(present(&session, 7, earlier), Verdict::Keep { names: 7 });
    assert_eq!(present(&session, 6, earlier), Verdict::Keep { names: 6 });
}

/// Presents the newest at the last moment before `deadline`, and at it.
#[track_caller]
fn assert_ends(session: &Session, token: Presented, deadline: Timestamp, policy: &Policy, why: Refusal) {
    let earlier = session.present(token, true, deadline.before(MICRO), policy);
    assert!(!matches!(earlier, Verdict::Refuse(_)), "{earlier:?}");
    assert_eq!(session.present(token, true, deadline, policy), Verdict::Refuse(why));
}

#[test]
fn each_deadline_ends_it_to_the_microsecond() {
    let day = |n: u64| Duration::from_secs(n * 24 * 60 * 60);
    let bearer = |progress| Session { transport: Transport::Bearer, ..session(progress) };
    let idle = |of| Policy { idle_timeout: Some(of), idle_timeout_bearer: Some(of), ..policy() };
    let recent = Progress {
        made_at: LOGIN.after(day(28)),
        last_active_at: LOGIN.after(day(30)),
        ..progress(MadeBy::Rotation)
    };
    for session in [session(recent), bearer(recent)] {
        let deadline = LOGIN.after(day(30));
        assert_ends(&session, token(7), deadline, &policy(), Refusal::Expired);
        assert_eq!(session.absolute_deadline(&policy()), deadline);
    }
    let awake = Progress { last_active_at: MADE.after(day(7)), ..progress(MadeBy::Rotation) };
    for session in [session(awake), bearer(awake)] {
        assert_ends(&session, token(7), MADE.after(day(7)), &policy(), Refusal::Expired);
    }
    let asleep = progress(MadeBy::Rotation);
    assert_ends(&session(asleep), token(7), MADE.after(HOUR), &policy(), Refusal::Idle);
    assert_ends(&bearer(asleep), token(7), MADE.after(day(7)), &policy(), Refusal::Expired);
    assert_ends(&bearer(asleep), token(7), MADE.after(day(1)), &idle(day(1)), Refusal::Idle);
}

#[test]
fn without_a_record_the_token_tells_the_deadlines() {
    let policy = policy();
    let old = Presented { made_at: LOGIN.after(Duration::from_secs(60)), ..token(7) };
    let bearer = Session { transport: Transport::Bearer, ..session(None) };
    assert_ends(&bearer, old, old.made_at.after(policy.refresh_ttl), &policy, Refusal::Expired);
    let active = old.made_at.after(W).after(policy.access_ttl);
    assert_ends(&session(None), old, active.after(HOUR), &policy, Refusal::Idle);
    // A record that is behind may know of later activity, but not of the time the token was made.
    let behind = Progress { last_active_at: active.after(HOUR), ..progress(MadeBy::Rotation) };
    let ahead = Presented { generation: 8, ..old };
    assert_ends(&session(behind), ahead, active.after(HOUR).after(HOUR), &policy, Refusal::Idle);
}

#[test]
fn access_ends_with_the_earlier_deadline() {
    let policy = policy();
    let absolute = LOGIN.after(policy.absolute_ttl);
    let asleep = progress(MadeBy::Rotation);
    let late = Progress { last_active_at: absolute.before(MICRO), ..asleep };
    let bearer = Session { transport: Transport::Bearer, ..session(asleep) };
    assert_eq!(session(asleep).end_of_access(&asleep, &policy), MADE.after(HOUR));
    assert_eq!(session(late).end_of_access(&late, &policy), absolute);
    assert_eq!(bearer.end_of_access(&asleep, &policy), absolute);
    assert_eq!(bearer.idle_deadline(&asleep, &policy), None);
}

#[test]
fn over_says_what_a_refresh_would() {
    let policy = policy();
    let open = session(progress(MadeBy::Rotation));
    let ended = End { at: MADE, why: EndReason::Revoked };
    let over = Session { ended: Some(ended), ..open.clone() };
    let hour = MADE.after(HOUR);
    assert_eq!(open.over(true, hour.before(MICRO), &policy), None);
    assert_eq!(open.over(true, hour, &policy), Some(Refusal::Idle));
    assert_eq!(over.over(true, hour, &policy), Some(Refusal::Ended(EndReason::Revoked)));
    assert_eq!(over.over(false, hour, &policy), Some(Refusal::Inactive));
    let lost = |session: &Session| Session { progress: None, ..session.clone() };
    assert_eq!(lost(&open).over(true, hour, &policy), None);
    assert_eq!(lost(&open).over(false, hour, &policy), Some(Refusal::Inactive));
    assert_eq!(lost(&over).over(true, hour, &policy), Some(Refusal::Ended(EndReason::Revoked)));
}

#[test]
fn nothing_is_adopted_that_is_past_by_what_rests() {
    for made_by in [MadeBy::Rotation, MadeBy::Forgiveness, MadeBy::Adoption] {
        let lost = Session { resting: Some(progress(made_by)), ..session(None) };
        for generation in [7, 8, u64::MAX] {
            assert!(matches!(present(&lost, generation, settled()), Verdict::Adopt { .. }), "{generation}");
        }
        let parent = present(&lost, 6, settled());
        assert_eq!(matches!(parent, Verdict::Adopt { .. }), made_by != MadeBy::Adoption, "{parent:?}");
        for generation in 0..=5 {
            let soon = match made_by {
                MadeBy::Adoption => Verdict::Wait { until: settled() },
                _ => Verdict::Theft,
            };
            assert_eq!(present(&lost, generation, before()), soon, "{generation}");
            assert_eq!(present(&lost, generation, settled()), Verdict::Theft, "{generation}");
            // How lately it was active is lost: it is not called idle for what rests.
            let idle = MADE.after(LAG + W + policy().access_ttl + HOUR);
            assert_eq!(present(&lost, generation, idle.before(MICRO)), Verdict::Theft);
            assert_eq!(present(&lost, generation, idle), Verdict::Refuse(Refusal::Idle));
        }
    }
}

/// A store that keeps progress apart came back with what was true before.
#[test]
fn what_is_behind_what_rests_is_lost() {
    let rests = Progress {
        newest: 9,
        parent: Some(8),
        last_active_at: MADE.after(HOUR),
        ..progress(MadeBy::Rotation)
    };
    let now = MADE.after(HOUR + W);
    for made_by in [MadeBy::Opening, MadeBy::Rotation, MadeBy::Forgiveness, MadeBy::Adoption] {
        // Its newest is 7.
        let behind = Session { resting: Some(rests), ..session(progress(made_by)) };
        for generation in 0..=7 {
            assert_eq!(present(&behind, generation, now), Verdict::Theft, "{generation} of {made_by:?}");
        }
        for generation in [8, 9, 10] {
            let Verdict::Adopt { after } = present(&behind, generation, now) else { panic!("{generation}") };
            assert_eq!((after.newest, after.last_active_at), (generation, MADE.after(HOUR)));
        }
        assert_eq!(behind.over(true, MADE.after(HOUR + HOUR), &policy()), None, "its end is not known");
    }
    // Whoever was adopted from what the resting one was made from has come to less, and moves on from it.
    let adopted = Progress { newest: 8, made_by: MadeBy::Adoption, parent: None, ..rests };
    let adopted = Session { resting: Some(rests), ..session(adopted) };
    let Verdict::Rotate { after } = present(&adopted, 8, now) else { panic!("it goes on") };
    assert_eq!(after.newest, 8 + LEAP);
    assert!(matches!(present(&adopted, 9, now), Verdict::Adopt { .. }), "ahead of it");
}

#[test]
fn a_session_is_surely_idle_by_all_that_is_known_of_it() {
    let policy = policy();
    let known = progress(MadeBy::Rotation);
    let idle = MADE.after(HOUR);
    let long_idle = MADE.after(LAG + W + policy.access_ttl + HOUR);
    let at_rest = |resting| Session { resting, ..session(known) };
    assert!(!at_rest(None).is_surely_idle(idle.before(MICRO), &policy));
    assert!(at_rest(None).is_surely_idle(idle, &policy));
    let behind = Progress { newest: 3, parent: Some(2), ..known };
    for session in [at_rest(Some(behind)), Session { progress: None, ..at_rest(Some(behind)) }] {
        assert!(!session.is_surely_idle(long_idle.before(MICRO), &policy));
        assert!(session.is_surely_idle(long_idle, &policy));
    }
    let active =
        Session { progress: Some(Progress { last_active_at: long_idle, ..known }), ..at_rest(Some(behind)) };
    assert!(!active.is_surely_idle(long_idle, &policy), "what moves may know more");
    let ended = Session { ended: Some(End { at: MADE, why: EndReason::Logout }), ..at_rest(None) };
    assert!(!ended.is_surely_idle(idle, &policy));
}

#[test]
fn a_note_counts_for_the_newest_alone_and_time_does_not_go_back() {
    let progress = progress(MadeBy::Rotation);
    assert_eq!(progress.noted(Some(6), None), progress);
    assert_eq!(progress.noted(Some(8), None), progress);
    assert_eq!(progress.noted(Some(7), None), Progress { seen: true, ..progress });
    assert!(progress.noted(Some(7), None).noted(None, None).seen);
    assert_eq!(progress.noted(None, Some(LOGIN)), progress);
    let later = MADE.after(W);
    assert_eq!(progress.noted(None, Some(later)), Progress { last_active_at: later, ..progress });
}

#[test]
fn every_word_is_read_as_it_is_written() {
    for made_by in MadeBy::ALL {
        assert_eq!(MadeBy::parse(made_by.as_str()), Some(made_by));
    }
    for why in EndReason::ALL {
        assert_eq!(EndReason::parse(why.as_str()), Some(why));
    }
    for transport in [Transport::Cookie, Transport::Bearer] {
        assert_eq!(Transport::parse(transport.as_str()), Some(transport));
    }
    assert_eq!(MadeBy::parse("Opening"), None);
}

#[test]
fn where_progress_is_lost_an_access_token_proves_some_of_it() {
    let known = session(progress(MadeBy::Rotation));
    assert_eq!(Some(known.known_or_proved(9, settled(), settled(), &policy())), known.progress);
    let lost = session(None);
    let later = settled().after(HOUR);
    let proved = lost.known_or_proved(9, settled(), later, &policy());
    assert_eq!((proved.newest, proved.made_at), (9, settled()));
    assert_eq!(proved.last_active_at, settled().after(W).after(policy().access_ttl), "no later than that");
    assert_eq!(lost.known_or_proved(9, settled(), settled(), &policy()).last_active_at, settled());
}
