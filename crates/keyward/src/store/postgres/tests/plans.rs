//! Is each question answered from an index, however much there is? Over tables that are filled, with
//! the plans as Postgres ran them: what it says it would do hides how much it would look at.

use std::collections::BTreeSet;
use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::event::EventType;
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::mail::SecretHash;
use keyward_core::session::{End, EndReason, Progress, Transport};
use keyward_core::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Postgres, PostgresOptions, clock, open_by};
use crate::store::servers::postgres::{Database, Server};
use crate::store::sql;
use crate::store::trail::{EXAMINED, EventQuery, Suspicion, SuspicionKind, Trail as _};
use crate::store::{Key, Name, Search, SessionSearch, Store, Sweep};

/// 20,000 accounts with three sessions and events each, but that every tenth is of account 7, from one
/// address. A third of the sessions has ended.
const FILL: &str = "
CREATE FUNCTION id(n BIGINT) RETURNS UUID LANGUAGE SQL IMMUTABLE AS
    $$ SELECT CAST(lpad(to_hex(1760000000000 + n * 1000), 12, '0') || '70008' || lpad(to_hex(n), 15, '0') AS UUID) $$;
CREATE FUNCTION at(n BIGINT) RETURNS BIGINT LANGUAGE SQL IMMUTABLE AS $$ SELECT (1760000000000 + n * 1000) * 1000 $$;
INSERT INTO account SELECT id(n), 0, 0, at(n), NULL, TRUE, FALSE, n % 50 <> 1, 'user' || n || '@example.com',
    '+49151' || 10000000 + n,
    '$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'user', 'a' || n % 3 FROM generate_series(1, 20000) n;
INSERT INTO account_role SELECT id, 'user' FROM account;
INSERT INTO account_role SELECT id(n), 'admin' FROM generate_series(1, 3) n;
INSERT INTO imported SELECT id, decode(repeat('00', 16), 'hex') FROM account;
INSERT INTO session SELECT id(n), id(CASE n % 10 WHEN 7 THEN 7 ELSE n / 3 + 1 END), at(n), at(n), 1, NULL, at(n), at(n),
    CASE WHEN n % 3 = 0 OR n % 10 = 7 AND n < 59000 THEN at(n + 86400) END, TRUE, 'cookie', 'rotation', 'pwd',
    CASE n % 10 WHEN 7 THEN '10.0.0.1' ELSE '192.0.' || n / 3 / 250 || '.' || n / 3 % 250 END, 'Firefox',
    CASE WHEN n % 3 = 0 OR n % 10 = 7 AND n < 59000 THEN 'logout' END FROM generate_series(1, 59990) n;
INSERT INTO event (id, user_id, session_id, at, count, batch, success, type, network, ip, details)
    SELECT id(n), id(CASE n % 10 WHEN 7 THEN 7 ELSE n / 3 + 1 END), id(n), at(n), 1,
    CASE WHEN n < 59900 THEN n / 100 + 1 END, n % 5 <> 0,
    CASE WHEN n % 1000 = 0 THEN 'refresh_reused' WHEN n % 5 = 0 THEN 'login_failed' ELSE 'login' END,
    '192.0.' || n / 3 / 250 || '.' || n / 3 % 250, '192.0.' || n / 3 / 250 || '.' || n / 3 % 250, '{}'
    FROM generate_series(1, 60000) n;
INSERT INTO event_seal SELECT n, at(n), at(n * 100), 100, NULL, sha256(''), sha256(''), NULL, '' FROM generate_series(1, 599) n;
INSERT INTO revocation SELECT n, 0, at(n), 'session', uuid_send(id(n)) FROM generate_series(1, 20000) n;
UPDATE counter SET value = 20000 WHERE name = 'position';
INSERT INTO mail_link SELECT id(n), at(n), 'reset', 'a@example.com', sha256(CAST('x' || n AS BYTEA))
    FROM generate_series(1, 20000) n;
INSERT INTO outbox SELECT id(n), at(n), at(n), CASE WHEN n % 2 = 0 THEN at(n) END, 0, 'reset', NULL, ''
    FROM generate_series(1, 20000) n;
INSERT INTO figure SELECT at(n * 900), 1, 'logins' FROM generate_series(1, 20000) n;
INSERT INTO budget SELECT at(n), TRUE, 'name' || n FROM generate_series(1, 20000) n;
DROP FUNCTION at; DROP FUNCTION id;
";

/// Tables that grow with use. The others are read whole.
const LARGE: [&str; 12] = [
    "account",
    "account_role",
    "budget",
    "event",
    "event_seal",
    "figure",
    "imported",
    "mail_link",
    "outbox",
    "revocation",
    "session",
    "event_key",
];

/// How many rows a question about one thing may look at.
const FEW: u64 = 20;
/// What a user may have open at once, and what opens and ends beside it.
const OF_A_USER: u64 = 250;
/// A batch of a sweep.
const BATCH: u64 = 500;
/// As many sessions as there are of account 7, and from its address. Which of one are the newest is no
/// index's to say: it would cost each session more bytes than there are to spend. So what is asked of
/// one account or address looks at all that it has, unless it is quicker to go by all sessions.
const OF_ONE: u64 = 6_100;
/// What one page may look at.
const PAGE: u64 = EXAMINED as u64 + BATCH;

fn id(n: u64) -> [u8; 16] {
    let at = 1_760_000_000_000 + n * 1_000;
    Uuid::from_u128(u128::from(at) << 80 | 0x7000_8000 << 48 | u128::from(n)).into_bytes()
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_micros((1_760_000_000_000 + n * 1_000) * 1_000)
}

fn user(n: u64) -> UserId {
    UserId::from_bytes(id(n))
}

fn session(n: u64) -> SessionId {
    SessionId::from_bytes(id(n))
}

/// A store that has its server tell how it goes about what it is asked, and these settings.
async fn watched(database: &Database, settings: &str) -> Postgres {
    let watch = "?options=-csession_preload_libraries%3Dauto_explain%20-cauto_explain.log_min_duration%3D0\
                 %20-cauto_explain.log_analyze%3Don%20-cauto_explain.log_timing%3Doff\
                 %20-cauto_explain.log_nested_statements%3Don%20-cauto_explain.log_format%3Djson";
    open_by(PostgresOptions::new(format!("{}{watch}{settings}", database.url())).max_connections(1)).await
}

/// A store whose server tells how it went about what it was asked.
struct Watched {
    server: &'static Server,
    store: Postgres,
    told: usize,
    /// The tables that were looked at so far.
    seen: BTreeSet<String>,
    wrong: Vec<String>,
    database: Database,
}

impl Watched {
    async fn new() -> Self {
        // One of its own: what others ask would stand in its log.
        let server: &'static Server = Box::leak(Box::new(Server::start()));
        let database = server.database();
        let plain = PostgresOptions::new(database.url()).max_connections(1);
        drop(Postgres::open(&plain, false, &clock()).await.expect("it opens"));
        database.sql(FILL);
        database.sql("VACUUM ANALYZE");
        let store = watched(&database, "").await;
        let told = server.log().len();
        Self { server, store, told, seen: BTreeSet::new(), wrong: Vec::new(), database }
    }

    /// Looks at what was asked since the last time: nothing of a large table is read but by an index,
    /// and of none of them more than so many rows.
    async fn within(&mut self, most: u64, what: &str) {
        // There is one connection: once it answers this, everything before it is told.
        self.store.ping().await.expect("it answers");
        let log = self.server.log();
        let plans: Vec<&str> = log[self.told..].split("  plan:\n").skip(1).collect();
        self.told = log.len();
        let mut large = 0;
        for plan in plans {
            let lines = plan.lines().take_while(|line| line.starts_with('\t'));
            let plan: Value = serde_json::from_str(&lines.collect::<String>()).expect("a plan");
            large += self.look(&plan["Plan"], most, &format!("{what}: {}", plan["Query Text"]));
        }
        assert!(large > 0, "{what} asks for nothing that is large");
    }

    fn look(&mut self, node: &Value, most: u64, what: &str) -> u64 {
        let number = |name: &str| node[name].as_f64().unwrap_or_default();
        let table = node["Relation Name"].as_str().unwrap_or_default();
        let kind = node["Node Type"].as_str().unwrap_or_default();
        let mut large = 0;
        if LARGE.contains(&table) && kind != "ModifyTable" {
            large += 1;
            self.seen.insert(table.to_owned());
            let rows = number("Actual Rows")
                + number("Rows Removed by Filter")
                + number("Rows Removed by Index Recheck");
            let rows = (rows * number("Actual Loops")) as u64;
            if kind == "Seq Scan" || rows > most {
                self.wrong.push(format!("{rows} rows of {table} by {kind}, for {what}"));
            }
        }
        for below in node["Plans"].as_array().into_iter().flatten() {
            large += self.look(below, most, what);
        }
        large
    }
}

/// As often as it takes until Postgres may have one plan for all that is asked for.
macro_rules! ask {
    ($watched:ident, $most:expr, $($asked:tt)*) => {
        for _ in 0..7 {
            $watched.store.$($asked)*.await.expect("it answers");
        }
        $watched.within($most, stringify!($($asked)*)).await;
    };
}

macro_rules! write {
    ($watched:ident, $most:expr, $write:expr) => {
        $watched.store.commit(Change::of([$write])).await.expect("no condition is broken");
        $watched.within($most, stringify!($write)).await;
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_is_answered_from_an_index() {
    let mut watched = Watched::new().await;
    people(&mut watched).await;
    sessions(&mut watched).await;
    trail(&mut watched).await;
    jobs(&mut watched).await;
    writes(&mut watched).await;
    crowds(&mut watched).await;
    assert!(watched.wrong.is_empty(), "{}", watched.wrong.join("\n"));
    assert_eq!(watched.seen.len(), LARGE.len() - 1, "each was asked for but the key: {:?}", watched.seen);
}

async fn people(watched: &mut Watched) {
    ask!(watched, FEW, account(&Name::Id(user(500))));
    ask!(watched, FEW, account(&Name::Email("user500@example.com".parse().expect("an address"))));
    ask!(watched, FEW, account(&Name::Phone("+4915110000500".parse().expect("a number"))));
    ask!(watched, FEW, imported(user(500)));
    ask!(watched, FEW, has_role("admin"));
    ask!(watched, FEW, signed_in_from(user(7), "198.51.100.1", at(0)));
    ask!(watched, FEW, link(SecretHash::from_bytes([7; 32])));
    let all = [
        (Key::Id(user(0)), Key::Id(user(1 << 30))),
        (Key::Email("user5".into()), Key::Email("user6".into())),
        (Key::Phone("+4915110".into()), Key::Phone("+4915111".into())),
    ];
    for (from, to) in all {
        for role in [None, Some("user"), Some("admin")] {
            for is_active in [None, Some(true), Some(false)] {
                let (from, to, role) = (from.clone(), to.clone(), role.map(str::to_owned));
                let search = Search { from, to, role, is_active, limit: 50, scan: EXAMINED };
                ask!(watched, PAGE, accounts(&search));
            }
        }
    }
}

async fn sessions(watched: &mut Watched) {
    ask!(watched, FEW, session(session(500)));
    ask!(watched, OF_A_USER, sessions_of(user(7), 100));
    // Those that have ended are passed by.
    ask!(watched, 2 * BATCH, sessions(session(500), 500));
    ask!(watched, PAGE, count_open(user(0), EXAMINED));
    for (user, ip) in [
        (None, None),
        (Some(user(7)), None),
        (Some(user(500)), None),
        (None, Some("10.0.0.1")),
        (None, Some("192.0.7.7")),
        (Some(user(500)), Some("192.0.7.7")),
    ] {
        for transport in [None, Some(Transport::Cookie), Some(Transport::Bearer)] {
            for is_open in [None, Some(true), Some(false)] {
                let ip = ip.map(str::to_owned);
                let search =
                    SessionSearch { user, ip, transport, is_open, before: None, limit: 50, scan: EXAMINED };
                let most = if search.user == Some(self::user(7)) || search.ip.as_deref() == Some("10.0.0.1") {
                    OF_ONE
                } else {
                    PAGE
                };
                ask!(watched, most, all_sessions(&search));
            }
        }
    }
}

async fn trail(watched: &mut Watched) {
    for chosen in 0..128u32 {
        let with = |place: u32| chosen & (1 << place) != 0;
        let query = EventQuery {
            session: with(0).then(|| session(500)),
            user: with(1).then(|| user(7)),
            network: with(2).then(|| "192.0.7.7".to_owned()),
            ip: with(2).then(|| "192.0.7.7".to_owned()),
            kind: with(3).then_some(EventType::Login),
            success: with(4).then_some(false),
            since: with(5).then(|| at(100)),
            until: with(6).then(|| at(50_000)),
            before: None,
            limit: 50,
        };
        watched.store.events(query.clone()).await.expect("it answers");
        watched.within(PAGE, &format!("{query:?}")).await;
    }
    for kind in SuspicionKind::ALL {
        let asked = Suspicion { kind, since: at(0), threshold: 5, limit: 50, examined: EXAMINED };
        ask!(watched, PAGE, suspicious(asked));
    }
    ask!(watched, FEW, last_seal());
    ask!(watched, OF_A_USER, sealed_after(300));
    ask!(watched, FEW, past_seal(at(60_000)));
    let [first, last] = [0, 1 << 30].map(|n| EventId::from_bytes(id(n)));
    ask!(watched, BATCH, unsealed(first, last, 500));
    ask!(watched, BATCH + FEW, strays(500));
}

async fn jobs(watched: &mut Watched) {
    // Tables of this size are read whole for a batch of them; those of an installation are not.
    watched.store = self::watched(&watched.database, "%20-cenable_seqscan%3Doff").await;
    ask!(watched, PAGE, news(0));
    ask!(watched, FEW, cost_classes());
    ask!(watched, BATCH, due_mails(at(60_000), 100));
    ask!(watched, BATCH, figures(at(0), at(90_000), Duration::from_secs(900)));
    let sweep = || Sweep {
        now: at(100),
        sessions_before: at(100),
        mails_before: at(100),
        figures_before: at(90_000),
        after: SessionId::from_bytes([0; 16]),
        limit: 500,
    };
    ask!(watched, BATCH, sweep(sweep()));
}

async fn writes(watched: &mut Watched) {
    let end = End { at: at(100_000), why: EndReason::Logout };
    let until = at(200_000);
    write!(watched, FEW, Write::EndSession { session: session(500), end, until });
    write!(watched, OF_A_USER, Write::EndSessionsOf { user: user(7), except: None, end, until });
    write!(watched, FEW, Write::SetActive { user: user(600), version: 0, is_active: false });
    let email = "other@example.com".parse().expect("an address");
    write!(watched, FEW, Write::SetEmail { user: user(601), version: 0, email });
    let roles = vec!["admin".to_owned(), "user".to_owned()];
    write!(watched, FEW, Write::SetRoles { user: user(602), version: 0, roles });
    write!(watched, FEW, Write::DeleteAccount { user: user(603), version: 0 });
    write!(watched, FEW, Write::SetRoles { user: user(2), version: 0, roles: vec!["user".to_owned()] });
    write!(watched, BATCH, Write::TakeRole { name: "user".to_owned(), limit: 100 });
}

/// What many ask in one go, be they few or as many as can be.
async fn crowds(watched: &mut Watched) {
    for many in [2, 10, 128] {
        let all = || (1_000..1_000 + many).map(session);
        let ids = [sql::Value::List(all().map(sql::id).collect())];
        for _ in 0..7 {
            let rows = watched.store.pool.read(sql::EACH_SESSION, &ids).await.expect("it answers");
            assert_eq!(rows.len() as u64, many);
        }
        watched.within(many + FEW, &format!("{many} sessions")).await;
        for _ in 0..7 {
            let advances: Vec<_> = all().flat_map(|session| sql::plan(advance(session))).collect();
            watched.store.pool.once(sql::ADVANCE_EACH, &sql::lists(&advances)).await.expect("it answers");
        }
        watched.within(2 * many + FEW, &format!("{many} advances")).await;
    }
}

fn advance(session: SessionId) -> Change {
    let after = Progress { newest: 1, ..Progress::opened(at(200_000)) };
    Change::of([Write::Advance { session, newest: Some(1), unseen: false, after, resting: None }])
}
