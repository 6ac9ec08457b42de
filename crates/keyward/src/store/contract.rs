//! What must every store do? One suite, run over each.
//!
//! A store joins by saying how to open a fresh [`Place`], and by one line: `contract!(super::super::fresh)`.
//! `cargo test -p keyward --lib contract::` runs it, and docs/stores.md says how much of it each is asked.
//! Every refusal is asked with good writes and events around it, and the whole store is compared
//! with what it held before.

pub(crate) mod accounts;
pub(crate) mod budget;
pub(crate) mod chain;
pub(crate) mod ends;
pub(crate) mod explorer;
pub(crate) mod feed;
pub(crate) mod figures;
pub(crate) mod keys;
pub(crate) mod lists;
pub(crate) mod mail;
pub(crate) mod races;
pub(crate) mod random;
pub(crate) mod roles;
pub(crate) mod search;
pub(crate) mod service_keys;
pub(crate) mod sessions;
pub(crate) mod sweep;
mod table;
pub(crate) mod trail;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keyward_core::account::Account;
use keyward_core::change::{Change, Committed, Conflict, Write};
use keyward_core::event::{Event, EventType};
use keyward_core::id::{EventId, SessionId, UserId};
use keyward_core::key::KeyRecord;
use keyward_core::mail::{Link, Mail};
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::role::Roles;
use keyward_core::session::{End, EndReason, Progress, Session, Transport};
use keyward_core::time::Timestamp;

use super::{Counted, Key, Loaded, NotCommitted, Search, Store, StoredMacKey, StoredServiceKeys};

pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place where one store keeps what it holds, fresh at first and gone when this is dropped.
pub(crate) trait Place: Send + Sync {
    /// Opens the store. Opened twice, it is as good as in the hands of two processes.
    fn open(&self) -> Later<'_, Arc<dyn Store>>;

    /// The audit trail as it rests there, by id.
    fn trail(&self) -> Later<'_, Vec<Row>>;

    /// The links as they rest there, by their account and purpose, and the mails by id.
    fn mail(&self) -> Later<'_, (Vec<Link>, Vec<Mail>)>;

    /// Whether how far a session has come rests apart from everything else, so that no transaction
    /// holds both. Such a store keeps every rule but these:
    /// - a change that moves a session on moves one, and has no other write with a condition;
    /// - how far a session had come that has ended need not be known;
    /// - of a session that ended with all of everybody's, or went with its account without an end of
    ///   its own, an advance that was decided on before may still be written. It is worth nothing.
    fn is_halved(&self) -> bool {
        false
    }

    /// By how much it spares sessions that are past: what rests of them may be behind as much.
    fn spares(&self) -> Duration {
        Duration::ZERO
    }

    /// Takes away of what was loaded what need not be the same.
    fn overlook(&self, loaded: &mut Loaded) {
        loaded.session.resting = None;
        if self.is_halved() && loaded.session.ended.is_some() {
            loaded.session.progress = None;
        }
    }
}

/// A row of the audit trail, as it rests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) event: Event,
    pub(crate) network: Option<String>,
    pub(crate) count: i64,
}

/// Makes a test of every case, each over a place of its own that the given async function makes.
/// Where a store goes another way to the same tables, only what moves is asked of it: the rest would
/// ask the same again.
macro_rules! contract {
    ($fresh:path) => {
        mod contract {
            $crate::store::contract::moving! { $fresh }
            $crate::store::contract::resting! { $fresh }
        }
    };
    ($fresh:path, moving) => {
        mod contract {
            $crate::store::contract::moving! { $fresh }
        }
    };
}
pub(crate) use contract;

/// The half of it that is about what rests.
macro_rules! resting {
    ($fresh:path) => {
        $crate::store::contract::cases! { $fresh;
            accounts: {
                an_account_is_found_by_each_of_its_names, accounts_come_by_id, names_are_unique,
                a_password_is_replaced_at_its_version, a_rehash_keeps_the_version,
                a_phone_number_is_replaced_at_the_version, roles_are_replaced_at_the_version,
                a_role_is_asked_for_by_its_whole_name, the_largest_numbers_come_back,
                an_address_is_replaced_at_the_version, an_account_goes_with_its_sessions,
                somebody_is_left_to_administer, of_two_first_administrators_there_is_one,
                nobody_gets_a_role_that_there_is_not,
                every_class_of_stored_hashes_is_known, an_import_is_noted_once,
            }
            roles: {
                a_role_is_set_at_the_version_of_the_table, a_deleted_role_is_taken_from_everybody,
            }
            search: {
                a_page_goes_by_id_by_address_or_by_number, a_page_is_of_a_role_or_of_a_state,
                a_page_looks_at_so_many_and_says_where_to_go_on,
                no_account_is_missed_or_told_twice_while_others_come_and_go,
            }
            mail: {
                a_newer_link_takes_the_place_of_the_older, a_link_is_spent_once_and_in_time,
                a_link_comes_with_its_account, what_takes_an_account_over_ends_every_link_of_it,
                an_address_is_confirmed_as_long_as_it_is_the_same, mails_come_as_they_are_due,
                a_mail_is_claimed_once, what_failed_waits_and_what_is_given_up_rests,
                a_mail_is_forgotten_whatever_became_of_it, of_many_that_spend_a_link_one_does,
                links_and_mails_go_when_they_are_past,
            }
            keys: {
                keys_are_replaced_at_their_version, every_change_of_keys_raises_their_version,
                a_key_for_refresh_tokens_has_a_free_number, a_key_for_refresh_tokens_is_forgotten_once,
                a_key_for_refresh_tokens_is_sealed_anew_as_it_was_loaded, two_that_make_the_first_key_agree, a_length_in_force_is_noted_once,
            }
            service_keys: {
                a_service_key_comes_back, service_keys_are_added_at_the_version_of_their_table,
                a_service_key_is_taken_away_once, a_use_is_noted_forward_alone,
                one_of_two_processes_takes_a_name,
            }
            trail: {
                an_event_comes_back, events_alike_are_counted_into_one_row,
                a_login_is_known_by_its_network, an_event_is_written_once,
            }
            chain: {
                a_batch_is_sealed_once_and_in_order, a_row_that_changed_meanwhile_is_not_sealed,
                nothing_is_counted_into_a_sealed_row, a_batch_goes_whole_and_its_seal_stays,
                the_key_of_the_chain_is_made_once, what_claims_a_batch_without_a_seal_is_found,
            }
            lists: {
                every_filter_alone_and_with_every_other, a_list_goes_on_where_it_stopped,
                a_search_looks_at_a_bounded_number_of_events, each_kind_of_suspicion_is_counted,
                names_without_an_account_are_told_apart, only_so_many_events_are_counted,
            }
            explorer: {
                sessions_pass_every_filter_alone_and_with_every_other, a_page_of_sessions_looks_at_so_many,
            }
            figures: { figures_add_up_in_their_spans, figures_go_when_they_are_past, }
        }

        mod random {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn any_sequence_of_changes_does_what_the_model_does() {
                $crate::store::contract::random::does_what_the_model_does($fresh).await;
            }
        }
    };
}
pub(crate) use resting;

/// The half of it that is about what moves, and about who gets there first.
macro_rules! moving {
    ($fresh:path) => {
        $crate::store::contract::cases! { $fresh;
            sessions: {
                a_session_comes_with_its_account_and_the_version_of_the_roles,
                a_session_opens_for_the_account_as_it_was_loaded, no_user_has_more_than_the_limit,
                open_sessions_of_a_user_come_latest_first, open_sessions_come_by_id,
                open_sessions_are_counted_in_slices_of_whole_users,
                any_text_comes_back_as_it_was, a_text_holds_no_zero, progress_comes_back_whatever_it_is,
                an_advance_holds_for_the_newest_of_an_open_session,
                what_is_forgiven_must_not_have_been_seen, no_write_turns_activity_back,
                a_receipt_counts_for_the_newest_alone, a_note_changes_nothing_of_what_has_ended,
                a_person_proves_again_who_they_are,
            }
            ends: {
                a_session_ends_once, every_reason_comes_back, all_sessions_of_a_user_end_but_one,
                the_sessions_of_some_users_end, everybody_is_cut_off, positions_rise_in_commit_order,
                a_change_is_written_whole_or_not_at_all,
            }
            feed: {
                every_kind_of_revocation_comes_back, news_come_in_pages, each_process_sees_what_another_wrote,
            }
            sweep: {
                only_what_is_past_goes, sessions_go_in_batches,
                a_session_that_was_just_refreshed_stays,
            }
            races: {
                one_of_many_advances, each_of_many_is_told_what_is_theirs, one_of_many_logins_takes_the_last_place,
                one_of_two_processes_replaces_the_keys, an_end_wins_over_every_advance,
                a_login_does_not_outlive_a_new_password, what_was_answered_is_there,
                of_all_administrators_that_go_at_once_one_stays,
            }
        }
    };
}
pub(crate) use moving;

macro_rules! cases {
    ($fresh:path; $($group:ident: { $($case:ident,)* })*) => {
        $(mod $group {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let world = $crate::store::contract::World::of($fresh().await).await;
                $crate::store::contract::$group::$case(world).await;
            })*
        })*
    };
}
pub(crate) use cases;

/// A fresh place with one store open on it.
pub(crate) struct World {
    place: Box<dyn Place>,
    store: Arc<dyn Store>,
}

/// Everything that a store holds, as far as a case can have put it there.
#[derive(Debug, PartialEq)]
struct Dump {
    accounts: Vec<Account>,
    cost_classes: Vec<String>,
    imported: Vec<(UserId, [u8; 16])>,
    sessions: Vec<Loaded>,
    open: Vec<Session>,
    roles: Roles,
    of_role: BTreeSet<(String, UserId)>,
    keys_version: u64,
    keys: Vec<KeyRecord>,
    mac_keys: Vec<StoredMacKey>,
    access_ttls: Vec<(u64, Timestamp)>,
    service_keys: StoredServiceKeys,
    figures: Vec<Counted>,
    revocations: Vec<Entry>,
    trail: Vec<Row>,
    links: Vec<Link>,
    mails: Vec<Mail>,
}

impl World {
    pub(crate) async fn of(place: Box<dyn Place>) -> Self {
        let store = place.open().await;
        Self { place, store }
    }

    /// What another process sees and writes.
    async fn another(&self) -> Arc<dyn Store> {
        self.place.open().await
    }

    async fn change(&self, change: Change) -> Result<Committed, Conflict> {
        commit(&*self.store, change).await
    }

    /// Commits what must succeed.
    async fn write(&self, writes: impl IntoIterator<Item = Write>) -> Committed {
        self.change(Change::of(writes)).await.expect("no condition is broken")
    }

    /// An account of that number, and so many open sessions of it with the numbers after that.
    async fn signed_up(&self, n: u8, sessions: u8) {
        self.write([Write::CreateAccount(Box::new(account(n)))]).await;
        for session in n + 1..=n + sessions {
            self.write([open(session, n)]).await;
        }
    }

    async fn account(&self, n: u8) -> Account {
        let name = super::Name::Id(user_id(n));
        self.store.account(&name).await.expect("readable").expect("there")
    }

    /// Without what rests, which not every store keeps apart.
    async fn loaded(&self, n: u8) -> Loaded {
        let mut loaded = self.store.session(session_id(n)).await.expect("readable").expect("there");
        loaded.session.resting = None;
        loaded
    }

    async fn progress(&self, n: u8) -> Progress {
        self.loaded(n).await.session.progress.expect("known")
    }

    async fn revocations(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let after = all.last().map_or(0, |entry| entry.position);
            let page = self.store.news(after).await.expect("readable").revocations;
            if page.is_empty() {
                return all;
            }
            assert!(page[0].position > after, "it goes on from there");
            all.extend(page);
        }
    }

    /// The accounts on one page.
    async fn found(&self, search: Search) -> Vec<Account> {
        let page = self.store.accounts(&search).await.expect("readable");
        page.accounts.into_iter().map(|found| found.account).collect()
    }

    async fn dump(&self) -> Dump {
        let store = &*self.store;
        let mut sessions = Vec::new();
        for n in 0..48 {
            sessions.extend(store.session(session_id(n)).await.expect("readable"));
        }
        for loaded in &mut sessions {
            self.place.overlook(loaded);
        }
        let mut open = store.sessions(session_id(0), 1_000).await.expect("readable");
        open.iter_mut().for_each(|session| session.resting = None);
        let accounts = self.found(everybody()).await;
        let mut imported = Vec::new();
        for account in &accounts {
            let digest = store.imported(account.id).await.expect("readable");
            imported.extend(digest.map(|digest| (account.id, digest)));
        }
        let keys = store.keys().await.expect("readable");
        let mut access_ttls = store.access_ttls().await.expect("readable");
        access_ttls.sort_unstable();
        let (links, mails) = self.place.mail().await;
        let roles = store.roles().await.expect("readable");
        let mut of_role = BTreeSet::new();
        // Those that were deleted, too.
        for role in ["admin", "gone", "tas", "tasks", "user"] {
            for account in self.found(Search { role: Some(role.into()), ..everybody() }).await {
                of_role.insert((role.to_owned(), account.id));
            }
        }
        Dump {
            accounts,
            of_role,
            cost_classes: store.cost_classes().await.expect("readable"),
            imported,
            sessions,
            open,
            roles,
            keys_version: keys.version,
            keys: keys.keys,
            mac_keys: store.mac_keys().await.expect("readable"),
            access_ttls,
            service_keys: store.service_keys().await.expect("readable"),
            figures: store.figures(at(0), at(1 << 40), Duration::from_secs(900)).await.expect("readable"),
            revocations: self.revocations().await,
            trail: self.place.trail().await,
            links,
            mails,
        }
    }

    /// The write is refused, alone and among good ones, and nothing is left of any of them.
    async fn refuses(&self, write: Write, conflict: Conflict) {
        let before = self.dump().await;
        let good = |n| Write::Revoke { revocation: Revocation::Key(format!("good {n}")), until: at(9) };
        let ttl = Write::NoteAccessTtl { ttl: Duration::from_secs(77), at: at(1) };
        for change in [
            Change::of([write.clone()]),
            Change::of([write.clone()]).with(event(250, EventType::Login)),
            Change::of([good(1), ttl, write.clone(), good(2)])
                .with(event(251, EventType::Login))
                .with(Event { tally: Some("refused".into()), ..event(252, EventType::LoginFailed) }),
        ] {
            assert_eq!(self.change(change).await, Err(conflict), "{write:?}");
            assert_eq!(self.dump().await, before, "something is left of {write:?}");
        }
    }
}

/// An account and an open session of it.
pub(crate) async fn sign_up(store: &dyn Store, user: UserId, session: SessionId) {
    let email = format!("{user}@example.com").parse().expect("an address");
    let account = Account { id: user, email, ..account(1) };
    let session = Session { id: session, user, ..self::session(2, 1) };
    let open = Write::OpenSession { session: Box::new(session), account_version: 0, limit: 1 };
    commit(store, Change::of([Write::CreateAccount(Box::new(account)), open])).await.expect("fresh");
}

async fn commit(store: &dyn Store, change: Change) -> Result<Committed, Conflict> {
    match store.commit(change).await {
        Ok(committed) => Ok(committed),
        Err(NotCommitted::Conflict(conflict)) => Err(conflict),
        Err(NotCommitted::Fault(fault)) => panic!("{fault}"),
    }
}

/// All accounts, by id.
fn everybody() -> Search {
    let (from, to) = (Key::Id(user_id(0)), Key::Id(UserId::from_bytes([0xff; 16])));
    Search { from, to, role: None, is_active: None, limit: 1_000, scan: 1_000 }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn user_id(n: u8) -> UserId {
    UserId::from_bytes(bytes(n))
}

fn session_id(n: u8) -> SessionId {
    SessionId::from_bytes(bytes(n))
}

/// Ids that sort by their number, and from which no byte may be lost.
fn bytes(n: u8) -> [u8; 16] {
    let mut bytes = [0xff, 0, 0x80, 0x27, 0x5c, 0x25, 0x0a, 0x22, n, n, n, n, n, n, n, n];
    bytes[0] = if n == 0 { 0 } else { 0xff };
    bytes
}

fn account(n: u8) -> Account {
    Account {
        id: user_id(n),
        email: format!("user{n}@example.com").parse().expect("an address"),
        email_verified: false,
        phone_number: None,
        phone_number_verified: false,
        password: password(0).into(),
        roles: vec!["user".into()],
        is_active: true,
        roles_version: 0,
        version: 0,
        created_at: at(i64::from(n)),
        last_login_at: None,
    }
}

fn password(n: u32) -> keyward_core::password::PasswordHash {
    let text = format!(
        "$argon2id$v=19$m=256,t={},p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        n + 1
    );
    text.parse().expect("a hash")
}

fn session(n: u8, user: u8) -> Session {
    let opened_at = at(1_000 + i64::from(n));
    Session {
        id: session_id(n),
        user: user_id(user),
        transport: if n.is_multiple_of(2) { Transport::Cookie } else { Transport::Bearer },
        opened_at,
        auth_time: opened_at,
        amr: "pwd".into(),
        ip: "192.0.2.7".into(),
        user_agent: "Firefox".into(),
        ended: None,
        progress: Some(Progress::opened(opened_at)),
        resting: None,
    }
}

fn open(n: u8, user: u8) -> Write {
    Write::OpenSession { session: Box::new(session(n, user)), account_version: 0, limit: 200 }
}

fn end(n: u8) -> Write {
    Write::EndSession { session: session_id(n), end: logout(), until: at(5_000) }
}

fn logout() -> End {
    End { at: at(2_000), why: EndReason::Logout }
}

fn event(n: u8, kind: EventType) -> Event {
    Event {
        id: EventId::from_bytes(bytes(n)),
        at: at(i64::from(n)),
        kind,
        user: None,
        session: None,
        ip: None,
        user_agent: None,
        success: true,
        reason: None,
        details: serde_json::Map::new(),
        tally: None,
        mark: None,
    }
}
