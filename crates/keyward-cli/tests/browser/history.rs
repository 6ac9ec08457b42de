//! What do other tabs, the history and a way back show after a session?

use crate::binary::{Home, until};
use crate::support::{Browser, Fault, PATIENCE, SECRET, Share, Site, pass, seconds};

/// Where a private page notes what it shows: each frame that is drawn with its content in sight
/// after it came back, and whether it came out of the back/forward cache.
const WATCH: &str = "
    addEventListener('pageshow', ({ persisted }) => {
      if (!persisted) return;
      sessionStorage.restored = 'yes';
      const look = () => {
        if (document.querySelector('#data').checkVisibility()) sessionStorage.frames = 1 + Number(sessionStorage.frames || 0);
        requestAnimationFrame(look);
      };
      look();
    });";

/// R39: an application forgot to forbid that its private page is kept; it comes out of the
/// back/forward cache after a logout elsewhere. Not one frame of it is seen, and the login is next.
#[tokio::test]
async fn back_after_a_logout_shows_nothing() {
    let site = quiet().await;
    site.proxy.app().script("/app/watch.js", WATCH);
    let body = format!("<p id=data>{SECRET}</p>");
    site.proxy.app().careless_private_page("/app/careless", &["/app/watch.js", "/client/private.js"], &body);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/plain").await;
    tab.sign_in().await;
    tab.goto("/app/careless").await;
    tab.until(seconds(20), "document.querySelector('#data').checkVisibility()").await;
    tab.run("location.href = '/app/plain'").await;
    tab.until_at(seconds(20), "/app/plain").await;
    assert_eq!(tab.fetch("POST", "/api/auth/logout", None).await["status"], 200);
    tab.run("setTimeout(() => history.back())").await;
    tab.until_at(seconds(20), "/login").await;
    assert_eq!(tab.run("return sessionStorage.restored").await, "yes", "it was kept");
    assert_eq!(tab.run("return sessionStorage.frames || 'none'").await, "none");
    assert!(!tab.text().await.contains(SECRET));
}

/// R39 and R16: while signed in, the way back is as fast as ever: the page comes out of the cache
/// as it was, and nothing of the client kept it out.
#[tokio::test]
async fn back_while_signed_in_is_instant() {
    let site = quiet().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.open("/app/").await;
    tab.run("window.kept = 'the same page'; location.href = '/app/plain'").await;
    tab.until_at(seconds(20), "/app/plain").await;
    tab.run("setTimeout(() => history.back())").await;
    tab.until_at(seconds(20), "/app/").await;
    let reasons = "return performance.getEntriesByType('navigation')[0].notRestoredReasons";
    assert_eq!(tab.run(reasons).await, serde_json::Value::Null);
    assert_eq!(tab.run("return window.kept").await, "the same page");
    tab.until(seconds(20), "document.querySelector('#data').checkVisibility()").await;
    assert_eq!(tab.run_async("return window.load()").await, 200);
    assert_eq!(site.proxy.count("/login"), 0);
}

/// R39: a private page that may not be kept is asked for again, and not given.
#[tokio::test]
async fn back_to_a_page_that_was_not_kept_is_the_login() {
    let site = quiet().await;
    site.proxy.app().private_page(
        "/app/private",
        &["/client/private.js"],
        &format!("<p id=data>{SECRET}</p>"),
    );
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/plain").await;
    tab.sign_in().await;
    tab.goto("/app/private").await;
    assert!(tab.text().await.contains(SECRET));
    tab.run("location.href = '/app/plain'").await;
    tab.until_at(seconds(20), "/app/plain").await;
    assert_eq!(tab.fetch("POST", "/api/auth/logout", None).await["status"], 200);
    tab.run("setTimeout(() => history.back())").await;
    tab.until_at(seconds(20), "/login").await;
    assert!(!tab.text().await.contains(SECRET));
}

/// R38: a logout in one of five tabs is seen in all within 2 s; and a session that an administrator
/// ended, as soon as one tab hears of it. Back shows nothing.
#[tokio::test]
async fn every_tab_hears_of_the_end() {
    let site = quiet_with(Share::Half).await;
    let browser = Browser::start(&site).await;
    let mut tabs = vec![browser.tab()];
    for _ in 0..4 {
        tabs.push(browser.new_tab().await);
    }
    for by_admin in [false, true] {
        site.proxy.forget();
        tabs[0].open("/app/").await;
        for tab in &tabs {
            tab.goto("/app/").await;
            tab.until(seconds(20), "document.querySelector('#data').textContent").await;
        }
        let end = if by_admin {
            let listed = site.home.json(&["session", "list", crate::support::EMAIL, "--json"]);
            let id = listed["sessions"][0]["id"].as_str().expect("an id").to_owned();
            site.home.done(&["session", "revoke", &id]);
            let before = site.proxy.count("*");
            // Within a second the server knows; then the first request of a tab tells it.
            tabs[2].run("setInterval(() => window.load().catch(() => {}), 100)").await;
            tabs[4].until_at(seconds(20), "/login").await;
            let refused = site.proxy.seen("*").into_iter().skip(before).find(|seen| seen.status == 401);
            refused.expect("a refusal").at
        } else {
            tabs[2].run("window.kw.logout()").await;
            tabs[4].until_at(seconds(20), "/login").await;
            site.proxy.seen("/api/auth/logout")[0].at
        };
        for tab in &tabs {
            tab.until_at(seconds(20), "/login").await;
            assert!(!tab.text().await.contains(SECRET));
        }
        let arrived = site.proxy.seen("/login");
        assert_eq!(arrived.len(), 5);
        for seen in arrived {
            assert!(seen.at - end <= seconds(2), "{:?}", seen.at - end);
        }
    }
}

/// R40: a stream of events goes on while tokens are refreshed. When an administrator ends the session
/// it is closed within 2 s of the first refusal, by a page that is told of the end and by one that
/// leaves.
#[tokio::test]
async fn a_stream_outlives_refreshes_and_ends_with_the_session() {
    let site = Site::sharing(Share::Half, |home| {
        home.with("SESSIONS__IDLE_TIMEOUT", "1h")
            .with("TOKENS__ACCESS_TTL", "5m")
            .with("SESSIONS__ROTATION_WINDOW", "3s")
    })
    .await;
    let script = "
        import { createKeyward } from '/client/keyward.js';
        const kw = window.kw = createKeyward({ private: location.pathname === '/app/private' });
        window.ticks = 0;
        const stream = new EventSource('/app/stream' + location.pathname);
        stream.onmessage = () => { ticks += 1; };
        kw.onChange((session, change) => {
          if (change === 'session_end' && location.pathname === '/app/') stream.close();
        });";
    site.proxy.app().script("/app/live.js", script);
    for path in ["/app/", "/app/private"] {
        site.proxy.app().page(path, &["/app/live.js"], "<p>page</p>");
    }
    site.proxy.fault("/app/stream/*", Fault::Stream);
    let browser = Browser::start(&site).await;
    let (told, private) = (browser.tab(), browser.new_tab().await);
    told.goto("/app/").await;
    told.sign_in().await;
    for (tab, path) in [(&told, "/app/"), (&private, "/app/private")] {
        tab.goto(path).await;
        tab.until(seconds(20), "window.kw && kw.session.state === 'signed_in' && ticks > 0").await;
    }
    for _ in 0..3 {
        pass(seconds(4)).await;
        assert_eq!(told.run_async("return await kw.refresh()").await, true);
    }
    for tab in [&told, &private] {
        let before = tab.run("return ticks").await;
        tab.until(seconds(5), &format!("ticks > {before}")).await;
    }
    let streams = || {
        ["/app/stream/app/", "/app/stream/app/private"].map(|path| {
            let seen = site.proxy.seen(path);
            (seen.len(), seen.last().and_then(|seen| seen.hung_up))
        })
    };
    // The one that was there before anybody signed in is a page of its own.
    let [(first, None), (1, None)] = streams() else { panic!("{:?}", streams()) };

    let listed = site.home.json(&["session", "list", crate::support::EMAIL, "--json"]);
    let id = listed["sessions"][0]["id"].as_str().expect("an id").to_owned();
    site.home.done(&["session", "revoke", &id]);
    told.run("setInterval(() => kw.fetch('/api/auth/session').catch(() => {}), 100)").await;
    private.until_at(seconds(20), "/login").await;
    let refused = site.proxy.seen("/api/auth/*").into_iter().find(|seen| seen.status == 401);
    let end = refused.expect("a refusal").at;
    until(PATIENCE, "hung up", || streams().iter().all(|(_, hung_up)| hung_up.is_some()));
    for ((count, hung_up), page) in streams().into_iter().zip(["told", "private"]) {
        assert_eq!(count, if page == "told" { first } else { 1 }, "it was opened anew");
        let took = hung_up.expect("hung up").saturating_sub(end);
        assert!(took <= seconds(2), "{page}: {took:?}");
    }
}

/// R41: who opens a deep link signed out is brought back to it, its fragment included.
#[tokio::test]
async fn a_deep_link_survives_the_login() {
    let site = quiet().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    let link = "/app/?tab=2&q=%C3%BC%26b#part-3";
    tab.goto(link).await;
    tab.until_at(seconds(20), "/login").await;
    assert_eq!(tab.run("return new URLSearchParams(location.search).get('next')").await, link);
}

/// R41: wherever a link says that one should go on to, one stays here.
#[tokio::test]
async fn no_link_leads_away() {
    let site = quiet().await;
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    tab.goto("/app/plain").await;
    tab.sign_in().await;
    let hostile = [
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "\\/evil.test",
        "http://evil.test",
        "https://evil.test/a",
        "HTTPS:evil.test",
        "http:/evil.test",
        "http:evil.test",
        "/\tevil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "\t//evil.test",
        " //evil.test",
        "/.//evil.test/..//",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<h1>evil</h1>",
        "blob:http://evil.test/a",
        "file:///etc/passwd",
        "@evil.test",
        "//localhost@evil.test",
        "/%0d%0aLocation:%20//evil.test",
        "/\r\nSet-Cookie: a=b",
        "//evil.test:80\\@localhost",
        "http://localhost:1@evil.test",
        "/\u{2028}/evil.test",
        "//%65vil.test",
        "/..//evil.test",
        "",
    ];
    for next in hostile {
        for page in ["/api/auth/renew", "/login"] {
            let address =
                tab.run(&format!("return {page:?} + '?next=' + encodeURIComponent({next:?})")).await;
            tab.goto(address.as_str().expect("an address")).await;
            let at = tab.url().await;
            assert!(at.starts_with(&format!("{}/", site.origin())), "{page} {next:?} led to {at}");
            assert!(
                !tab.cookies().await.iter().any(|cookie| cookie["name"] == "a"),
                "{page} {next:?} set a cookie"
            );
        }
    }
}

/// A site where nothing ends by itself.
async fn quiet() -> Site {
    quiet_with(Share::Quarter).await
}

async fn quiet_with(share: Share) -> Site {
    let settings = |home: Home| home.with("SESSIONS__IDLE_TIMEOUT", "1h").with("TOKENS__ACCESS_TTL", "5m");
    let site = Site::sharing(share, settings).await;
    site.serve_app();
    site
}
