//! What does a node answer while another one has sessions elsewhere: since Redis was turned on, or left?

use std::time::Duration;

use axum::Router;
use keyward::clock::Clock;
use keyward::core::time::Timestamp;
use keyward::{Builder, Keyward, PostgresOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::log::Log;
use crate::servers::{postgres, redis};
use crate::support::{
    ADA, Ask, BOB, PASSWORD, Reply, START, Tokens, ask_of, get, login, master_key, post, settings,
};

const SECOND: Duration = Duration::from_secs(1);

/// A node.
struct Node {
    keyward: Keyward,
    router: Router,
}

impl Node {
    async fn start(builder: Builder) -> Self {
        let keyward = builder.open().await.expect("opens");
        Self { router: keyward.app(), keyward }
    }

    async fn send(&self, ask: Ask) -> Reply {
        ask_of(&self.router, ask).await
    }

    async fn sign_up(&self, email: &str) -> Tokens {
        let new = post("/api/auth/signup").json(json!({"email": email, "password": PASSWORD}));
        Tokens::of(&self.send(new).await.ok(201))
    }

    async fn refresh(&self, tokens: &mut Tokens) -> Reply {
        let ask = post("/api/auth/refresh").json(json!({"refresh_token": tokens.refresh}));
        let reply = self.send(ask).await;
        if let Some(next) = reply.json()["refresh_token"].as_str() {
            tokens.refresh = next.to_owned();
        }
        reply
    }

    async fn verify(&self, tokens: &Tokens) -> Reply {
        self.send(get("/api/auth/verify").header("x-forwarded-method", "GET").bearer(&tokens.access)).await
    }

    /// It says what is wrong, and answers nothing but what it knows from memory.
    async fn is_out(&self, tokens: &mut Tokens) {
        let held = tokens.refresh.clone();
        self.refresh(tokens).await.refused(503, "store_unavailable");
        assert_eq!(tokens.refresh, held);
        let asks = [
            login(ADA, PASSWORD),
            get("/api/auth/session").bearer(&tokens.access),
            get("/api/auth/sessions").bearer(&tokens.access),
            post("/api/auth/activity").bearer(&tokens.access),
            post("/api/auth/logout").bearer(&tokens.access),
            post("/api/auth/logout").json(json!({"refresh_token": tokens.refresh})),
        ];
        for ask in asks {
            let path = ask.path().to_owned();
            let problem = self.send(ask).await.refused(503, "store_unavailable");
            assert!(!problem.to_string().contains("redis"), "nobody's business at {path}: {problem}");
        }
        let problem = self.send(get("/readyz")).await.refused(503, "store_unavailable");
        let told = problem["detail"].as_str().expect("a text");
        assert!(told.contains("sessions move in") && told.contains("redis.urls"), "{told}");
        assert_eq!(self.verify(tokens).await.status, 200);
    }

    async fn serves(&self, tokens: &mut Tokens) {
        assert_eq!(self.refresh(tokens).await.status, 200);
        assert_eq!(self.send(get("/readyz")).await.status, 200);
        self.send(login(ADA, PASSWORD)).await.ok(200);
    }

    async fn sign_out(&self, tokens: &Tokens) {
        self.send(post("/api/auth/logout").bearer(&tokens.access)).await.ok(200);
    }
}

#[tokio::test]
async fn a_node_answers_while_sessions_move_where_it_was_started_for() {
    let log = Log::begin();
    let errors = || {
        let text = log.text();
        let errors =
            text.lines().filter(|line| line.contains("\"ERROR\"") && line.contains("sessions move in"));
        errors.map(str::to_owned).collect::<Vec<_>>()
    };
    let (database, redis) = (postgres::server().database(), redis::server().database());
    let clock = Clock::manual(Timestamp::from_seconds(START));
    let folder = TempDir::new().expect("a folder");
    let builder = |urls: &[String]| {
        Keyward::builder(settings())
            .postgres(PostgresOptions::new(database.url()).max_connections(4))
            .redis(urls)
            .master_key(master_key())
            .data_folder(folder.path())
            .clock(clock.clone())
            .patience(60 * SECOND)
    };
    let without = Node::start(builder(&[])).await;
    let (mut ada, mut bob) = (without.sign_up(ADA).await, without.sign_up(BOB).await);
    assert_eq!(without.refresh(&mut ada).await.status, 200);
    // It knows all there is when the other one starts, and would go by it for a second.
    without.keyward.tick().await.expect("a tick");
    let with = Node::start(builder(std::slice::from_ref(&redis))).await;
    clock.advance(2 * SECOND);
    without.is_out(&mut ada).await;
    let [told] = &errors()[..] else { panic!("said once: {:?}", errors()) };
    assert!(told.contains("sessions move in Redis since") && told.contains("set redis.urls"), "{told}");
    with.serves(&mut ada).await;
    with.serves(&mut bob).await;
    // Who signs out there is out here, though nothing here is written.
    with.sign_out(&bob).await;
    clock.advance(SECOND);
    without.keyward.tick().await.expect_err("nothing is written");
    without.verify(&bob).await.refused(401, "session_revoked");
    let ended = "SELECT count(*) FROM session WHERE ended_at IS NOT NULL";
    assert_eq!(database.sql(ended), "1\n", "and nobody else");

    with.keyward.tick().await.expect("a tick");
    builder(&[]).beside().leave_redis().open().await.expect("it is left");
    clock.advance(2 * SECOND);
    with.is_out(&mut ada).await;
    without.serves(&mut ada).await;
    without.keyward.tick().await.expect("a tick");
    let [_, told] = &errors()[..] else { panic!("said once more: {:?}", errors()) };
    assert!(told.contains("sessions move in Postgres since") && told.contains("take it out"), "{told}");
    assert_eq!(log.text().matches("it serves again").count(), 1);
    assert_eq!(database.sql(ended), "1\n", "nobody was signed out by any of it");
}
