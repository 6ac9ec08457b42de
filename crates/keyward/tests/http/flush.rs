//! What is noted and counted in memory is written, whatever part of it can't be.

use crate::support::{ADA, App, OTHER_PASSWORD, login, post};

#[tokio::test]
async fn what_one_part_is_kept_from_keeps_no_other() {
    for kept in ["service_key", "figure", "event"] {
        let app = App::new().await;
        let tokens = app.signup(ADA).await;
        let key = app.service_key(&["introspect"]).await;
        app.pass(1);
        app.session(&tokens.access).await.ok(200);
        let active_at = app.clock.now().micros();
        app.send(post("/api/auth/introspect").bearer(&key).form("token=x")).await.ok(200);
        for _ in 0..13 {
            app.send(login(ADA, OTHER_PASSWORD)).await.refused(401, "invalid_credentials");
        }
        let is_written = |part: &str| match part {
            "service_key" => app.count("service_key WHERE last_used_at IS NOT NULL") == 1,
            "figure" => app.count("figure") > 0,
            "event" => app.count("event WHERE count > 1") == 1,
            _ => app.of_session::<i64>(&tokens.session, "last_active_at") == active_at,
        };
        let parts = ["service_key", "figure", "event", "session"];
        assert!(!parts.into_iter().any(is_written), "it is in memory");
        app.write(&format!("ALTER TABLE {kept} RENAME TO away"));
        app.keyward.tick().await.expect_err("a table is away");
        for part in parts.into_iter().filter(|part| *part != kept) {
            assert!(is_written(part), "{part} without {kept}");
        }
        app.write(&format!("ALTER TABLE away RENAME TO {kept}"));
        app.pass(11);
        app.tick().await;
        assert!(is_written(kept), "{kept} is made up for");
    }
}
