//! Does a session end when its deadlines say so, neither earlier nor later, also where the store
//! lost how far it had come?
//!
//! A search of its own, with a clock: one client whose answers arrive, and deadlines within a few
//! ticks. Its store may lose the progress once, at any moment. Then nobody knows when the person
//! last did something but that an access token was needed for it: the session may be idle for so
//! much longer.

use std::time::Duration;

use keyward_core::id::{SessionId, UserId};
use keyward_core::policy::Policy;
use keyward_core::session::{Generation, Presented, Progress, Refusal, Session, Transport, Verdict};
use keyward_core::time::Timestamp;
use stateright::{Checker, HasDiscoveries, Model, Property};

const TICK: Duration = Duration::from_secs(60);
const START: Timestamp = Timestamp::from_seconds(2_000_000_000);
const WINDOW: u32 = 1;
const ACCESS: u32 = 3;
const IDLE: u32 = 5;
const REFRESH: u32 = 7;
const ABSOLUTE: u32 = 15;

#[derive(Debug, Clone)]
struct Clock {
    transport: Transport,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u32,
    record: Option<Progress>,
    lost: bool,
    /// The refresh token that the client holds, and when it was made.
    token: Generation,
    token_made: u32,
    /// When a refresh token was last accepted as the newest: `made_at`, had nothing been lost.
    settled_since: u32,
    /// Until when its access token is good.
    access: u32,
    /// When the person last did something.
    active: u32,
    early: bool,
    late: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    Tick,
    Act,
    Present,
    Lose,
}

fn at(tick: u32) -> Timestamp {
    START.after(TICK * tick)
}

fn ticks(moment: Timestamp) -> u32 {
    (moment.since(START).as_secs() / TICK.as_secs()) as u32
}

impl Clock {
    fn policy(&self) -> Policy {
        Policy {
            access_ttl: TICK * ACCESS,
            refresh_ttl: TICK * REFRESH,
            absolute_ttl: TICK * ABSOLUTE,
            idle_timeout: Some(TICK * IDLE),
            idle_timeout_bearer: None,
            rotation_window: TICK * WINDOW,
            ..Policy::default()
        }
    }

    fn session(&self, s: &State) -> Session {
        Session {
            id: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            transport: self.transport,
            opened_at: START,
            auth_time: START,
            amr: String::new(),
            ip: String::new(),
            user_agent: String::new(),
            ended: None,
            progress: s.record,
            resting: None,
        }
    }

    fn present(&self, s: &mut State) {
        let (session, policy) = (self.session(s), self.policy());
        let token =
            Presented { generation: s.token, made_at: at(s.token_made), dead: false, last_dead: None };
        let verdict = session.present(token, true, at(s.now), &policy);

        let made = if s.record.is_some() { s.settled_since } else { s.token_made };
        let expired = s.now >= ABSOLUTE || s.now >= made + REFRESH;
        let idles = self.transport == Transport::Cookie;
        let known_active = if s.lost { s.active.max(s.token_made + WINDOW + ACCESS) } else { s.active };
        match verdict {
            Verdict::Refuse(Refusal::Expired) => s.early |= !expired,
            Verdict::Refuse(Refusal::Idle) => s.early |= !idles || s.now < s.active + IDLE,
            Verdict::Refuse(_) | Verdict::Theft => s.early = true,
            _ => s.late |= expired || idles && s.now >= known_active + IDLE,
        }
        match verdict {
            Verdict::Rotate { after } | Verdict::Forgive { after, .. } => {
                s.record = Some(after);
                (s.token, s.token_made, s.settled_since) = (after.newest, s.now, s.now);
            }
            Verdict::Adopt { after } => {
                s.record = Some(after);
                s.settled_since = s.now;
            }
            Verdict::Keep { .. } => {}
            Verdict::Refuse(_) | Verdict::Wait { .. } | Verdict::Theft => return,
        }
        let Some(progress) = s.record else { return };
        let session = self.session(s);
        s.access = ticks(at(s.now + ACCESS).min(session.end_of_access(&progress, &policy)));
        s.late |= s.access > ABSOLUTE || idles && s.access > known_active + IDLE;
    }
}

impl Model for Clock {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            record: Some(Progress::opened(START)),
            lost: false,
            token: 0,
            token_made: 0,
            settled_since: 0,
            access: ACCESS,
            active: 0,
            early: false,
            late: false,
        }]
    }

    fn actions(&self, s: &State, actions: &mut Vec<Action>) {
        if s.now <= ABSOLUTE {
            actions.push(Action::Tick);
        }
        if s.now < s.access {
            actions.push(Action::Act);
        }
        if !s.lost {
            actions.push(Action::Lose);
        }
        actions.push(Action::Present);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Tick => s.now += 1,
            Action::Act => {
                s.active = s.now;
                s.record = s.record.map(|p| p.noted(None, Some(at(s.now))));
            }
            Action::Present => self.present(&mut s),
            Action::Lose => {
                s.lost = true;
                s.record = None;
            }
        }
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never too early", |_, s: &State| !s.early),
            Property::always("never too late", |_, s: &State| !s.late),
            Property::sometimes("lives to the end", |_, s: &State| {
                s.now == ABSOLUTE && s.access == ABSOLUTE && s.active + IDLE > ABSOLUTE
            }),
        ]
    }
}

#[test]
fn a_session_ends_on_the_tick() {
    for transport in [Transport::Cookie, Transport::Bearer] {
        let checker =
            Clock { transport }.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let states = checker.unique_state_count();
        println!("deadlines, {transport:?}: {states} states");
        for property in ["never too early", "never too late"] {
            if let Some(path) = checker.discovery(property) {
                panic!("{property}: {:#?}", path.into_vec());
            }
        }
        assert!(checker.discovery("lives to the end").is_some());
        assert!(states >= 1_000, "only {states} states");
    }
}
