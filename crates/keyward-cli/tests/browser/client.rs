//! Does the browser client keep a session as long as it should, and not a moment longer?

mod activity;
mod failure;
mod flight;
mod request;

use serde_json::json;

use crate::binary::Home;
use crate::support::{Browser, Site, Tab, seconds};

/// Nothing ends by itself while a test looks elsewhere.
fn patient(home: Home) -> Home {
    home.with("TOKENS__ACCESS_TTL", "5m").with("SESSIONS__IDLE_TIMEOUT", "60m")
}

/// A page that anybody may see, `/app/`, and one that is left without a session, `/app/private`.
/// `window.kw` is the client and `window.told` what it said.
fn pages(site: &Site) {
    for (path, options) in [("/app/", "{}"), ("/app/private", "{ private: true }")] {
        let script = format!(
            "import {{ createKeyward, KeywardError }} from '/client/keyward.js';
             window.told = [];
             window.kw = createKeyward({options});
             window.KeywardError = KeywardError;
             kw.onChange((session, change) => told.push(change));
             kw.ready.then(() => {{ window.settled = true; }});"
        );
        let name = format!("{path}{}.js", if path == "/app/" { "main" } else { "" });
        site.proxy.app().script(&name, &script);
        site.proxy.app().page(
            path,
            &[&name],
            "<main><h1>App</h1><label>Text <textarea id=text></textarea></label></main>",
        );
    }
}

async fn open(tab: &Tab, path: &str) {
    tab.goto(path).await;
    tab.until(seconds(20), "window.settled").await;
}

async fn sign_in(tab: &Tab) {
    tab.sign_in().await;
    tab.reload().await;
    tab.until(seconds(20), "window.settled && kw.session.state === 'signed_in'").await;
}

/// The access cookie is gone, as when its time is over.
async fn expire(tab: &Tab, site: &Site) {
    tab.cdp("Network.deleteCookies", json!({ "name": "keyward_access", "url": site.origin() })).await;
}

/// Runs in every page that is loaded in this tab from now on, before its own scripts.
async fn beforehand(tab: &Tab, script: &str) {
    tab.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
}

/// A browser with one page of the application, signed in.
async fn signed_in(site: &Site, path: &str) -> (Browser, Tab) {
    pages(site);
    let browser = Browser::start(site).await;
    let tab = browser.tab();
    tab.goto("/app/").await;
    tab.sign_in().await;
    open(&tab, path).await;
    tab.until(seconds(20), "kw.session.state === 'signed_in'").await;
    (browser, tab)
}
