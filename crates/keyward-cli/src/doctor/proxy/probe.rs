//! What does the doctor ask, and what does it make of the answers?

use reqwest::Method;
use serde_json::{Value, json};

use super::application::{Application, Headers};
use super::browser::Browser;
use super::line::{Fault, IDENTITY};
use super::{Kind, Report};
use crate::failure::Failure;

/// Addresses that are nobody's (RFC 5737).
const SPOOFED: &str = "203.0.113.77";
const ELSEWHERE: &str = "https://elsewhere.example";
/// What stands in each header that the doctor forges.
const FORGED: &str = "forged-by-keyward-doctor";

/// What anybody can see.
pub(super) async fn as_nobody(browser: &mut Browser, report: &mut Report) -> Result<(), Failure> {
    let target = browser.target();
    let reply = browser.fetch(&target).await?;
    report.kind = report.kind.or_else(|| reply.header("server").and_then(Kind::called));
    match (reply.status, reply.code()) {
        (401, Some(_)) => report.ok("401", "a script of nobody's is told in Keyward's words"),
        (401, None) => report.has(
            Fault::Refusal,
            "a script gets 401 without Keyward's mark: it does not know that it may refresh",
        ),
        (200..=299, _) => report.has(Fault::Open, "nobody is signed in, and the page comes"),
        (300..=399, _) => {
            report.has(Fault::Refusal, "a script gets a redirect, and reads a login page as data")
        }
        (status @ 500.., _) => {
            let message =
                format!("{status} instead of 401: Keyward is not reached, or its answer not passed on");
            report.has(Fault::Refusal, message);
        }
        (status, _) => report.has(Fault::Refusal, format!("a script gets {status} instead of 401")),
    }
    let is_protected = reply.status == 401;

    let own = browser.navigate("/api/auth/renew?next=/", &[]).await?;
    let origin = browser.origin();
    match own.header("location") {
        Some(to) if own.status == 303 && to.starts_with(&format!("{origin}/")) => {
            report.ok("server.public_url", origin.clone());
        }
        Some(to) if own.status == 303 => {
            report.has(Fault::PublicUrl, format!("people see {origin}, and Keyward sends them to {to}"));
        }
        _ => report
            .has(Fault::OwnPaths, format!("/api/auth/renew answers {}, not as Keyward does", own.status)),
    }

    if !is_protected {
        return Ok(());
    }
    let wanted = format!("{origin}/api/auth/renew?next={}", encoded(&target));
    let reply = browser.navigate(&target, &[]).await?;
    let forged = [("x-forwarded-uri", "/forged-by-keyward-doctor")];
    let tempted = browser.navigate(&target, &forged).await?;
    if tempted.header("location").is_some_and(|to| to.contains(FORGED)) {
        report.has(
            Fault::Address,
            "a client's own X-Forwarded-Uri is passed on: it is not set in the question",
        );
    } else {
        match reply.header("location") {
            Some(to) if to == wanted => {
                report.ok("redirect", "a page that is opened goes to be renewed, and comes back")
            }
            Some(to) if to.contains("/api/auth/renew") => {
                report.has(Fault::Address, format!("the way back is cut: {to}, not {wanted}"));
            }
            _ => report.has(
                Fault::Redirect,
                format!(
                    "a page that is opened gets {}: people are signed out when their token's time is up",
                    reply.status
                ),
            ),
        }
    }
    Ok(())
}

/// Signs in; whether there is a session then.
pub(super) async fn signs_in(
    browser: &mut Browser,
    report: &mut Report,
    email: &str,
    password: &str,
) -> Result<bool, Failure> {
    let origin = browser.origin();
    let lines = [
        ("content-type", "application/json"),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("x-forwarded-for", SPOOFED),
    ];
    let body = json!({ "email": email, "password": password }).to_string();
    let reply = browser.send(Method::POST, "/api/auth/login", &lines, body).await?;
    match (reply.status, reply.code()) {
        (200, _) if browser.has("keyward_access") && browser.has("keyward_hint") => Ok(true),
        (200, _) => {
            report.has(Fault::SetCookie, "a login brings no cookies");
            Ok(false)
        }
        (status, Some(code)) => {
            Err(Failure::new(format!("{email} can't sign in: {status} {code}; give an account that can")))
        }
        (status, None) => {
            report.has(Fault::OwnPaths, format!("/api/auth/login answers {status}, not as Keyward does"));
            Ok(false)
        }
    }
}

/// What somebody who is signed in sees.
pub(super) async fn as_somebody(browser: &mut Browser, report: &mut Report) -> Result<(), Failure> {
    let target = browser.target();
    // No browser: neither whence it comes nor its origin is told, so that all hangs on the method.
    let reply = browser.send(Method::GET, &target, &[("accept", "application/json")], "").await?;
    match reply.code() {
        None => report.ok("session", format!("the page comes ({})", reply.status)),
        Some("missing_token") => report.has(Fault::Cookie, "the question comes without the cookies"),
        Some("cross_site_request") => {
            let told = [("accept", "application/json"), ("x-forwarded-method", "GET")];
            let reply = browser.send(Method::GET, &target, &told, "").await?;
            if reply.code() == Some("cross_site_request") {
                let message = "the method of a request is not told, or not believed from this proxy: \
                    each counts as one that changes something";
                match report.kind {
                    // These tell it by themselves.
                    Some(Kind::Caddy | Kind::Traefik) => report.has(Fault::Untrusted, message),
                    _ => report.has(Fault::Method, format!("{message} (server.trusted_proxies)")),
                }
            } else {
                report.has(
                    Fault::Method,
                    "a client's own X-Forwarded-Method is passed on: it is not set in the question",
                );
            }
        }
        Some(code) => report.has(Fault::Refusal, format!("refused, though signed in: {code}")),
    }

    // Headers that a script can write stand for what the proxy would say.
    let asked =
        [("accept", "application/json"), ("sec-fetch-site", "same-origin"), ("x-forwarded-method", "GET")];
    let reply = browser.send(Method::GET, "/api/auth/verify", &asked, "").await?;
    if reply.header("x-auth-user-id").is_some() {
        let message = "a page's script can ask it, and read who somebody is, signed";
        report.has(Fault::Asked, message);
    } else {
        report.ok("/api/auth/verify", "is asked by the proxy alone");
    }

    // A method that changes nothing in any application, and that no form can send.
    let report_method = Method::from_bytes(b"REPORT").unwrap_or(Method::DELETE);
    let lines = [
        ("origin", ELSEWHERE),
        ("sec-fetch-site", "cross-site"),
        ("x-forwarded-method", "GET"),
        ("x-original-method", "GET"),
    ];
    let reply = browser.send(report_method, &target, &lines, "").await?;
    match reply.status {
        200..=299 | 404 | 405 | 501 if reply.code().is_none() => {
            report.has(Fault::CrossSite, "another site's request passes that could change something");
        }
        _ => report.ok(
            "another site",
            format!("a request that could change something is refused ({})", reply.status),
        ),
    }

    let lines = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "a2V5d2FyZCBkb2N0b3IhIQ=="),
        ("origin", ELSEWHERE),
        ("sec-fetch-site", "cross-site"),
    ];
    let reply = browser.send(Method::GET, &target, &lines, "").await?;
    if reply.code().is_some() {
        report.ok("WebSocket", "one from another site is refused");
    } else {
        report.has(Fault::WebSocket, format!("one from another site passes ({})", reply.status));
    }

    forwarded_for(browser, report).await?;

    let kept = browser.jar();
    browser.go_back_to(Vec::new());
    let reply = browser.fetch(&target).await?;
    if reply.code().is_none() && reply.status < 300 {
        report.has(Fault::Kept, "what somebody got is shown to nobody in particular");
    } else {
        report.ok("caching", "what one person gets is kept from others");
    }
    browser.go_back_to(kept);

    browser.forget("keyward_access");
    let reply = browser.navigate(&format!("/api/auth/renew?next={}", encoded(&target)), &[]).await?;
    if browser.has("keyward_access") {
        report.ok("Set-Cookie", "a session is renewed on the way");
    } else {
        report.has(Fault::SetCookie, format!("renewing brings no cookie ({})", reply.status));
    }
    Ok(())
}

/// The address that Keyward knows of this session, which was begun with a forged one.
async fn forwarded_for(browser: &mut Browser, report: &mut Report) -> Result<(), Failure> {
    let reply = browser.fetch("/api/auth/sessions").await?;
    let sessions: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let current = sessions["sessions"].as_array().into_iter().flatten().find(|s| s["current"] == true);
    let Some(address) = current.and_then(|session| session["ip_address"].as_str()) else {
        report.has(Fault::OwnPaths, "/api/auth/sessions is not answered as Keyward does");
        return Ok(());
    };
    let is_inside = address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if address == SPOOFED {
        report.has(Fault::ForwardedFor, "a client's own X-Forwarded-For is believed");
    } else if is_inside && browser.is_far() {
        report.has(
            Fault::ForwardedFor,
            format!("everybody has the proxy's address, {address}, and shares one budget of logins"),
        );
    } else {
        report.ok("X-Forwarded-For", format!("the client is {address}"));
    }
    Ok(())
}

/// What reaches the application.
pub(super) async fn to_application(
    browser: &mut Browser,
    report: &mut Report,
    application: &Application,
) -> Result<(), Failure> {
    let target = browser.target();
    application.got();
    let mut forged: Vec<(String, &str)> = vec![("accept".to_owned(), "application/json")];
    forged.push(("sec-fetch-site".to_owned(), "same-origin"));
    for (name, _) in IDENTITY {
        forged.push((name.to_owned(), FORGED));
    }
    let lines: Vec<(&str, &str)> = forged.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let reply = browser.send(Method::GET, &target, &lines, "").await?;
    let got = application.got();
    let [headers] = got.as_slice() else {
        report.findings.push(super::Finding::error(
            "application",
            format!("nothing reached the doctor in its place; the proxy answered {}", reply.status),
            "give the address with --application that the proxy sends this path to",
        ));
        return Ok(());
    };
    let mut is_told = true;
    for (which, (name, _)) in IDENTITY.iter().enumerate() {
        let values = under(headers, &name.to_ascii_lowercase());
        // What may be empty may be left out, too.
        let must_be = matches!(*name, "X-Auth-User-Id" | "X-Auth-Session-Id" | "X-Auth-Assertion");
        if values.iter().any(|value| value.contains(FORGED)) {
            is_told = false;
            report.has(
                Fault::Identity(which),
                "a client's own copy reaches the application: anybody is anybody",
            );
        } else if must_be && values.iter().all(|value| value.is_empty()) {
            is_told = false;
            report.has(Fault::Identity(which), "the application is not told");
        }
    }
    if is_told {
        report.ok("identity headers", "the application is told who it is, by Keyward alone");
    }
    let secrets = browser.secrets();
    if headers.iter().any(|(_, value)| secrets.iter().any(|secret| value.contains(secret.as_str()))) {
        report.has(Fault::Token, "Keyward's cookies reach the application");
    } else {
        report.ok("tokens", "none reaches the application");
    }

    let aliases =
        [("accept", "application/json"), ("sec-fetch-site", "same-origin"), ("x_auth_user_id", FORGED)];
    browser.send(Method::GET, &target, &aliases, "").await?;
    let got = application.got();
    if got.iter().flatten().any(|(_, value)| value == FORGED) {
        report.has(Fault::Alias, "it reaches the application, which may read it as X-Auth-User-Id");
    } else {
        report.ok("X_Auth_User_Id", "and other look-alikes are dropped");
    }
    Ok(())
}

fn under<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

/// Signs out, and looks whether that holds at once.
pub(super) async fn signs_out(browser: &mut Browser, report: &mut Report) -> Result<(), Failure> {
    let target = browser.target();
    let kept = browser.jar();
    let origin = browser.origin();
    let lines = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    let reply = browser.send(Method::POST, "/api/auth/logout", &lines, "").await?;
    if reply.status != 200 {
        report
            .has(Fault::OwnPaths, format!("/api/auth/logout answers {}, not as Keyward does", reply.status));
        return Ok(());
    }
    browser.go_back_to(kept);
    let reply = browser.fetch(&target).await?;
    if reply.code().is_none() && reply.status < 400 {
        report.has(Fault::Kept, "who signed out still gets in: the proxy keeps answers of /api/auth/verify");
    } else {
        report.ok("logout", "holds on the next request");
    }
    Ok(())
}

/// As Keyward writes an address into a query.
fn encoded(text: &str) -> String {
    let one = |b: u8| {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    text.bytes().map(one).collect()
}
