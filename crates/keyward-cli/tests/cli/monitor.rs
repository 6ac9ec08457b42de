//! What do monitors see, and where?

use crate::support::{EMAIL, Home, PATIENCE, Server, until};

fn watched() -> Home {
    Home::new().with("SERVER__METRICS_LISTEN", "127.0.0.1:0")
}

#[test]
fn metrics_have_a_listener_of_their_own() {
    let home = watched();
    home.user(EMAIL);
    let mut server = Server::start(&home);
    server.login(EMAIL);
    assert_eq!(server.sample("keyward_login_total{method=\"password\",outcome=\"success\"}"), 1.0);
    assert_eq!(server.get("/metrics").status, 404, "never on the public one");
    assert_eq!(server.monitor("/api/auth/session").status, 404);
    assert_eq!((server.monitor("/healthz").status, server.monitor("/readyz").status), (200, 200));
    for job in ["poll", "flush", "care", "sweep", "count"] {
        let turns = format!("keyward_job_turns_total{{job=\"{job}\",outcome=\"done\"}}");
        // The care comes up to a minute after the start.
        until(2 * PATIENCE, job, || server.sample(&turns) > 0.0);
        for outcome in ["failed", "panicked", "too_long"] {
            let bad = format!("keyward_job_turns_total{{job=\"{job}\",outcome=\"{outcome}\"}}");
            assert_eq!(server.sample(&bad), 0.0);
        }
    }
    assert!(server.sample("keyward_feed_age_seconds") < 60.0);
    server.stop();
}

#[test]
fn by_default_nothing_else_listens() {
    let home = Home::new();
    let server = Server::start(&home);
    assert!(!server.stop().contains("Metrics"));
}
