//! What becomes of nodes whose database lost something, as a standby may have that took over?

use std::time::Duration;

use keyward_core::change::{Change, Write};
use keyward_core::revocation::Revocation;
use keyward_core::session::LEAP;
use keyward_core::time::Timestamp;
use tokio::time::timeout;

use super::nodes::{revoke, signed_in};
use super::{LONG, PostgresOptions, made, open};
use crate::clock::Clock;
use crate::feed::Feed;
use crate::feed::listeners::{BEAT, Listener};
use crate::store::Store;
use crate::store::servers::postgres::Database;
use crate::{AccountChange, Client, Denial, Grant, Keyward, MasterKey, Password, Settings};

/// A standby that took over had not heard of everything: its positions are given out once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_database_of_before_revokes_is_heard_of() {
    let database = made();
    let store = open(&database).await;
    let clock = super::clock();
    let feed = Feed::new([0; 8]);
    let heard = async || {
        clock.advance(Duration::from_millis(1));
        let heard = feed.poll(&store, &clock).await.expect("it answers").expect("nobody else asks");
        let names = heard.revocations.into_iter().map(|entry| match entry.revocation {
            Revocation::Key(name) => name,
            other => panic!("{other:?}"),
        });
        let lost = feed.has_lost();
        lost.into_iter().for_each(|lost| feed.dealt_with(lost));
        (names.collect::<Vec<_>>().join(" "), lost.is_some())
    };
    let tell = async |name: &str| store.commit(revoke(name.to_owned())).await.expect("no condition");
    for name in ["one", "two", "three"] {
        tell(name).await;
    }
    assert_eq!(heard().await, ("one two three".to_owned(), false));
    assert_eq!(heard().await, (String::new(), false));
    let lost =
        "DELETE FROM revocation WHERE position > 1; UPDATE counter SET value = 1 WHERE name = 'position'";
    database.sql(lost);
    tell("four").await;
    assert_eq!(heard().await, ("one four".to_owned(), true), "fewer than there were");
    database.sql(lost);
    tell("five").await;
    assert_eq!(heard().await, ("one five".to_owned(), true), "as many");
    database.sql(lost);
    tell("six").await;
    tell("seven").await;
    assert_eq!(heard().await, ("one six seven".to_owned(), true), "more");
    database.sql("DELETE FROM revocation");
    assert_eq!(heard().await, (String::new(), true), "what matters still is not swept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_swept_is_no_loss() {
    let database = made();
    let store = open(&database).await;
    let clock = super::clock();
    let feed = Feed::new([0; 8]);
    let until = clock.now().after(Duration::from_secs(5));
    for name in ["one", "two"] {
        let revocation = Revocation::Key(name.to_owned());
        store.commit(Change::of([Write::Revoke { revocation, until }])).await.expect("no condition");
    }
    feed.poll(&store, &clock).await.expect("it answers");
    database.sql("DELETE FROM revocation");
    clock.advance(Duration::from_secs(5));
    let has_lost = async || {
        feed.poll(&store, &clock).await.expect("it answers").expect("nobody else asks");
        feed.has_lost().is_some()
    };
    assert!(!has_lost().await);
    database.sql("UPDATE counter SET value = 1 WHERE name = 'position'");
    assert!(has_lost().await, "the newest position is told still, and is less");
}

/// Two nodes by one clock, which does not move by itself.
pub(super) async fn two(database: &Database) -> ([Keyward; 2], Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let start = async || {
        Keyward::builder(Settings { background: false, ..Settings::default() })
            .postgres(PostgresOptions::new(database.url()).max_connections(4))
            .patience(LONG)
            .clock(clock.clone())
            .beside()
            .master_key(MasterKey::from_bytes(&[7; 32]))
            .open()
            .await
            .expect("it opens")
    };
    ([start().await, start().await], clock)
}

async fn sign_out(node: &Keyward, grant: &Grant, client: &Client) {
    // Its access token may be out of date.
    let grant = node.refresh(grant.refresh_token().expect("its own"), client).await.expect("it goes on");
    let session = node.verify(grant.access_token(), client).await.expect("it is signed in");
    node.sign_out(&session, client).await.expect("it answers");
}

/// The database as it was when this was its last position and this its version of the table of roles.
fn fail_over(database: &Database, position: u64, roles_version: u64) {
    database.sql(&format!(
        "DELETE FROM revocation WHERE position > {position}; \
         UPDATE counter SET value = {position} WHERE name = 'position'; \
         UPDATE counter SET value = {roles_version} WHERE name = 'roles_version'"
    ));
}

fn counter(database: &Database, name: &str) -> u64 {
    let value = database.sql(&format!("SELECT value FROM counter WHERE name = '{name}'"));
    value.trim().parse().expect("a number")
}

/// A service that verifies by itself.
struct Service {
    node: Keyward,
    key: String,
    listener: Option<Listener>,
}

impl Service {
    async fn listen(&mut self, last: Option<&str>) {
        let key = self.node.engine.service_key(&self.key).await.expect("it is good");
        self.listener = Some(self.node.engine.listen(key, last).await.expect("there is a seat"));
    }

    /// What it hears up to the next beat, or to the end.
    async fn hears(&mut self) -> (String, bool) {
        let mut heard = String::new();
        let listener = self.listener.as_mut().expect("it listens");
        while let Some(told) = timeout(LONG, listener.next()).await.expect("it is told") {
            heard.push_str(std::str::from_utf8(&told).expect("text"));
            if heard.ends_with("event: heartbeat\ndata: {}\n\n") {
                return (heard, true);
            }
        }
        (heard, false)
    }
}

fn last_id(heard: &str) -> &str {
    heard.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_hear_of_what_ends_after_a_loss() {
    let database = made();
    let ([one, other], clock) = two(&database).await;
    let (client, first) = signed_in(&one).await;
    let password = || Password::try_from("Correct-Horse-7".to_owned()).expect("good");
    let mut grants = vec![first];
    for _ in 0..5 {
        clock.advance(Duration::from_secs(60));
        grants.push(one.sign_in("ada@example.com", password(), &client).await.expect("the password"));
    }
    let key = one.create_service_key("a service", &["revocations".to_owned()], &client).await.expect("new");
    let mut service = Service { node: one.clone(), key: key.key.to_string(), listener: None };
    // The first is told by a poll, the second as it is committed here: only the poll has to go on.
    let mut lost = Vec::new();
    for polled in [true, false] {
        let before = (counter(&database, "position"), counter(&database, "roles_version"));
        service.listen(None).await;
        assert!(service.hears().await.1);
        let ended = grants.pop().expect("enough");
        sign_out(if polled { &other } else { &one }, &ended, &client).await;
        clock.advance(BEAT);
        if polled {
            one.engine.poll().await.expect("it answers");
        }
        let (heard, _) = service.hears().await;
        let sid = |grant: &Grant| grant.session_id().to_string();
        assert!(heard.contains(&sid(&ended)), "{heard}");
        let last = last_id(&heard).to_owned();
        lost.push(sid(&ended));

        fail_over(&database, before.0, before.1);
        let again = grants.pop().expect("enough");
        sign_out(&other, &again, &client).await;
        clock.advance(BEAT);
        one.engine.poll().await.expect("it answers");
        let (heard, goes_on) = service.hears().await;
        assert!(!goes_on && !heard.contains("heartbeat"), "it is sent away: {heard}");
        service.listen(Some(&last)).await;
        let (heard, _) = service.hears().await;
        assert!(heard.contains("\"resumed\":false"), "what it heard last was lost: {heard}");
        assert!(heard.contains(&sid(&again)), "{heard}");
        assert!(lost.iter().all(|sid| heard.contains(sid)), "what was told stands: {heard}");
        // From there on as ever.
        let last = last_id(&heard).to_owned();
        let next = grants.pop().expect("enough");
        sign_out(&one, &next, &client).await;
        service.listen(Some(&last)).await;
        let (heard, _) = service.hears().await;
        assert!(heard.contains("\"resumed\":true") && heard.contains(&sid(&next)), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_that_were_lost_are_in_no_token() {
    let database = made();
    let ([one, other], clock) = two(&database).await;
    let (client, grant) = signed_in(&one).await;
    let everybody = AccountChange { roles: Some(vec!["user".to_owned()]), ..AccountChange::default() };
    one.change_account(grant.user_id(), everybody, &client).await.expect("it is there");
    let mut token = grant.refresh_token().expect("the first").to_owned();
    let mut refresh = async || {
        let grant = one.refresh(&token, &client).await.expect("it goes on");
        if let Some(newer) = grant.refresh_token() {
            newer.clone_into(&mut token);
        }
        grant
    };
    let may = async |permissions: &[&str]| {
        let permissions = permissions.iter().map(|permission| (*permission).to_owned()).collect();
        other.set_role("user", permissions, &client).await.expect("it is set");
        clock.advance(Duration::from_secs(1));
        one.engine.poll().await.expect("it answers");
        other.engine.poll().await.expect("it answers");
    };
    may(&["read"]).await;
    let before = (counter(&database, "position"), counter(&database, "roles_version"));
    may(&["read", "write"]).await;
    let given = refresh().await;
    assert_eq!(given.permissions(), ["read", "write"]);
    one.verify(given.access_token(), &client).await.expect("it is good");

    fail_over(&database, before.0, before.1);
    // What is to be done about it may fail, and is done then with the next poll.
    let limit = |what: &str| database.sql(&format!("ALTER TABLE counter {what}"));
    limit("ADD CONSTRAINT small CHECK (value < 65536)");
    clock.advance(Duration::from_secs(1));
    one.engine.poll().await.expect_err("it can't be told");
    limit("DROP CONSTRAINT small");
    may(&[]).await;
    let refused = one.verify(given.access_token(), &client).await.expect_err("it says what nobody may");
    assert!(refused.is(Denial::TokenStale), "{refused}");
    let given = refresh().await;
    assert_eq!(given.permissions(), [] as [&str; 0]);
    // The other node leaves the same behind, and not once more.
    other.verify(given.access_token(), &client).await.expect("it is good there");
    assert_eq!(counter(&database, "roles_version"), before.1 + 1 + LEAP);
    // And so if that is lost.
    fail_over(&database, before.0, before.1);
    may(&["write"]).await;
    let refused = one.verify(given.access_token(), &client).await.expect_err("it is out of date");
    assert!(refused.is(Denial::TokenStale), "{refused}");
    assert_eq!(refresh().await.permissions(), ["write"]);
}
