//! What can a hostile script, a hostile site and a hostile neighbour do?

use serde_json::{Value, json};

use crate::support::{Browser, EMAIL, PASSWORD, SECRET, Site, Tab};

/// A script that runs in a private page may act for as long as it runs, but takes no token with it:
/// it looks at cookies, storage, what the page loaded, its globals, and at every answer, heads
/// included, of every route that Keyward documents.
#[tokio::test]
async fn an_injected_script_finds_no_token() {
    let site = Site::encrypted().await;
    site.serve_app();
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    let mut secrets = secrets(&tab).await;
    assert_eq!(secrets.len(), 2);
    let script = format!(
        r#"
        const loot = [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
        loot.push(JSON.stringify(await indexedDB.databases()), JSON.stringify(await caches.keys()));
        loot.push(JSON.stringify(performance.getEntries()));
        loot.push(document.documentElement.outerHTML);
        if (window.cookieStore) loot.push(JSON.stringify(await cookieStore.getAll()));
        const walked = new Set();
        const walk = (value, depth) => {{
          if (value === null || walked.has(value) || depth > 4) return;
          if (typeof value === 'string') loot.push(value);
          if (typeof value !== 'object' && typeof value !== 'function') return;
          walked.add(value);
          for (const key of Reflect.ownKeys(value)) {{
            try {{ walk(value[key], depth + 1); }} catch {{}}
          }}
        }};
        walk(window.kw, 0);
        for (const key of Reflect.ownKeys(window)) {{ try {{ walk(window[key], 2); }} catch {{}} }}

        const asked = [];
        const ask = async (method, path, body, headers) => {{
          try {{
            const answer = await fetch(path, {{ method, body, headers: {{ 'Content-Type': 'application/json', ...headers }} }});
            asked.push(`${{method}} ${{path}} ${{answer.status}}`);
            loot.push(JSON.stringify([...answer.headers]), await answer.text());
            return answer.status;
          }} catch (error) {{ asked.push(`${{method}} ${{path}} ${{error}}`); }}
        }};
        const {{ paths }} = await (await fetch('/openapi.json')).json();
        const skipped = /logout|revocations|password\/change/;
        const login = JSON.stringify({{ email: {EMAIL:?}, password: {PASSWORD:?} }});
        for (const [path, methods] of Object.entries(paths)) {{
          for (const method of Object.keys(methods).filter((name) => /^(get|post|put|patch|delete)$/.test(name))) {{
            if (skipped.test(path)) continue;
            const body = method === 'get' ? undefined : path.endsWith('/reauthenticate') ? JSON.stringify({{ password: {PASSWORD:?} }}) : '{{}}';
            await ask(method.toUpperCase(), path.replace(/{{[^}}]*}}/g, '00000000-0000-7000-8000-000000000000'), body);
          }}
        }}
        // Whatever might make the server put a token into a body.
        const bearer = JSON.stringify({{ email: {EMAIL:?}, password: {PASSWORD:?}, transport: 'bearer' }});
        const refused = [];
        for (const [path, body, headers] of [
          ['/api/auth/login', bearer], ['/api/auth/signup', bearer.replace('ada@', 'eve@')],
          ['/api/auth/login', login, {{ 'X-Requested-With': 'mobile', 'User-Agent': 'curl/8' }}],
          ['/api/auth/refresh', '{{"transport":"bearer"}}'], ['/api/auth/refresh', '{{"refresh_token":null}}'],
          ['/api/auth/introspect', 'token=x'], ['/api/auth/login', login],
        ]) refused.push(await ask('POST', path, body, headers));
        return {{ loot, asked, refused }};
        "#
    );
    let found = tab.run_async(&script).await;
    assert_eq!(found["refused"][0], 403, "{found}");
    assert_eq!(found["refused"][1], 403, "{found}");
    let asked = found["asked"].as_array().expect("a list");
    assert!(asked.len() > 30, "{asked:?}");
    assert!(asked.iter().any(|line| line == "POST /api/auth/refresh 200"), "{asked:?}");
    assert!(asked.iter().any(|line| line == "GET /api/auth/session 200"), "{asked:?}");
    // And those that came meanwhile: it refreshed, and signed in anew.
    secrets.extend(self::secrets(&tab).await);
    assert!(secrets.iter().any(|secret| holds_refresh_token(secret)), "what is looked for is known");
    for piece in found["loot"].as_array().expect("a list") {
        let piece = piece.as_str().unwrap_or_default();
        assert!(!holds_refresh_token(piece), "a refresh token: {piece}");
        for secret in &secrets {
            let tail = &secret[secret.len() - 40..];
            assert!(!piece.contains(tail), "a token: {piece}");
        }
    }
    let console = browser.console().await.join("\n");
    assert!(
        !holds_refresh_token(&console) && !secrets.iter().any(|secret| console.contains(secret)),
        "{console}"
    );
}

/// Another site's forms, requests and frames: nothing changes, and nobody is signed out or in.
#[tokio::test]
async fn another_site_can_do_nothing() {
    let site = Site::with(|home| home.with("SESSIONS__IDLE_TIMEOUT", "1h")).await;
    site.serve_app();
    site.proxy.app().page("/app/evil", &[], "<h1>Evil</h1>");
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    let before = tab.cookies().await;
    let evil = format!("http://evil.test:{}/app/evil", site.proxy.port());
    let mallory = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    for path in [
        "/api/auth/logout",
        "/api/auth/logout-all",
        "/api/auth/refresh",
        "/api/auth/login",
        "/api/auth/signup",
        "/login",
    ] {
        tab.goto(&evil).await;
        // A form that sends JSON under another name, as a navigation: that carries most.
        let submit = format!(
            "const form = Object.assign(document.createElement('form'), {{
               method: 'post', action: '{}{path}', enctype: 'text/plain' }});
             form.append(Object.assign(document.createElement('input'), {{ name: {mallory:?}.slice(0, -1) + ',\"a\":\"', value: '\"}}' }}));
             document.body.append(form);
             setTimeout(() => form.submit());",
            site.origin()
        );
        tab.run(&submit).await;
        tab.until(crate::support::PATIENCE, &format!("location.origin === {:?}", site.origin())).await;
        let seen = site.proxy.seen(path).pop().expect("it was sent");
        assert_eq!((seen.method.as_str(), seen.header("sec-fetch-site")), ("POST", Some("cross-site")));
        assert_eq!(seen.status, 403, "{path}");
    }
    tab.goto(&evil).await;
    let requests = format!(
        "const results = [];
         for (const [path, method] of [['/api/auth/logout', 'POST'], ['/api/auth/session', 'GET'], ['/api/auth/activity', 'POST']]) {{
           for (const mode of ['cors', 'no-cors']) {{
             try {{
               const answer = await fetch('{}' + path, {{ method, mode, credentials: 'include' }});
               results.push(answer.type + (await answer.text()));
             }} catch {{ results.push('refused'); }}
           }}
         }}
         return results;",
        site.origin()
    );
    let results = tab.run_async(&requests).await;
    assert!(!results.to_string().contains(EMAIL), "{results}");
    assert_eq!(results, json!(vec!["refused"; 6]), "not even that there is an answer");
    tab.goto("/app/plain").await;
    let session = tab.fetch("POST", "/api/auth/refresh", None).await;
    assert_eq!(session["status"], 200, "{session}");
    assert_eq!(named(&tab.cookies().await, "keyward_hint")[..20], named(&before, "keyward_hint")[..20]);
    assert_eq!(site.open_sessions(), 1);
}

/// A neighbouring host plants its own session's cookies, and worthless ones, for the whole domain:
/// nobody is signed in as somebody else, and nobody is locked out.
#[tokio::test]
async fn a_neighbour_can_plant_nothing() {
    let site = Site::encrypted().await;
    site.serve_app();
    site.home.user("mallory@example.com");
    site.proxy.app().page("/app/evil", &[], "<h1>Evil</h1>");
    // Mallory's own tokens, from a browser of her own.
    let other = Browser::start(&site).await;
    let theirs = other.tab();
    theirs.goto("/app/plain").await;
    let login = json!({ "email": "mallory@example.com", "password": PASSWORD });
    assert_eq!(theirs.fetch("POST", "/api/auth/login", Some(login)).await["status"], 200);
    let planted = theirs.cookies().await;
    drop(other);

    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    let evil = format!("https://evil.keyward.test:{}/app/evil", site.proxy.port());
    for signed_in in [false, true] {
        if signed_in {
            tab.goto("/app/plain").await;
            tab.sign_in().await;
        }
        tab.goto(&evil).await;
        for cookie in &planted {
            let (name, value) = (text(cookie, "name"), text(cookie, "value"));
            for path in ["/", "/api", "/api/auth"] {
                for value in [value, "worthless"] {
                    let plant = format!(
                        "document.cookie = '{name}={value}; Domain=keyward.test; Path={path}; Secure; Max-Age=600'"
                    );
                    tab.run(&plant).await;
                }
            }
        }
        tab.goto("/app/plain").await;
        let told = tab.fetch("GET", "/api/auth/session", None).await;
        let renewed = tab.fetch("POST", "/api/auth/refresh", None).await;
        if signed_in {
            assert_eq!(told["body"]["email"], EMAIL, "{told}");
            assert_eq!(
                (&renewed["status"], &renewed["body"]["email"]),
                (&200.into(), &EMAIL.into()),
                "{renewed}"
            );
        } else {
            assert_eq!((&told["status"], &renewed["status"]), (&401.into(), &401.into()), "{told} {renewed}");
        }
        let data = tab.fetch("GET", "/app/data", None).await;
        assert_eq!(data.to_string().contains(SECRET), signed_in, "{data}");
    }
    let sent = site.proxy.seen("/api/auth/refresh").pop().expect("it was sent");
    let sent = sent.header("cookie").expect("cookies").matches("__Secure-keyward_refresh=").count();
    assert!(sent > 1, "the planted ones were sent as well");
}

/// Any at all. Documents that only say what one begins with hold none, nor do public keys, in which these
/// four characters may stand by chance: 90 more, and no others, are in a token.
fn holds_refresh_token(text: &str) -> bool {
    let is_of_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let token = |rest: &str| rest.bytes().take_while(is_of_one).count() == 90;
    text.split("kwr_").skip(1).any(token)
}

/// The values of access and refresh token.
async fn secrets(tab: &Tab) -> Vec<String> {
    let cookies = tab.cookies().await;
    let secret = |cookie: &&Value| cookie["httpOnly"] == true;
    cookies.iter().filter(secret).map(|cookie| text(cookie, "value").to_owned()).collect()
}

fn named<'a>(cookies: &'a [Value], name: &str) -> &'a str {
    text(cookies.iter().find(|cookie| cookie["name"] == name).expect("a cookie"), "value")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().expect("text")
}
