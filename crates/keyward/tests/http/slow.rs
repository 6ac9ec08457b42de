//! Who takes their time, for how long are they waited for? Time stands still here unless it is moved.

use std::time::Duration;

use tokio::time::advance;

use crate::support::{App, Served, settings};

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

async fn others_are_served(server: &Served) {
    let answer = server.exchange(HEALTHZ).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_refused_after_15_seconds() {
    let app = App::in_a_file(settings()).await;
    let server = app.serve().await;
    let slow = server.connect();
    slow.send(
        "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    // Said when the body begins to be read.
    assert_eq!(slow.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    for _ in 0..14 {
        slow.send("{").await;
        advance(SECOND).await;
        others_are_served(&server).await;
        assert!(slow.is_waited_for());
    }
    slow.send("{").await;
    advance(2 * SECOND).await;
    // Told, and then closed.
    let answer = slow.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    for part in ["application/problem+json", "x-keyward-error: request_timeout"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    others_are_served(&server).await;
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_waited_for_30_seconds_and_a_silent_connection_no_longer() {
    let app = App::in_a_file(settings()).await;
    let server = app.serve().await;
    let (first, later, idle, silent) =
        (server.connect(), server.connect(), server.connect(), server.connect());
    for used in [&later, &idle] {
        used.send("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        used.head().await;
    }
    // Who comes after them is served: so each of them is waited for by now.
    others_are_served(&server).await;
    for trickles in [&first, &later] {
        trickles.send("GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ").await;
    }
    let all = [&first, &later, &idle, &silent];
    for _ in 0..29 {
        for trickles in [&first, &later] {
            trickles.send("y").await;
        }
        advance(SECOND).await;
        others_are_served(&server).await;
        assert!(all.iter().all(|connection| connection.is_waited_for()));
    }
    advance(2 * SECOND).await;
    for connection in all {
        assert_eq!(connection.rest().await, "");
    }
    others_are_served(&server).await;
    server.stop().await;
}
