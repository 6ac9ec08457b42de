use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::EventType;
use crate::id::{SessionId, UserId};

fn key() -> ChainKey {
    ChainKey::new(&[7; 32], at(100))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn row(n: u8) -> Recorded {
    let moment = at(1_000 + i64::from(n));
    let details = json!({"why": "revoked", "list": [1, {"b": 2, "a": 1}], "by": {"z": 1, "a": null}});
    let mut event = Event {
        id: EventId::new(moment, [n; 10]),
        at: moment,
        kind: EventType::SessionRevoked,
        user: Some(UserId::from_bytes([1; 16])),
        session: Some(SessionId::from_bytes([2; 16])),
        ip: Some("192.0.2.1".into()),
        user_agent: Some("Firefox".into()),
        success: true,
        reason: None,
        details: details.as_object().expect("an object").clone(),
        tally: None,
        mark: None,
    };
    event.mark = Some(key().mark(&event));
    Recorded { event, count: 1, last_at: None, batch: None }
}

fn rows() -> Vec<Recorded> {
    (1..=5).map(row).collect()
}

/// What is done to a row, and in which words.
type Change = (&'static str, fn(&mut Recorded));

/// Every way in which one row can be made to say something else.
fn changes() -> Vec<Change> {
    vec![
        ("when", |row| row.event.at = at(9)),
        ("what", |row| row.event.kind = EventType::Logout),
        ("whose", |row| row.event.user = None),
        ("whose else", |row| row.event.user = Some(UserId::from_bytes([9; 16]))),
        ("the session", |row| row.event.session = None),
        ("from where", |row| row.event.ip = Some("192.0.2.2".into())),
        ("no address", |row| row.event.ip = None),
        ("an empty address", |row| row.event.ip = Some(String::new())),
        ("by what", |row| row.event.user_agent = Some("Chrome".into())),
        ("success", |row| row.event.success = false),
        ("the reason", |row| row.event.reason = Some(String::new())),
        ("a detail", |row| drop(row.event.details.insert("why".into(), json!("theft")))),
        ("a nested detail", |row| drop(row.event.details.insert("by".into(), json!({"z": 1, "a": 0})))),
        ("a new detail", |row| drop(row.event.details.insert("x".into(), json!(null)))),
        ("a missing detail", |row| drop(row.event.details.remove("list"))),
    ]
}

#[test]
fn what_is_as_it_was_written_is_in_order() {
    let (key, rows) = (key(), rows());
    let one = key.seal(None, &rows[..2], at(2_000));
    let two = key.seal(Some(&one), &rows[2..], at(2_001));
    assert_eq!((one.number, two.number, two.rows), (1, 2, 3));
    assert_eq!(two.newest, rows[4].event.id.made_at());
    assert_eq!(key.check(None, &one, &rows[..2]), []);
    assert_eq!(key.check(Some(&one), &two, &rows[2..]), []);
    assert!(rows.iter().all(|row| key.knows(row)));
}

#[test]
fn whatever_is_changed_of_a_row_is_found() {
    let (key, good) = (key(), rows());
    let seal = key.seal(None, &good, at(2_000));
    for (what, change) in changes() {
        let mut rows = good.clone();
        change(&mut rows[2]);
        assert_eq!(key.check(None, &seal, &rows), [Finding::RowChanged(1, rows[2].event.id)], "{what}");
        assert!(!key.knows(&rows[2]), "before it is sealed, too: {what}");
    }
    let counted: [Change; 3] = [
        ("how many", |row| row.count = 7),
        ("the last of them", |row| row.last_at = Some(at(3))),
        ("its mark", |row| row.event.mark = None),
    ];
    for (what, change) in counted {
        let mut rows = good.clone();
        change(&mut rows[2]);
        assert_eq!(key.check(None, &seal, &rows), [Finding::RowChanged(1, rows[2].event.id)], "{what}");
    }
}

#[test]
fn a_missing_and_an_added_row_are_found() {
    let (key, good) = (key(), rows());
    let seal = key.seal(None, &good[..4], at(2_000));
    let mut rows = good.clone();
    let gone = rows.remove(1).event.id;
    let added = good[4].event.id;
    assert_eq!(key.check(None, &seal, &rows), [Finding::RowMissing(1, gone), Finding::RowAdded(1, added)]);
    // A row with another id is both.
    let mut rows = good[..4].to_vec();
    rows[3].event.id = added;
    let findings = key.check(None, &seal, &rows);
    assert_eq!(findings, [Finding::RowMissing(1, good[3].event.id), Finding::RowAdded(1, added)]);
}

#[test]
fn no_seal_can_be_changed_left_out_or_made_by_somebody_else() {
    let (key, rows) = (key(), rows());
    let one = key.seal(None, &rows[..1], at(2_000));
    let two = key.seal(Some(&one), &rows[1..2], at(2_001));
    let three = key.seal(Some(&two), &rows[2..3], at(2_002));
    let changed = |seal: Seal| key.check(Some(&one), &seal, &rows[1..2]);
    assert_eq!(changed(two.clone()), []);
    for seal in [
        Seal { sealed_at: at(1), ..two.clone() },
        Seal { newest: at(1), ..two.clone() },
        Seal { mac: [0; 32], ..two.clone() },
        ChainKey::new(&[8; 32], at(100)).seal(Some(&one), &rows[1..2], at(2_001)),
        key.seal(None, &rows[1..2], at(2_001)),
    ] {
        let findings = changed(Seal { number: 2, ..seal });
        assert!(findings.contains(&Finding::SealChanged(2)), "{findings:?}");
    }
    // A batch that is made smaller together with what names its rows.
    let smaller = Seal { entries: Some(Vec::new()), ..two.clone() };
    assert_eq!(key.check(Some(&one), &smaller, &[]), [Finding::SealChanged(2)]);
    let emptied = Seal { rows: 0, digest: digest_of(&[]), ..smaller };
    assert_eq!(key.check(Some(&one), &emptied, &[]), [Finding::SealChanged(2)]);
    // Left out.
    assert_eq!(key.check(Some(&one), &three, &rows[2..3]), [Finding::SealMissing(2)]);
    assert_eq!(key.check(None, &three, &rows[2..3]), [1, 2].map(Finding::SealMissing));
    let renumbered = Seal { number: 2, ..three };
    assert_eq!(key.check(Some(&one), &renumbered, &rows[2..3]), [Finding::SealChanged(2)]);
}

#[test]
fn rows_are_removed_by_keyward_alone() {
    let (key, rows) = (key(), rows());
    let seal = key.seal(None, &rows, at(2_000));
    let removal = key.remove(&seal, at(9_000));
    let removed = Seal { entries: None, removed: Some(removal), ..seal.clone() };
    assert_eq!(key.check(None, &removed, &[]), []);
    let left: Vec<_> = key.check(None, &removed, &rows[..1]);
    assert_eq!(left, [Finding::RowAdded(1, rows[0].event.id)], "what is removed does not come back");
    for removed in [
        None,
        Some(Removal { at: at(9_001), ..removal }),
        Some(Removal { mac: [0; 32], ..removal }),
        Some(key.remove(&Seal { number: 2, ..seal.clone() }, at(9_000))),
        Some(ChainKey::new(&[8; 32], at(100)).remove(&seal, at(9_000))),
    ] {
        let seal = Seal { entries: None, removed, ..seal.clone() };
        assert_eq!(key.check(None, &seal, &[]), [Finding::BatchRemoved(1)], "{removed:?}");
    }
}

#[test]
fn a_row_without_a_mark_is_older_than_the_chain() {
    let key = key();
    let unmarked = |seconds: i64| {
        let mut row = row(1);
        (row.event.mark, row.event.id) = (None, EventId::new(at(seconds), [1; 10]));
        row
    };
    assert!(key.knows(&unmarked(99)));
    assert!(!key.knows(&unmarked(100)));
    // Whoever slips one in before it is sealed does not get past the seal either.
    let foreign = unmarked(500);
    let seal = key.seal(None, std::slice::from_ref(&foreign), at(2_000));
    assert_eq!(
        key.check(None, &seal, std::slice::from_ref(&foreign)),
        [Finding::RowForeign(foreign.event.id)]
    );
}

#[test]
fn the_count_and_the_order_of_details_do_not_matter_to_the_mark() {
    let (key, row) = (key(), row(1));
    let mut event = row.event.clone();
    event.details.insert("count".into(), json!(9));
    event.tally = Some("t".into());
    assert_eq!(key.mark(&event), key.mark(&row.event));
    event.details = event.details.into_iter().rev().collect();
    assert_eq!(key.mark(&event), key.mark(&row.event));
    event.details.insert("by".into(), json!({"count": 1}));
    assert_ne!(key.mark(&event), key.mark(&row.event), "only the count of the event itself");
}

#[test]
fn entries_and_names_come_back() {
    let seal = key().seal(None, &rows(), at(2_000));
    let bytes = seal.entries_to_bytes().expect("some");
    assert_eq!((bytes.len(), entries_from_bytes(&bytes)), (5 * 32, seal.entries.clone()));
    assert_eq!(entries_from_bytes(&bytes[1..]), None);
    let name = seal.name();
    assert_eq!(name.to_string().parse(), Ok(name));
    for bad in
        ["", "1", "1:", "1:00", &format!("x{name}"), &format!("{name}0"), &name.to_string().replace(':', " ")]
    {
        assert_eq!(bad.parse::<SealName>(), Err(InvalidSealName), "{bad}");
    }
}

#[test]
fn the_layout_stays() {
    // What one release seals the next one checks: these bytes must never change.
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let seal = key().seal(None, &rows(), at(2_000));
    assert_eq!(hex(&row(1).event.mark.expect("marked")), MARK);
    assert_eq!(hex(&seal.mac), SEALED);
}

const MARK: &str = "c7747bbf5bfe3133045dc3ccb099f253";
const SEALED: &str = "eabe91533065536d9b529ecc272d0ccd1e8d880f405dfcb98775df613d08115b";

proptest! {
    #[test]
    fn no_two_texts_are_the_same_to_the_mark(a in ".{0,8}", b in ".{0,8}", c in ".{0,8}", d in ".{0,8}") {
        let of = |ip: &str, agent: &str| {
            let mut row = row(1);
            (row.event.ip, row.event.user_agent) = (Some(ip.into()), Some(agent.into()));
            key().mark(&row.event)
        };
        prop_assert_eq!(of(&a, &b) == of(&c, &d), (a, b) == (c, d));
    }
}
