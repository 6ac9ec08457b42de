//! What do a few dozen people leave behind in a day? All of it comes about as it would: by commands,
//! and by requests through a proxy.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::binary::Answer;
use crate::support::{EMAIL, PASSWORD, Site};

const PEOPLE: [&str; 32] = [
    "grace.hopper",
    "alan.turing",
    "katherine.johnson",
    "edsger.dijkstra",
    "barbara.liskov",
    "donald.knuth",
    "margaret.hamilton",
    "john.mccarthy",
    "frances.allen",
    "ken.thompson",
    "radia.perlman",
    "dennis.ritchie",
    "adele.goldberg",
    "tony.hoare",
    "karen.jones",
    "niklaus.wirth",
    "jean.sammet",
    "robin.milner",
    "shafi.goldwasser",
    "leslie.lamport",
    "sophie.wilson",
    "vint.cerf",
    "elizabeth.feinler",
    "tim.berners-lee",
    "mary.keller",
    "butler.lampson",
    "lynn.conway",
    "john.backus",
    "anita.borg",
    "peter.naur",
    "dana.ulery",
    "fred.brooks",
];

const DEVICES: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
];

/// Who tries passwords.
const BURGLAR: &str = "198.51.100.23";

/// The session whose refresh token was copied.
pub(super) struct Copied {
    pub(super) session: String,
    pub(super) user: String,
}

/// Lets a day go by; afterwards the clock is right.
pub(super) fn pass(site: &mut Site, clock: &Path) -> Copied {
    for (role, permission) in [("support", "tickets:write"), ("billing", "invoices:read")] {
        site.home.done(&["role", "set", role, permission]);
    }
    let mut tokens: Vec<Option<String>> = vec![None; PEOPLE.len()];
    let mut copied = None;
    for hour in 0..24_usize {
        std::fs::write(clock, format!("-{}m", (24 - hour) * 60 - 50)).expect("written");
        for (n, token) in tokens.iter_mut().enumerate() {
            let answer = match token.take() {
                None if n % 12 == hour / 2 => ask(site, n, "signup", &by_password(n, PASSWORD)),
                None => continue,
                // More by day than by night.
                Some(token) if (n + hour) % 3 == 0 || (7..19).contains(&hour) => {
                    let refreshed = ask(site, n, "refresh", &json!({ "refresh_token": token }));
                    if n == 3 && hour == 16 {
                        copied = Some(token);
                    }
                    refreshed
                }
                Some(token) => json!({ "refresh_token": token }),
            };
            *token = answer["refresh_token"].as_str().map(str::to_owned);
            if (n * 5 + hour) % 17 == 0 {
                ask(site, n, "login", &by_password(n, "Wr0ng-password"));
            }
            if (n * 7 + hour) % 9 == 0 {
                *token = ask(site, n, "login", &by_password(n, PASSWORD))["refresh_token"]
                    .as_str()
                    .map(str::to_owned);
            }
        }
        // Figures are written down every few seconds, and at the end.
        if hour >= 18 {
            site.restart_keyward();
        }
        if (17..20).contains(&hour) {
            for n in 0..hour {
                let tried = by_password(n, "Passw0rd-2026");
                call(site, BURGLAR, "curl/8.14.1", "login", &tried);
            }
        }
    }
    // The thief comes when the window is over.
    std::fs::write(clock, "-5m").expect("written");
    let thief = json!({ "refresh_token": copied.expect("refreshed by day") });
    call(site, "192.0.2.77", "python-requests/2.32", "refresh", &thief);
    std::fs::write(clock, "+0m").expect("written");
    site.restart_keyward();
    for (n, role) in [(1, "support"), (4, "support"), (6, "billing"), (9, "admin")] {
        site.home.done(&["user", "roles", &address(n), "--add", role]);
    }
    site.home.done(&["user", "deactivate", &address(11)]);
    let events = site.home.json(&["event", "list", "--type", "refresh_reused", "--json"]);
    let found = |name: &str| events["events"][0][name].as_str().expect("it was noticed").to_owned();
    Copied { session: found("session_id"), user: found("user_id") }
}

fn address(n: usize) -> String {
    format!("{}@example.com", PEOPLE[n])
}

fn by_password(n: usize, password: &str) -> Value {
    assert_ne!(address(n), EMAIL);
    json!({ "email": address(n), "password": password })
}

fn ask(site: &Site, n: usize, what: &str, body: &Value) -> Value {
    call(site, &format!("203.0.113.{}", 10 + n), DEVICES[n % DEVICES.len()], what, body)
}

/// Asks as a proxy before Keyward does, for somebody at this address.
fn call(site: &Site, ip: &str, agent: &str, what: &str, body: &Value) -> Value {
    let mut stream = site.keyward().connect().expect("it listens");
    let body = body.to_string();
    write!(
        stream,
        "POST /api/auth/{what} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Forwarded-For: {ip}\r\n\
         User-Agent: {agent}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        site.keyward().address(),
        body.len(),
    )
    .expect("written");
    let answer = Answer::read(&mut stream);
    assert!(answer.status < 500, "{what}: {}", answer.text);
    answer.json()
}
