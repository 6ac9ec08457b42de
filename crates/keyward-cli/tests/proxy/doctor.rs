//! Does `keyward doctor --proxy` find nothing behind the examples, and name the line that was taken out?

use serde_json::Value;

use crate::kind::{KINDS, Kind};
use crate::stand::Stand;
use crate::support::{EMAIL, Home, PASSWORD, text};

/// What is wrong: subject and what to do.
fn found(stand: &Stand, is_named: bool) -> Vec<(String, String)> {
    let url = format!("http://{}/tasks?a=b&c=d", stand.address);
    let mut arguments = vec!["doctor", "--json", "--proxy", &url, "--as", EMAIL, "--password-stdin"];
    let application = stand.doctors_place.clone().expect("a place for the doctor");
    arguments.extend(["--application", &application]);
    if is_named {
        arguments.extend(["--kind", stand.kind.name()]);
    }
    let ran = Home::new().run_with(&arguments, PASSWORD);
    let report: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    let findings = report["findings"].as_array().expect("a list");
    let bad: Vec<_> = findings.iter().filter(|finding| finding["level"] != "ok").collect();
    assert_eq!(ran.code, i32::from(!bad.is_empty()), "{report:#}");
    bad.iter().map(|finding| (text(&finding["subject"]), text(&finding["next"]))).collect()
}

/// Without the lines that contain this.
fn without(kind: Kind, line: &'static str) -> Stand {
    Stand::for_the_doctor(kind, move |_, all| {
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let kept = all.lines().filter(|known| !squeezed(known).contains(line));
        kept.map(|line| format!("{line}\n")).collect()
    })
}

#[test]
fn behind_the_examples_it_finds_nothing_but_what_traefik_cant() {
    std::thread::scope(|threads| {
        for kind in KINDS {
            threads.spawn(move || {
                let stand = Stand::for_the_doctor(kind, |_, text| text.to_owned());
                let found: Vec<String> =
                    found(&stand, false).into_iter().map(|(subject, _)| subject).collect();
                match kind {
                    Kind::Traefik => assert_eq!(found, ["tokens"]),
                    _ => assert!(found.is_empty(), "{}: {found:?}", kind.name()),
                }
            });
        }
    });
}

/// The proxy, the line that is taken out, and which subject is then wrong.
const TAKEN_OUT: &[(Kind, &str, &str)] = &[
    (Kind::Nginx, "auth_request /keyward-verify;", "protection"),
    (Kind::Nginx, "error_page 401 403 = @keyward_answers;", "401"),
    (Kind::Nginx, "proxy_set_header X-Forwarded-Method $request_method;", "X-Forwarded-Method"),
    (Kind::Nginx, "proxy_set_header X-Forwarded-Uri $request_uri;", "X-Forwarded-Uri"),
    (Kind::Nginx, "proxy_set_header X-Forwarded-For $remote_addr;", "X-Forwarded-For"),
    (Kind::Nginx, "proxy_set_header X-Auth-User-Id $keyward_user_id;", "X-Auth-User-Id"),
    (Kind::Nginx, "proxy_set_header X-Auth-Roles $keyward_roles;", "X-Auth-Roles"),
    (Kind::Nginx, "location ^~ /api/auth/verify { return 404; }", "/api/auth/verify"),
    (Kind::Nginx, "proxy_set_header Cookie $keyward_other_cookies;", "tokens"),
    (Kind::Caddy, "request_header -X_*", "X_Auth_User_Id"),
    (Kind::Caddy, "respond @question 404", "/api/auth/verify"),
    (Kind::Haproxy, "http-request deny deny_status 404 if question", "/api/auth/verify"),
    (Kind::Haproxy, "http-request set-header X-Forwarded-For %[src]", "X-Forwarded-For"),
    (Kind::Haproxy, "http-request del-header ^x[^a-z0-9]auth[^a-z0-9] -m reg", "X_Auth_User_Id"),
    (Kind::Haproxy, "asked[\"x-forwarded-method\"] = { txn.sf:method() }", "X-Forwarded-Method"),
    (Kind::Traefik, "aliasHeadersStrategy: delete", "X_Auth_User_Id"),
    (Kind::Traefik, "middlewares: [nobody]", "/api/auth/verify"),
    (Kind::Traefik, "- X-Auth-Session-Id", "X-Auth-Session-Id"),
    (Kind::Envoy, "direct_response: { status: 404 }", "/api/auth/verify"),
    (Kind::Envoy, "- exact: cookie", "Cookie"),
    (Kind::Envoy, "- exact: x-auth-assertion", "X-Auth-Assertion"),
];

#[test]
fn a_line_that_is_taken_out_is_named() {
    let failures: Vec<String> = std::thread::scope(|threads| {
        let running: Vec<_> = KINDS
            .map(|kind| {
                threads.spawn(move || {
                    let cases = TAKEN_OUT.iter().filter(|(known, ..)| *known == kind);
                    cases.filter_map(|(_, line, subject)| is_named(kind, line, subject).err()).collect()
                })
            })
            .into_iter()
            .collect();
        running
            .into_iter()
            .flat_map(|cases| cases.join().unwrap_or_else(|_| vec!["panicked".to_owned()]))
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn is_named(kind: Kind, line: &'static str, subject: &str) -> Result<(), String> {
    let stand = without(kind, line);
    let found = found(&stand, matches!(kind, Kind::Haproxy | Kind::Traefik));
    let named: Vec<_> = found.iter().filter(|(_, next)| next.ends_with(&format!(": {line}"))).collect();
    match named.as_slice() {
        [(told, _)] if told == subject => {}
        _ => return Err(format!("{} without {line}: {found:?}", kind.name())),
    }
    // And no other line.
    let others = found.iter().filter(|(told, _)| told != subject);
    let others: Vec<_> = others.filter(|(told, _)| !(kind == Kind::Traefik && told == "tokens")).collect();
    // Without the method no assertion is told.
    let others: Vec<_> = others
        .into_iter()
        .filter(|(told, _)| (subject, told.as_str()) != ("X-Forwarded-Method", "X-Auth-Assertion"))
        .collect();
    match (others.is_empty(), subject) {
        // Where cookies don't come, more is wrong than that.
        (true, _) | (_, "Cookie") => Ok(()),
        _ => Err(format!("{} without {line}, besides: {others:?}", kind.name())),
    }
}

#[test]
fn without_an_account_it_says_what_it_did_not_look_at() {
    let stand = Stand::new(Kind::Nginx);
    let url = format!("http://{}/tasks", stand.address);
    let ran = Home::new().run(&["doctor", "--proxy", &url]);
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    for said in ["ok       401: ", "ok       redirect: ", "warning  session: ", "-> add --as EMAIL"] {
        assert!(ran.out.contains(said), "{}", ran.out);
    }
    let wrong =
        Home::new().run_with(&["doctor", "--proxy", &url, "--as", EMAIL, "--password-stdin"], "Wrong1horse");
    assert!(wrong.refused(1).contains("invalid_credentials"), "{wrong:?}");
    let home = Home::new();
    for url in ["tasks", "ftp://127.0.0.1/", "http://"] {
        assert!(home.run(&["doctor", "--proxy", url]).refused(2).contains("--proxy"));
    }
    assert!(home.run(&["doctor", "--proxy", "http://127.0.0.1:1/"]).refused(1).contains("does not answer"));
    assert_eq!(home.run(&["doctor", "--as", EMAIL]).code, 2);
}
