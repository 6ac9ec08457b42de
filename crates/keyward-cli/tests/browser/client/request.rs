//! Is a request of the page sent as it was meant, once or twice, and nobody else's touched?

use serde_json::{Value, json};

use super::{beforehand, expire, open, pages, patient, sign_in, signed_in};
use crate::support::{Browser, Fault, Site, pass, seconds};

const REFRESH: &str = "/api/auth/refresh";
const DATA: &str = "/app/data";

#[tokio::test]
async fn who_is_not_signed_in_costs_no_request() {
    let site = Site::with(patient).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    open(&tab, "/app/").await;
    tab.run("for (const name of ['focus', 'online', 'pageshow']) dispatchEvent(new Event(name))").await;
    tab.typed("#text", "x").await;
    tab.run_async("return await kw.refresh()").await;
    assert_eq!(site.proxy.count("/api/*"), 0);
    assert_eq!(tab.run("return kw.session.state").await, "signed_out");

    // A hint of nothing: asked for once, and dropped.
    tab.run("document.cookie = 'keyward_hint=v1.AAAAAAAAAAAAAAAA.9999999999.9999999999; Path=/'").await;
    tab.reload().await;
    tab.until(seconds(20), "window.settled && !document.cookie.includes('keyward_hint')").await;
    pass(seconds(2)).await;
    assert_eq!(site.proxy.count("/api/*"), 2, "the session, and a refresh");
    assert_eq!(
        tab.run("return [kw.session.state, kw.session.reason]").await,
        json!(["signed_out", "missing_token"])
    );
}

#[tokio::test]
async fn fifty_calls_share_one_refresh_and_a_second_refusal_is_the_callers() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/").await;
    // A lock would keep them apart as well, where there is one.
    beforehand(&tab, "delete Navigator.prototype.locks;").await;
    open(&tab, "/app/").await;
    expire(&tab, &site).await;
    site.proxy.forget();
    let script = "const all = await Promise.all(Array.from({ length: 50 }, () => kw.fetch('/app/data')));
        return all.filter((answer) => answer.status === 200).length;";
    assert_eq!(tab.run_async(script).await, 50);
    assert_eq!(site.proxy.count(REFRESH), 1);

    site.proxy.forget();
    let refusal = Fault::Answer(
        401,
        "application/problem+json",
        "X-Keyward-Error: token_stale\r\n",
        r#"{"code":"token_stale"}"#,
    );
    site.proxy.fault(DATA, refusal);
    assert_eq!(tab.run_async("return (await kw.fetch('/app/data')).status").await, 401);
    assert_eq!((site.proxy.count(DATA), site.proxy.count(REFRESH)), (2, 1));
    assert_eq!(tab.run("return kw.session.state").await, "signed_in");
}

#[tokio::test]
async fn a_body_is_sent_twice_to_the_byte() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/").await;
    for body in [
        "JSON.stringify({ text: 'x\u{e9}'.repeat(500000) })",
        "(() => { const form = new FormData(); form.append('a', 'b'); form.append('f', new Blob(['y'.repeat(200000)]), 'f.txt'); return form; })()",
        "new Blob([new Uint8Array(300000).map((_, i) => i)])",
        "new URLSearchParams({ a: '1', b: '\u{e9}' })",
    ] {
        expire(&tab, &site).await;
        site.proxy.forget();
        let script =
            format!("return (await kw.fetch('/app/data', {{ method: 'POST', body: {body} }})).status");
        assert_eq!(tab.run_async(&script).await, 200, "{body}");
        let seen = site.proxy.seen(DATA);
        assert_eq!(seen.len(), 2, "{body}");
        assert!(!seen[0].body.is_empty() && seen[0].body == seen[1].body, "{body}");
        assert_eq!(seen[0].header("content-type"), seen[1].header("content-type"));
    }
    // Chromium sends streams over HTTP/2 alone: the answer is made here.
    expire(&tab, &site).await;
    let script = "const real = fetch;
        window.fetch = (request, init) => request.url?.endsWith('/app/data')
          ? Promise.resolve(new Response('', { status: 401, headers: { 'X-Keyward-Error': 'token_expired' } }))
          : real(request, init);
        try {
          const body = new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close(); } });
          await kw.fetch('/app/data', { method: 'POST', body, duplex: 'half' });
        } catch (error) { return [error instanceof KeywardError, error.code]; } finally { window.fetch = real; }";
    assert_eq!(tab.run_async(script).await, json!([true, "body_not_replayable"]));
}

#[tokio::test]
async fn what_is_not_keywards_is_left_alone() {
    let site = Site::with(patient).await;
    let (browser, tab) = signed_in(&site, "/app/").await;
    site.proxy.forget();
    site.proxy.fault(DATA, Fault::unmarked_401());
    assert_eq!(tab.run_async("return (await kw.fetch('/app/data')).status").await, 401);
    site.proxy.heal();
    let script = "const real = fetch, sent = [];
        window.fetch = (request) => {
          sent.push([request.url, [...request.headers].length, request.credentials]);
          return Promise.resolve(new Response('', { status: 401, headers: { 'X-Keyward-Error': 'token_expired' } }));
        };
        const { status } = await kw.fetch('https://api.example.com/x');
        window.fetch = real;
        return [status, sent];";
    let foreign = json!([401, [["https://api.example.com/x", 0, "same-origin"]]]);
    assert_eq!(tab.run_async(script).await, foreign);
    assert_eq!((site.proxy.count(DATA), site.proxy.count(REFRESH)), (1, 0));
    assert_eq!(tab.run("return /native code/.test(String(fetch)) && /native code/.test(String(XMLHttpRequest.prototype.send))").await, true);

    // A wrong password at a reauthentication is no reason to ask twice.
    let wrong = "try { await kw.reauthenticate('Wrong-Password-1') } catch (error) { return [error.code, error.status] }";
    assert_eq!(tab.run_async(wrong).await, json!(["invalid_credentials", 401]));
    assert_eq!((site.proxy.count("/api/auth/reauthenticate"), site.proxy.count(REFRESH)), (1, 0));

    let console = browser.console().await;
    for secret in ["kwr_", "eyJ", "Content Security Policy"] {
        assert!(!console.iter().any(|line| line.contains(secret)), "{console:?}");
    }
}

#[tokio::test]
async fn a_listener_may_call_the_client_and_none_breaks_another() {
    let site = Site::with(patient).await;
    let (_browser, tab) = signed_in(&site, "/app/").await;
    let script = "kw.onChange(() => { throw new Error('mine'); });
        const seen = new Promise((done) => kw.onChange(async () => done([(await kw.fetch('/app/data')).status, await kw.refresh()])));
        // Else it would wait for itself: a lock is waited for so long.
        const stuck = new Promise((done) => setTimeout(done, 3000, 'stuck'));
        return await Promise.race([kw.refresh().then(() => seen), stuck]);";
    assert_eq!(tab.run_async(script).await, json!([200, true]));
}

#[tokio::test]
async fn people_sign_up_prove_themselves_and_sign_out_everywhere() {
    let site = Site::with(patient).await;
    pages(&site);
    let browser = Browser::start(&site).await;
    let tab = browser.tab();
    open(&tab, "/app/").await;
    let weak = "try { await kw.signup({ email: 'new@example.com', password: 'short' }) }
        catch (error) { return [error.code, error.status, error.errors[0].field, error instanceof KeywardError] }";
    assert_eq!(tab.run_async(weak).await, json!(["validation_failed", 422, "password", true]));
    let signup = "const session = await kw.signup({ email: 'new@example.com', password: 'Compilers4all' });
        return [session.state, session.user.email, session.user.token, session.idleExpiresAt > Date.now()]";
    assert_eq!(tab.run_async(signup).await, json!(["signed_in", "new@example.com", Value::Null, true]));
    let again = "return (await kw.reauthenticate('Compilers4all')).state";
    assert_eq!(tab.run_async(again).await, "signed_in");
    let other = Browser::start(&site).await;
    let elsewhere = other.tab();
    open(&elsewhere, "/app/").await;
    let login = "return (await kw.login({ email: 'new@example.com', password: 'Compilers4all' })).state";
    assert_eq!(elsewhere.run_async(login).await, "signed_in");
    tab.run_async("await kw.logoutAll()").await;
    assert_eq!(tab.run("return [kw.session.state, told]").await["0"], Value::Null);
    assert_eq!(tab.run("return kw.session.state").await, "signed_out");
    assert_eq!(elsewhere.run_async("return (await kw.fetch('/app/data')).status").await, 401);
    elsewhere
        .until(seconds(20), "kw.session.state === 'signed_out' && kw.session.reason === 'session_revoked'")
        .await;
    sign_in(&elsewhere).await;
}

#[tokio::test]
async fn axios_gets_the_same() {
    let site = Site::with(patient).await;
    let axios = crate::support::tool("axios/dist/esm/axios.min.js");
    site.proxy.app().script("/app/axios.js", &axios);
    let (_browser, tab) = signed_in(&site, "/app/").await;
    expire(&tab, &site).await;
    site.proxy.forget();
    let script = "const { default: axios } = await import('/app/axios.js');
        const { withKeyward } = await import('/client/axios.js');
        const take = withKeyward(axios, kw);
        const form = new FormData(); form.append('a', 'b');
        const answers = await Promise.all([axios.get('/app/data'), axios.post('/app/data', { a: 1 }), axios.post('/app/data', form)]);
        const wrong = await axios.post('/api/auth/reauthenticate', { password: 'Wrong-Password-1' }).catch((error) => error.response.status);
        take();
        return [answers.map((answer) => answer.status), wrong];";
    assert_eq!(tab.run_async(script).await, json!([[200, 200, 200], 401]));
    assert!((1..=3).contains(&site.proxy.count(REFRESH)));
    assert_eq!(site.proxy.count("/api/auth/reauthenticate"), 1);
    let posts: Vec<_> = site.proxy.seen(DATA).into_iter().filter(|seen| seen.method == "POST").collect();
    assert_eq!(posts.len(), 4);
    assert_eq!(posts.iter().filter(|seen| seen.body == br#"{"a":1}"#).count(), 2);
}
