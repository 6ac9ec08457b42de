//! Beside a Keyward that runs: how soon do services refuse whom it signed out?

use std::time::Duration;

use keyward::clock::Clock;
use serde_json::json;

use crate::port::free_port;
use crate::service::{Service, languages};
use crate::support::{BOUND, EMAIL, Home, PASSWORD, PATIENCE, Server, text, until};

/// How often somebody signs out while it is measured.
const LOGOUTS: usize = 50;

/// A Keyward whose address is known before it starts, so that it can come back at the same one.
fn home() -> Home {
    let address = format!("127.0.0.1:{}", free_port());
    Home::new()
        .with("SERVER__LISTEN", &address)
        .with("SERVER__PUBLIC_URL", &format!("http://{address}"))
        .with("TOKENS__ALGORITHM", "RS256")
}

fn services(home: &Home, server: &Server) -> Vec<Service> {
    let made =
        home.json(&["service-key", "create", "services", "--scope", "introspect,revocations", "--json"]);
    let (key, url) = (text(&made["key"]), format!("http://{}", server.address()));
    languages().iter().map(|language| Service::start(language, &url, &url, &key)).collect()
}

/// Waits until every service says this of the token; how long each of them took, as they stand.
#[track_caller]
fn all_say(services: &[Service], token: &str, expected: &str) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let ask = |service: &'static str, said: &dyn Fn() -> String| {
            until(PATIENCE, &format!("{service} to say {expected}"), || said() == expected)
        };
        let asking: Vec<_> = services
            .iter()
            .map(|service| scope.spawn(move || ask(service.name, &|| service.verdict(token))))
            .collect();
        asking.into_iter().map(|asked| asked.join().expect("it says so")).collect()
    })
}

#[test]
#[expect(clippy::print_stderr, reason = "how long it took is what people want to know")]
fn a_logout_is_known_everywhere_within_a_second() {
    let home = home();
    home.user(EMAIL);
    let server = Server::start(&home);
    let services = services(&home, &server);
    all_say(&services, &text(&server.login(EMAIL)["token"]), "ok");

    let mut delays = vec![Vec::new(); services.len()];
    for _ in 0..LOGOUTS {
        let token = text(&server.login(EMAIL)["token"]);
        all_say(&services, &token, "ok");
        assert_eq!(server.call("POST", "/api/auth/logout", Some(&token), None).status, 200);
        let took = all_say(&services, &token, "session_revoked");
        took.into_iter().zip(&mut delays).for_each(|(delay, all)| all.push(delay));
    }
    for (service, delays) in services.iter().zip(&mut delays) {
        delays.sort_unstable();
        let (median, longest) = (delays[LOGOUTS / 2], delays[LOGOUTS - 1]);
        eprintln!(
            "from logout to refusal, {}: median {median:?}, longest {longest:?} of {LOGOUTS}",
            service.name
        );
        // One of them may have to wait for a machine that is busy.
        assert!(median < BOUND, "{}: {median:?}", service.name);
    }
    server.stop();
}

#[test]
#[expect(clippy::print_stderr, reason = "how long it took is what people want to know")]
fn a_key_that_is_revoked_is_believed_nowhere_and_the_next_one_everywhere() {
    let home = home();
    home.user(EMAIL);
    let server = Server::start(&home);
    let services = services(&home, &server);
    let signed_in = server.login(EMAIL);
    let token = text(&signed_in["token"]);
    all_say(&services, &token, "ok");

    let keys = home.json(&["key", "list", "--json"]);
    let active = keys["keys"].as_array().expect("a list").iter().find(|key| key["state"] == "active");
    home.done(&["key", "revoke", &text(&active.expect("a key that signs")["kid"])]);
    let mut took = all_say(&services, &token, "token_stale");
    for (service, delay) in services.iter().zip(&took) {
        eprintln!("from a revoked key to refusal, {}: {delay:?}", service.name);
    }
    took.sort_unstable();
    assert!(took[took.len() / 2] < BOUND, "{took:?}");
    // Nobody has to fetch the key that took over: it was published before.
    for token in [
        text(&server.login(EMAIL)["token"]),
        text(&server.refresh(&text(&signed_in["refresh_token"])).json()["token"]),
    ] {
        services.iter().for_each(|service| assert_eq!(service.verdict(&token), "ok", "{}", service.name));
    }
    server.stop();
}

#[test]
#[expect(clippy::print_stderr, reason = "how long it took is what people want to know")]
fn roles_that_changed_and_a_keyward_that_is_gone_are_noticed() {
    let home = home();
    home.user(EMAIL);
    home.done(&["role", "set", "tas", "jobs:write"]);
    home.done(&["user", "roles", EMAIL, "user", "tas"]);
    let server = Server::start(&home);
    let services = services(&home, &server);
    let signed_in = server.login(EMAIL);
    let token = text(&signed_in["token"]);
    all_say(&services, &token, "ok");

    // The command line takes a role away beside the server; a refresh brings what is left.
    home.done(&["user", "roles", EMAIL, "user"]);
    all_say(&services, &token, "token_stale");
    let refreshed = server.refresh(&text(&signed_in["refresh_token"]));
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    let token = text(&refreshed.json()["token"]);
    all_say(&services, &token, "ok");

    let clock = Clock::system();
    server.kill();
    let gone = clock.monotonic();
    all_say(&services, &token, "store_unavailable");
    eprintln!("from Keyward's end to 503 everywhere: {:?}", clock.monotonic() - gone);
    assert!(clock.monotonic() - gone < Duration::from_secs(10));

    let server = Server::start(&home);
    all_say(&services, &token, "ok");
    // What was revoked while nobody listened is known, too.
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    assert_eq!(server.call("POST", "/api/auth/login", None, Some(&body)).status, 200);
    assert_eq!(server.call("POST", "/api/auth/logout-all", Some(&token), None).status, 200);
    all_say(&services, &token, "session_revoked");
    server.stop();
}
