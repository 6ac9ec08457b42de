//! Any sequence of changes, against a model that is easy to believe.

mod model;

use std::future::Future;
use std::time::Duration;

use keyward_core::change::{Change, Sealed, Write};
use keyward_core::event::{Event, EventType};
use keyward_core::figure::Figure;
use keyward_core::key::KeyState;
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::session::{End, EndReason, MadeBy, Progress, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use self::model::Model;
use super::keys::key;
use super::mail::{hash, link, mail, mail_id, purpose};
use super::service_keys::service_key;
use super::{Place, World, account, at, event, password, session, session_id, user_id};

/// A write before it is known what it finds: each guesses its condition, right or wrong.
#[derive(Debug, Clone)]
struct Draft {
    kind: u8,
    user: u8,
    session: u8,
    number: u8,
    flag: bool,
    guess: Guess,
}

#[derive(Debug, Clone, Copy)]
enum Guess {
    Right,
    TooHigh,
    TooLow,
}

fn draft() -> impl Strategy<Value = Draft> {
    let guess = prop_oneof![8 => Just(Guess::Right), 1 => Just(Guess::TooHigh), 1 => Just(Guess::TooLow)];
    // The kinds that open and move sessions are the most frequent.
    let kind = prop_oneof![
        3 => 0..27u8, 2 => Just(5u8), 3 => Just(6u8), 1 => Just(0u8), 1 => Just(4u8), 1 => Just(17u8)
    ];
    (kind, 1..4u8, 10..18u8, 0..6u8, any::<bool>(), guess).prop_map(
        |(kind, user, session, number, flag, guess)| Draft { kind, user, session, number, flag, guess },
    )
}

fn sequence() -> impl Strategy<Value = Vec<(Vec<Draft>, Vec<u8>)>> {
    let change = (prop::collection::vec(draft(), 0..4), prop::collection::vec(0..4u8, 0..3));
    prop::collection::vec(change, 1..60)
}

pub(crate) async fn does_what_the_model_does<F>(fresh: impl Fn() -> F)
where
    F: Future<Output = Box<dyn Place>>,
{
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    let run = |sequence: Vec<(Vec<Draft>, Vec<u8>)>| {
        Handle::current().block_on(async {
            let world = World::of(fresh().await).await;
            play(&world, sequence).await
        })
    };
    block_in_place(|| runner.run(&sequence(), run)).unwrap_or_else(|e| panic!("{e}"));
}

async fn play(world: &World, sequence: Vec<(Vec<Draft>, Vec<u8>)>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut last = 0;
    for (n, (drafts, events)) in (0..).zip(sequence) {
        let change = Change {
            writes: drafts.iter().map(|draft| draft.write(&model)).collect(),
            events: (0..).zip(&events).map(|(m, kind)| drawn(n * 3 + m, *kind)).collect(),
        };
        let changes = if world.place.is_halved() { apart(change) } else { vec![change] };
        for change in changes {
            let expected = model.commit(&change);
            let result = world.change(change.clone()).await;
            match (&expected, &result) {
                (Ok(expected), Ok(committed)) => {
                    prop_assert_eq!(subjects(expected), subjects(&committed.revocations), "{:?}", change);
                    for entry in &committed.revocations {
                        prop_assert!(entry.position > last, "{:?} after {}", entry, last);
                        last = entry.position;
                    }
                }
                (Err(expected), Err(conflict)) => {
                    prop_assert!(expected.contains(conflict), "{expected:?}, not {conflict:?}: {change:?}");
                }
                _ => prop_assert!(false, "{expected:?} is not {result:?} of {change:?}"),
            }
        }
    }
    let mut dump = world.dump().await;
    let mut expected = model.dump();
    expected.sessions.iter_mut().for_each(|loaded| world.place.overlook(loaded));
    prop_assert!(dump.revocations.is_sorted_by_key(|entry| entry.position));
    for entries in [&mut dump.revocations, &mut expected.revocations] {
        entries.iter_mut().for_each(|entry| entry.position = 0);
        entries.sort_by_key(|entry| format!("{entry:?}"));
    }
    prop_assert_eq!(dump, expected);
    Ok(())
}

/// The same in changes that a store of two halves takes ([`Place::is_halved`]).
fn apart(change: Change) -> Vec<Change> {
    let mut beneath = Change { writes: Vec::new(), events: change.events };
    let mut changes = Vec::new();
    for write in change.writes {
        match write {
            Write::OpenSession { .. } | Write::Advance { .. } | Write::Note { .. } => {
                changes.push(Change::of([write]));
            }
            Write::EndSessionsBetween { .. } => {}
            Write::DeleteAccount { user, .. } => {
                let end = End { at: at(1), why: EndReason::Revoked };
                beneath.writes.push(Write::EndSessionsOf { user, except: None, end, until: at(9) });
                beneath.writes.push(write);
            }
            write => beneath.writes.push(write),
        }
    }
    changes.push(beneath);
    changes
}

fn subjects(entries: &[Entry]) -> Vec<String> {
    let mut all: Vec<_> = entries.iter().map(|e| format!("{:?} {:?}", e.revocation, e.until)).collect();
    all.sort_unstable();
    all
}

fn drawn(n: u8, kind: u8) -> Event {
    let tally = (kind < 2).then(|| format!("tally {kind}"));
    Event { tally, ip: Some(format!("192.0.2.{kind}")), ..event(n, EventType::ALL[usize::from(kind)]) }
}

impl Draft {
    fn guess(&self, right: u64) -> u64 {
        match self.guess {
            Guess::Right => right,
            Guess::TooHigh => right + 1,
            Guess::TooLow => right.saturating_sub(1),
        }
    }

    fn tries(&self, model: &Model) -> u32 {
        u32::try_from(self.guess(model.attempts(mail_id(self.number)).into())).expect("few")
    }

    fn write(&self, model: &Model) -> Write {
        let Self { user: n, number, flag, .. } = *self;
        let (user, session_id) = (user_id(n), session_id(self.session));
        let account = || account(n);
        let version = self.guess(model.version(user));
        let moment = at(1_000 + i64::from(number) * 10);
        let end = End { at: moment, why: if flag { EndReason::Theft } else { EndReason::LogoutAll } };
        let until = at(5_000 + i64::from(number));
        match self.kind {
            0 => {
                let mut account = account();
                account.email = format!("user{number}@example.com").parse().expect("an address");
                account.phone_number =
                    flag.then(|| format!("+4915100000{number}").parse().expect("a number"));
                Write::CreateAccount(Box::new(account))
            }
            1 => Write::SetPassword { user, version, password: password(number.into()) },
            2 => Write::Rehash { user, version, password: password(number.into()) },
            3 => Write::SetPhone {
                user,
                version,
                phone_number: flag.then(|| format!("+4915100000{number}").parse().expect("a number")),
            },
            4 => match number {
                0 => Write::DeleteAccount { user, version },
                1 => Write::SetActive { user, version, is_active: flag },
                2 => {
                    let email =
                        format!("user{}@example.com", n + u8::from(flag)).parse().expect("an address");
                    Write::SetEmail { user, version, email }
                }
                _ => {
                    let roles = [["admin", "tas", "user"].as_slice(), &["admin"], &["tas"], &[]];
                    let roles = roles[usize::from(n + u8::from(flag)) % 4];
                    Write::SetRoles { user, version, roles: roles.iter().map(|&r| r.to_owned()).collect() }
                }
            },
            5 => Write::OpenSession {
                session: Box::new(Session { id: session_id, ..session(self.session, n) }),
                account_version: version,
                limit: u32::from(number),
            },
            6 => {
                let newest = self.guess(model.newest(session_id));
                let made_by =
                    [MadeBy::Rotation, MadeBy::Forgiveness, MadeBy::Adoption][usize::from(number % 3)];
                let after = Progress {
                    newest: newest + 1,
                    parent: flag.then_some(newest),
                    made_by,
                    made_at: moment,
                    seen: number == 5,
                    last_active_at: moment,
                };
                Write::Advance {
                    session: session_id,
                    newest: Some(newest),
                    unseen: flag,
                    after,
                    resting: None,
                }
            }
            7 if number == 0 && flag => Write::NoteAtRest { session: session_id, active_at: moment },
            7 => Write::Note {
                session: session_id,
                seen: flag.then(|| self.guess(model.newest(session_id))),
                active_at: (number > 0).then_some(moment),
            },
            8 => {
                Write::Reauthenticate { session: session_id, auth_time: moment, amr: format!("pwd {number}") }
            }
            9 => Write::EndSession { session: session_id, end, until },
            10 => Write::EndSessionsOf { user, except: flag.then_some(session_id), end, until },
            11 if number == 0 && flag => Write::CutEverybodyOff { until },
            11 if number == 0 => Write::EndSessionsBetween { after: user_id(0), to: user, end },
            11 => Write::Revoke { revocation: Revocation::Generation(session_id, number.into()), until },
            12 => Write::SetKeys {
                version: self.guess(model.keys_version),
                keys: (0..number).map(|n| key(n, KeyState::Retiring)).collect(),
            },
            14 if flag => Write::NoteImport { user, digest: [number; 16] },
            13 if number > 3 => Write::ForgetMacKey { id: u16::from(number) - 4 },
            13 => Write::AddMacKey { id: number.into(), sealed: vec![n], created_at: moment },
            14 => Write::AddServiceKey {
                version: self.guess(model.service_keys_version),
                key: Box::new(service_key(number)),
            },
            15 => Write::RemoveServiceKey {
                version: self.guess(model.service_keys_version),
                id: service_key(number).id,
            },
            25 => Write::Reseal {
                secret: Sealed::MacKey(number.into()),
                former: vec![n],
                sealed: vec![if flag { n } else { number }],
            },
            16 => Write::NoteServiceKey { id: service_key(number).id, used_at: moment },
            17 => {
                let version = self.guess(model.roles_version);
                let name = if flag { "tas" } else { "user" }.to_owned();
                match number {
                    0 | 1 => Write::SetRole { version, name, permissions: vec![format!("jobs:{n}")] },
                    2 => Write::DeleteRole { version, name },
                    _ => Write::TakeRole { name, limit: u32::from(number - 2) },
                }
            }
            18 => Write::IssueLink(Box::new(link(number % 4, n, purpose(self.session)))),
            19 => Write::SpendLink { hash: hash(number % 4), at: if flag { at(0) } else { at(9_000) } },
            20 => Write::ConfirmEmail {
                user,
                email: format!("user{number}@example.com").parse().expect("an address"),
            },
            21 => Write::QueueMail(Box::new(mail(number))),
            22 => Write::ClaimMail { id: mail_id(number), attempts: self.tries(model), until: moment },
            23 => Write::ForgetMail { id: mail_id(number) },
            24 => Write::PostponeMail {
                id: mail_id(number),
                attempts: self.tries(model),
                due_at: flag.then_some(moment),
                failure: "busy".into(),
            },
            26 if flag => Write::Count {
                figure: Figure::ALL[usize::from(number) % Figure::ALL.len()],
                at: at(i64::from(n) * 900),
                count: number.into(),
            },
            _ => Write::NoteAccessTtl { ttl: Duration::from_secs(number.into()), at: moment },
        }
    }
}
