//! What has to hold behind every proxy? Each probe tries one thing, and says in a few words what came.

use std::io::{Read as _, Write as _};

use serde_json::json;

use crate::browser::{ADDRESS, Ask, Browser, ask};
use crate::kind::Kind;
use crate::played::Played;
use crate::stand::{ADMIN, Proxy, Stand, free_address};
use crate::support::{EMAIL, Home, Server, text};

/// What is tried, in words for the table, and how.
pub(crate) type Probe = (&'static str, fn(&Stand) -> String);

pub(crate) const PROBES: &[Probe] = &[
    ("signed in: the application is told who it is, in every identity header", identity),
    ("no token reaches the application; its own cookies and `Authorization: Basic` do", tokens),
    ("spoofed identity headers", spoofed),
    ("spoofed under another name (`X_Auth_User_Id`, `X.Auth.User.Id`, …)", aliases),
    ("hop-by-hop trick (`Connection: X-Auth-User-Id`)", hop_by_hop),
    ("an answer that lacks the headers: the client's copies", lacking),
    ("cookies of two sessions", two_sessions),
    ("bearer token", bearer),
    ("expired page navigation: renew and back, to the very address", renewed),
    ("page navigation by nobody: to the login", to_login),
    ("expired fetch", expired_fetch),
    ("POST of 1 MB", posted),
    ("POST of 1 MB by nobody", posted_by_nobody),
    ("page for a role that one has not", role),
    ("the same by another spelling of its path", spellings),
    ("POST from another site", cross_site),
    ("the same with a spoofed method (`X-Forwarded-Method: GET`, …)", spoofed_method),
    ("WebSocket", websocket),
    ("WebSocket from another site", websocket_cross_site),
    ("spoofed `X-Forwarded-For`", forwarded_for),
    ("request id", request_id),
    ("tokens as long as they get", long_tokens),
    ("Keyward's own pages and API", own_paths),
    ("the question itself, asked from outside (`/api/auth/verify`)", asked),
    ("Keyward answers 503", says_503),
    ("Keyward answers 500, 429, or nothing at all", says_rubbish),
    ("Keyward is slow", slow),
    ("Keyward is down", down),
];

const IDENTITY: [&str; 8] = [
    "X-Auth-User-Id",
    "X-Auth-Session-Id",
    "X-Auth-Email",
    "X-Auth-Email-Verified",
    "X-Auth-Phone-Number",
    "X-Auth-Roles",
    "X-Auth-Permissions",
    "X-Auth-Assertion",
];
/// No token holds this by chance.
const EVIL: &str = "e.v.i.l";
const ELSEWHERE: &str = "https://evil.example";

/// The application was told that it is this person, and nothing else.
#[track_caller]
fn told(stand: &Stand, email: &str) {
    let got = stand.application.got_one();
    let mut said = Vec::new();
    for name in IDENTITY {
        let alike = got.alike(name);
        assert!(alike.len() <= 1 && alike == got.all(name), "{name}: {got:?}");
        assert!(!alike.iter().any(|value| value.contains(EVIL)), "{name}: {got:?}");
        said.push(alike.first().copied().unwrap_or_default());
    }
    let [user, session, address, verified, phone, roles, _, assertion] = said[..] else { unreachable!() };
    assert_eq!(
        (user.len(), session.len(), address, verified, phone),
        (36, 36, email, "false", ""),
        "{got:?}"
    );
    assert!(roles.contains("user"), "{got:?}");
    assert_eq!(assertion.matches('.').count(), 2, "{got:?}");
}

#[track_caller]
fn untouched(stand: &Stand) {
    let got = stand.application.got();
    assert!(got.is_empty(), "reached the application: {got:?}");
}

fn identity(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    assert_eq!(browser.navigate("/tasks").status, 200);
    told(stand, EMAIL);
    "told".to_owned()
}

fn tokens(stand: &Stand) -> String {
    let browser = stand.somebody();
    let ours = browser.cookies("/api/auth/x");
    let twin = browser.cookies("/").split("; ").next().expect("one").to_owned();
    let nobody = stand.nobody();
    let line = format!("theme=dark; {ours}; not_keyward_access=1; {twin}; last=x=y");
    let reply = nobody.open(ask("GET", "/").header("Cookie", &line).header("Authorization", "Basic eDp5")).1;
    assert_eq!(reply.status, 200, "{reply:?}");
    let got = stand.application.got_one();
    let cookies = got.all("cookie").join("; ");
    let all = format!("{got:?}");
    let is_traefik = stand.kind == Kind::Traefik;
    if !is_traefik {
        let secrets = browser.jar.iter().map(|(_, value, _)| value);
        secrets.for_each(|secret| assert!(!all.contains(secret.as_str()), "{all}"));
        for kept in ["theme=dark", "not_keyward_access=1", "last=x=y"] {
            assert!(cookies.split("; ").any(|cookie| cookie == kept), "{cookies}");
        }
        assert_eq!(cookies.matches("keyward_").count(), 1, "{cookies}");
    }
    assert_eq!(got.all("authorization"), ["Basic eDp5"]);
    if is_traefik { "**cookies pass**: Traefik can't" } else { "withheld" }.to_owned()
}

fn spoofed(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let mut request = ask("GET", "/tasks").navigation();
    for name in IDENTITY {
        for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            request = request.header(&name, EVIL);
        }
    }
    assert_eq!(browser.send(request.clone()).status, 200);
    told(stand, EMAIL);
    assert_eq!(stand.nobody().send(request).status, 302);
    untouched(stand);
    "dropped".to_owned()
}

fn aliases(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let mut request = ask("GET", "/tasks").navigation();
    for name in IDENTITY {
        for sign in "_.!#$%&'*+^`|~".chars() {
            request = request.header(&name.replace('-', &sign.to_string()), EVIL);
            // The first, the second, the last one alone.
            request = request.header(&name.replacen('-', &sign.to_string(), 1), EVIL);
            request = request.header(&name.replacen("Auth-", &format!("Auth{sign}"), 1), EVIL);
            let (before, after) = name.rsplit_once('-').expect("a dash");
            request = request.header(&format!("{before}{sign}{after}").to_lowercase(), EVIL);
        }
    }
    let reply = browser.send(request);
    if reply.status == 200 {
        told(stand, EMAIL);
        return "dropped".to_owned();
    }
    untouched(stand);
    assert!((400..500).contains(&reply.status), "{reply:?}");
    // One at a time, too: a request is not refused for their number alone.
    for name in ["X_Auth_User_Id", "X.Auth.User.Id", "X-Auth_User-Id", "X-Auth-User~Id", "x_auth-user-id"] {
        let reply = browser.send(ask("GET", "/tasks").navigation().header(name, EVIL));
        if reply.status == 200 {
            told(stand, EMAIL);
        } else {
            untouched(stand);
        }
    }
    format!("dropped; very many: {}", reply.status)
}

fn hop_by_hop(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    for names in ["X-Auth-User-Id", "X-Auth-User-Id, X-Auth-Roles, X-Auth-Assertion, X-Auth-Email"] {
        let connection = format!("close, {names}");
        let request = ask("GET", "/tasks").navigation().header("X-Auth-User-Id", EVIL);
        assert_eq!(browser.send(request.header("Connection", &connection)).status, 200);
        let got = stand.application.got();
        let connection = got[0].all("connection").join(",").to_lowercase();
        assert!(!connection.contains("auth"), "{got:?}");
        stand.application.put_back(got);
        told(stand, EMAIL);
    }
    // What the question needs can't be taken away to a good end.
    let tricks =
        "close, Cookie, Origin, Sec-Fetch-Site, X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-For";
    let request = ask("POST", "/tasks").fetch("cross-site", ELSEWHERE).header("Connection", tricks);
    let reply = browser.send(request);
    assert!(reply.status >= 400, "{reply:?}");
    untouched(stand);
    "held".to_owned()
}

fn lacking(stand: &Stand) -> String {
    let (played, address, _proxy) = with_played(stand);
    played.says("HTTP/1.1 200 OK");
    let mut request = ask("GET", "/tasks");
    for name in IDENTITY {
        request = request.header(name, EVIL);
    }
    let reply = Browser::new(&address).send(request);
    assert_eq!(reply.status, 200, "{reply:?}");
    let got = stand.application.got_one();
    for name in IDENTITY {
        assert!(!got.alike(name).iter().any(|value| value.contains(EVIL)), "{name}: {got:?}");
    }
    "dropped".to_owned()
}

fn two_sessions(stand: &Stand) -> String {
    let (one, other) = (stand.somebody(), Browser::signed_in(&stand.address, ADMIN));
    let both = format!("{}; {}", one.cookies("/"), other.cookies("/"));
    let origin = one.origin();
    let request = ask("GET", "/tasks").fetch("same-origin", &origin).header("Cookie", &both);
    stand.nobody().send(request).refused(401, "ambiguous_credentials");
    let lines = ask("GET", "/tasks").fetch("same-origin", &origin).header("Cookie", &one.cookies("/"));
    let reply = stand.nobody().send(lines.header("Cookie", &other.cookies("/")));
    assert_eq!(reply.status, 401, "{reply:?}");
    untouched(stand);
    "401 `ambiguous_credentials`".to_owned()
}

fn bearer(stand: &Stand) -> String {
    let login = stand.keyward.login(EMAIL);
    let token = format!("Bearer {}", text(&login["token"]));
    let reply = stand.nobody().send(ask("GET", "/tasks").header("Authorization", &token));
    assert_eq!(reply.status, 200, "{reply:?}");
    let got = stand.application.got();
    let passes = !got[0].all("authorization").is_empty();
    stand.application.put_back(got);
    told(stand, EMAIL);
    assert_eq!(passes, stand.kind == Kind::Traefik);
    let bad = stand.nobody().send(ask("GET", "/tasks").header("Authorization", "Bearer x.y.z"));
    bad.refused(401, "invalid_token");
    untouched(stand);
    if passes { "200; **it passes**: Traefik can't" } else { "200, withheld" }.to_owned()
}

fn renewed(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    for target in [
        "/tasks",
        "/tasks?a=b&c=d",
        "/caf%C3%A9/%E6%97%A5?q=%26%23%2F%3D&x=1+2&y=%25",
        "/a%20b?next=/x&next=https://evil.example/&&=",
    ] {
        browser.expire();
        let reply = browser.navigate(target);
        assert!(matches!(reply.status, 302 | 303), "{target}: {reply:?}");
        untouched(stand);
        let to_renew = here(&browser, reply.one("location"));
        assert!(to_renew.starts_with("/api/auth/renew?next="), "{target}: {reply:?}");
        let reply = browser.navigate(&to_renew);
        assert_eq!(reply.status, 303, "{target}: {reply:?}");
        assert!(!reply.all("set-cookie").is_empty(), "{target}: {reply:?}");
        assert_eq!(here(&browser, reply.one("location")), target);
        assert_eq!(browser.navigate(target).status, 200, "{target}");
        let got = stand.application.got_one();
        assert_eq!(got.line.split(' ').nth(1), Some(target), "{got:?}");
    }
    "302, 303, 200".to_owned()
}

/// The path of a URL of ours.
#[track_caller]
fn here(browser: &Browser, url: &str) -> String {
    url.strip_prefix(&browser.origin()).unwrap_or_else(|| panic!("{url} is elsewhere")).to_owned()
}

fn to_login(stand: &Stand) -> String {
    let mut browser = stand.nobody();
    let reply = browser.navigate("/tasks?a=b&c=d");
    let reply = browser.navigate(&here(&browser, reply.one("location")));
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(here(&browser, reply.one("location")), "/login?next=/tasks%3Fa%3Db%26c%3Dd");
    untouched(stand);
    "302, 303 `/login?next=…`".to_owned()
}

fn expired_fetch(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    browser.expire();
    browser.fetch("GET", "/tasks").refused(401, "missing_token");
    browser.fetch("DELETE", "/tasks/1").refused(401, "missing_token");
    browser.jar.push(("keyward_access".to_owned(), "x.y.z".to_owned(), "/".to_owned()));
    browser.fetch("GET", "/tasks").refused(401, "missing_token");
    untouched(stand);
    "401 JSON, marked".to_owned()
}

fn large() -> Vec<u8> {
    (0_u32..1 << 18).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn post(browser: &Browser, body: &[u8]) -> Ask {
    let request = ask("POST", "/upload?a=b").fetch("same-origin", &browser.origin());
    request.header("Content-Type", "application/octet-stream").body(body)
}

fn posted(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let body = large();
    let reply = browser.send(post(&browser, &body));
    assert_eq!(reply.status, 200, "{reply:?}");
    let got = stand.application.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].line, "POST /upload?a=b HTTP/1.1");
    assert_eq!(got[0].all("content-type"), ["application/octet-stream"]);
    assert!(got[0].body == body, "{} of {} bytes", got[0].body.len(), body.len());
    "intact".to_owned()
}

fn posted_by_nobody(stand: &Stand) -> String {
    let mut nobody = stand.nobody();
    nobody.send(post(&nobody, &large())).refused(401, "missing_token");
    untouched(stand);
    "401 JSON, marked".to_owned()
}

fn role(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    browser.fetch("GET", "/reports/1").refused(403, "forbidden");
    let reply = browser.navigate("/reports/1");
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, "forbidden"));
    untouched(stand);
    let mut admin = Browser::signed_in(&stand.address, ADMIN);
    assert_eq!(admin.navigate("/reports/1?a=b").status, 200);
    told(stand, ADMIN);
    "403 JSON, marked".to_owned()
}

fn spellings(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    for target in [
        "/reports",
        "/reports/",
        "/REPORTS/1",
        "/%72eports/1",
        "/%52eports/1",
        "//reports/1",
        "/x/../reports/1",
        "/x/%2e%2e/reports/1",
        "/x/..%2freports/1",
        "/./reports/1",
        "/%2freports/1",
        "/reports%2f1",
        "/reports;x/1",
        "/reports%3bx/1",
        "/x;/../reports/1",
        "/\\reports/1",
        "/%5creports/1",
        "/reports?x",
        "/reports/?role=user",
        "/reports/1?redirect=1&role=&permission=",
        "/login/../reports/1",
        "/api/auth/../../reports/1",
    ] {
        let reply = browser.fetch("GET", target);
        assert!((400..500).contains(&reply.status), "{target}: {reply:?}");
        untouched(stand);
    }
    // And what goes to Keyward reaches no application.
    for target in ["/login/..", "/api/auth/..%2f..%2ftasks", "/assets/../tasks", "/client/..;/tasks"] {
        stand.nobody().fetch("GET", target);
        untouched(stand);
    }
    "403 or 400".to_owned()
}

fn cross_site(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let request = || ask("POST", "/tasks").fetch("cross-site", ELSEWHERE).body(b"x");
    browser.send(request()).refused(403, "cross_site_request");
    let old = ask("POST", "/tasks").header("Origin", ELSEWHERE);
    browser.send(old).refused(403, "cross_site_request");
    browser.send(ask("DELETE", "/tasks")).refused(403, "cross_site_request");
    untouched(stand);
    // A link from another site is followed.
    let link = ask("GET", "/tasks").header("Accept", "text/html").header("Sec-Fetch-Site", "cross-site");
    assert_eq!(browser.send(link.header("Sec-Fetch-Mode", "navigate")).status, 200);
    told(stand, EMAIL);
    assert_eq!(browser.fetch("POST", "/tasks").status, 200);
    told(stand, EMAIL);
    "403, marked".to_owned()
}

fn spoofed_method(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    for headers in [
        &["X-Forwarded-Method", "X-Original-Method"][..],
        &["X-Original-Method"],
        &["X-Forwarded-Method", "X-Forwarded-Method"],
        &["X_Forwarded_Method"],
        &["X-HTTP-Method-Override"],
    ] {
        let request = ask("POST", "/tasks").fetch("cross-site", ELSEWHERE).body(b"x");
        let request = headers.iter().fold(request, |request, name| request.header(name, "GET"));
        let reply = browser.send(request);
        assert_eq!((reply.status, reply.one("x-keyward-error")), (403, "cross_site_request"), "{headers:?}");
    }
    // Nor can another address be put in.
    browser.expire();
    let evil = ask("GET", "/tasks").navigation().header("X-Forwarded-Uri", "/evil");
    let evil = evil.header("X-Original-URL", "/evil").header("X-Forwarded-Host", "evil.example");
    let reply = browser.send(evil);
    assert!(reply.all("location").iter().all(|to| !to.contains("evil")), "{reply:?}");
    untouched(stand);
    "403, marked".to_owned()
}

fn websocket(stand: &Stand) -> String {
    let browser = stand.somebody();
    let (mut stream, reply) = browser.open(ask("GET", "/ws").websocket("same-origin", &browser.origin()));
    assert_eq!(reply.status, 101, "{reply:?}");
    stream.write_all(b"hello").expect("written");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"hello");
    drop(stream);
    told(stand, EMAIL);
    let nobody = stand.nobody();
    let (_, reply) = nobody.open(ask("GET", "/ws").websocket("same-origin", &nobody.origin()));
    assert_eq!((reply.status, reply.one("x-keyward-error")), (401, "missing_token"));
    untouched(stand);
    "101, echoes; by nobody 401".to_owned()
}

fn websocket_cross_site(stand: &Stand) -> String {
    let browser = stand.somebody();
    let (_, reply) = browser.open(ask("GET", "/ws").websocket("cross-site", ELSEWHERE));
    assert_eq!((reply.status, reply.one("x-keyward-error")), (403, "cross_site_request"), "{reply:?}");
    untouched(stand);
    "403, marked".to_owned()
}

fn forwarded_for(stand: &Stand) -> String {
    const SPOOFED: &str = "203.0.113.66";
    let mut browser = stand.nobody();
    let spoof = |ask: Ask| {
        ask.header("X-Forwarded-For", SPOOFED)
            .header("X-Real-IP", SPOOFED)
            .header("Forwarded", &format!("for={SPOOFED}"))
    };
    browser.login(EMAIL, |ask| spoof(spoof(ask)));
    let sessions = browser.fetch("GET", "/api/auth/sessions").json();
    let current = sessions["sessions"].as_array().expect("a list").iter().find(|s| s["current"] == true);
    assert_eq!(current.expect("this one")["ip_address"], ADDRESS);
    assert_eq!(browser.send(spoof(ask("GET", "/tasks").navigation())).status, 200);
    let got = stand.application.got_one();
    assert_eq!(got.all("x-forwarded-for"), [ADDRESS], "{got:?}");
    "replaced".to_owned()
}

fn request_id(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let request = ask("GET", "/tasks").navigation().header("X-Request-Id", EVIL);
    assert_eq!(browser.send(request).status, 200);
    let got = stand.application.got_one();
    let ids = got.all("x-request-id");
    assert_eq!(ids.len(), 1, "{got:?}");
    let made = ids[0] != EVIL;
    assert_eq!(made, stand.kind != Kind::Traefik, "{got:?}");
    if made { "made by the proxy" } else { "the client's: Traefik makes none" }.to_owned()
}

fn long_tokens(stand: &Stand) -> String {
    const LONG: &str = "long@example.com";
    stand.home.user(LONG);
    // All that the permissions of all roles may come to.
    let names: Vec<String> = (0..20).map(|n| format!("{n:02}{}:write", "p".repeat(50))).collect();
    let permissions: Vec<&str> = names.iter().map(String::as_str).collect();
    stand.home.done(&[&["role", "set", "long"][..], &permissions].concat());
    stand.home.done(&["user", "roles", LONG, "--add", "long"]);
    let mut browser = Browser::signed_in(&stand.address, LONG);
    // Besides, a browser has cookies of the application.
    browser.jar.push(("theirs".to_owned(), "x".repeat(3_000), "/".to_owned()));
    assert_eq!(browser.navigate("/tasks").status, 200);
    let got = stand.application.got();
    assert!(got[0].all("x-auth-permissions")[0].len() > 1_000, "{got:?}");
    stand.application.put_back(got);
    told(stand, LONG);
    browser.expire();
    let reply = browser.navigate("/tasks");
    assert_eq!(browser.navigate(&here(&browser, reply.one("location"))).status, 303);
    assert_eq!(browser.navigate("/tasks").status, 200);
    stand.application.got();
    "200".to_owned()
}

fn own_paths(stand: &Stand) -> String {
    let mut nobody = stand.nobody();
    for (target, status) in
        [("/.well-known/jwks.json", 200), ("/openapi.json", 200), ("/docs", 200), ("/api/auth/session", 401)]
    {
        assert_eq!(nobody.fetch("GET", target).status, status, "{target}");
    }
    let mut browser = stand.somebody();
    assert_eq!(browser.fetch("GET", "/api/auth/session").status, 200);
    let body = json!({ "phone_number": "+4915112345678" }).to_string();
    let patch = ask("PATCH", "/api/auth/profile").header("Content-Type", "application/json");
    let patch = patch.fetch("same-origin", &browser.origin()).body(body.as_bytes());
    assert_eq!(browser.send(patch).status, 200);
    let undo = ask("PATCH", "/api/auth/profile").header("Content-Type", "application/json");
    let undo = undo.fetch("same-origin", &browser.origin()).body(br#"{"phone_number":null}"#);
    assert_eq!(browser.send(undo).status, 200);
    assert_eq!(browser.fetch("POST", "/api/auth/logout").status, 200);
    assert!(browser.jar.is_empty(), "{:?}", browser.jar);
    untouched(stand);
    "reached".to_owned()
}

fn asked(stand: &Stand) -> String {
    let mut browser = stand.somebody();
    let mut statuses = Vec::new();
    for target in [
        "/api/auth/verify",
        "/api/auth/verify?redirect=1",
        "/api/auth/verify/tasks",
        "/api/auth/verify?path=/tasks",
        "/api/auth/%76erify",
        "/api/auth/./verify",
        "//api/auth/verify",
        "/API/auth/verify",
    ] {
        for method in ["GET", "POST", "HEAD"] {
            let request = ask(method, target).fetch("same-origin", &browser.origin());
            let reply = browser.send(request.header("X-Forwarded-Method", "GET"));
            for name in IDENTITY {
                assert!(reply.all(name).is_empty(), "{method} {target}: {reply:?}");
            }
            statuses.push(reply.status);
        }
    }
    assert!(statuses[..12].iter().all(|status| *status == 404), "{statuses:?}");
    // Another spelling is the application's.
    stand.application.got();
    "404".to_owned()
}

/// The same proxy before one that plays Keyward.
fn with_played(stand: &Stand) -> (Played, String, Proxy) {
    let played = Played::start();
    let address = free_address();
    let unchanged = |_: &str, text: &str| text.to_owned();
    let proxy = Proxy::start(stand.kind, &address, &played.address, &stand.application.address, unchanged);
    (played, address, proxy)
}

/// What a browser and a script get while `verify` is answered like this: closed.
#[track_caller]
fn closed(stand: &Stand, address: &str) -> String {
    let mut browser = Browser::new(address);
    let statuses = [browser.navigate("/tasks").status, browser.fetch("GET", "/tasks").status];
    assert!(statuses.iter().all(|status| *status >= 429), "{statuses:?}");
    assert_eq!(statuses[0], statuses[1]);
    untouched(stand);
    statuses[0].to_string()
}

fn says_503(stand: &Stand) -> String {
    let (played, address, _proxy) = with_played(stand);
    played.says("HTTP/1.1 503 Service Unavailable\r\nX-Auth-User-Id: somebody\r\nRetry-After: 1");
    format!("closed: {}", closed(stand, &address))
}

fn says_rubbish(stand: &Stand) -> String {
    let (played, address, _proxy) = with_played(stand);
    let mut statuses = Vec::new();
    for head in ["HTTP/1.1 500 Internal Server Error", "HTTP/1.1 429 Too Many Requests", "", "rubbish"] {
        played.says(head);
        statuses.push(closed(stand, &address));
    }
    statuses.dedup();
    format!("closed: {}", statuses.join(", "))
}

fn slow(stand: &Stand) -> String {
    if stand.kind == Kind::Traefik {
        return "closed after 30 s (not run)".to_owned();
    }
    let mut browser = stand.somebody();
    stand.keyward.freeze();
    let reply = browser.fetch("GET", "/tasks");
    stand.keyward.signal("CONT");
    assert!(reply.status >= 500, "{reply:?}");
    untouched(stand);
    format!("closed: {}", reply.status)
}

fn down(stand: &Stand) -> String {
    let address = free_address();
    let home = Home::new();
    let keyward = Server::start(&home);
    let unchanged = |_: &str, text: &str| text.to_owned();
    let _proxy = Proxy::start(stand.kind, &address, keyward.address(), &stand.application.address, unchanged);
    keyward.kill();
    format!("closed: {}", closed(stand, &address))
}
