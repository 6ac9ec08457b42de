//! What can be done in a tab, and seen in it?

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::{By, WebDriver, WebElement, WindowHandle};

use super::{EMAIL, PASSWORD, PATIENCE, now, pass};

/// How often a page is looked at by what waits for something in it.
const GLANCE: Duration = Duration::from_millis(50);

/// A tab of a browser. One of several is switched to before anything is done in it, without being
/// brought to the front.
#[derive(Clone)]
pub(crate) struct Tab {
    driver: WebDriver,
    window: WindowHandle,
    origin: String,
}

impl Tab {
    pub(super) fn new(driver: WebDriver, window: WindowHandle, origin: &str) -> Self {
        Self { driver, window, origin: origin.to_owned() }
    }

    /// The WebDriver session with this tab chosen, for all that is not here.
    pub(crate) async fn driver(&self) -> &WebDriver {
        self.driver.switch_to_window(self.window.clone()).await.expect("the tab is open");
        &self.driver
    }

    /// Goes to a path of the site, or to a whole address.
    pub(crate) async fn goto(&self, path: &str) {
        let address = if path.starts_with('/') { format!("{}{path}", self.origin) } else { path.to_owned() };
        self.driver().await.goto(&address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    pub(crate) async fn back(&self) {
        self.driver().await.back().await.expect("gone back");
    }

    pub(crate) async fn reload(&self) {
        self.driver().await.refresh().await.expect("loaded");
    }

    pub(crate) async fn url(&self) -> String {
        self.driver().await.current_url().await.expect("an address").to_string()
    }

    /// Hides it, with its window, or shows it again; the page is told.
    pub(crate) async fn hide(&self, hidden: bool) {
        let window = self.cdp("Browser.getWindowForTarget", json!({})).await["windowId"].clone();
        let state = if hidden { "minimized" } else { "normal" };
        let bounds = json!({ "windowId": window, "bounds": { "windowState": state } });
        self.cdp("Browser.setWindowBounds", bounds).await;
    }

    /// What pages take for the time is off by so many milliseconds, in what is loaded from now on.
    /// (Chromium does not run under faketime. The cookies keep to the right time.)
    pub(crate) async fn clock(&self, offset: i64) {
        let script = format!(
            "Date = class extends Date {{
               constructor(...given) {{ given.length ? super(...given) : super(Date.now()); }}
               static now() {{ return super.now() + ({offset}); }}
             }};"
        );
        self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// The clock of the page that is open leaps, ahead or back.
    pub(crate) async fn leap(&self, seconds: i64) {
        let script = format!("const now = Date.now; Date.now = () => now.call(Date) + {seconds} * 1000;");
        self.run(&script).await;
    }

    pub(crate) async fn close(&self) {
        self.driver().await.close_window().await.expect("closed");
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let result = self.driver().await.execute(script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// The same of an async function, which is waited for. What it throws comes as `{thrown}`.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async () => {{ {script} }})().then(
               (value) => done(value === undefined ? null : value),
               (error) => done({{ thrown: String(error), code: error && error.code }}));"
        );
        let result = self.driver().await.execute_async(&script, Vec::new()).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Calls Keyward or the application from the page; gives `{status, body}`.
    pub(crate) async fn fetch(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let sent = body.map_or_else(String::new, |body| {
            format!(r#", headers: {{"Content-Type": "application/json"}}, body: {:?}"#, body.to_string())
        });
        let script = format!(
            "const answer = await fetch({path:?}, {{method: {method:?}{sent}}});
             const text = await answer.text();
             let body = text; try {{ body = JSON.parse(text); }} catch {{}}
             return {{ status: answer.status, body }};"
        );
        self.run_async(&script).await
    }

    /// Signs in from a page of the site, without the login page.
    pub(crate) async fn sign_in(&self) {
        let answer = self
            .fetch("POST", "/api/auth/login", Some(json!({ "email": EMAIL, "password": PASSWORD })))
            .await;
        assert_eq!(answer["status"], 200, "{answer}");
    }

    /// Signs in, and opens the private page at this path of the application; waits for its content.
    pub(crate) async fn open(&self, path: &str) {
        self.goto("/app/plain").await;
        self.sign_in().await;
        self.goto(path).await;
        self.until(
            PATIENCE,
            "document.querySelector('#data').textContent && window.kw.session.state === 'signed_in'",
        )
        .await;
    }

    /// Looks until this expression is true in the page; how long that took. Not to be within `cap`
    /// is a failure.
    pub(crate) async fn until(&self, cap: Duration, expression: &str) -> Duration {
        let start = now();
        let script = format!("return Boolean({expression})");
        loop {
            // While a page is being left, there is none to ask.
            let result = self.driver().await.execute(&script, Vec::new()).await;
            let holds = result.is_ok_and(|result| result.json() == true);
            let took = now() - start;
            if holds && took <= cap {
                return took;
            }
            if took > cap {
                panic!("{expression} took {took:?} at {}: {}", self.url().await, self.text().await);
            }
            pass(GLANCE).await;
        }
    }

    /// Looks until its path is this; how long that took.
    pub(crate) async fn until_at(&self, cap: Duration, path: &str) -> Duration {
        self.until(cap, &format!("location.pathname === {path:?}")).await
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        let text = self.run("return document.body ? document.body.innerText : ''").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        let found = self.driver().await.find(By::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Types as a keyboard does: trusted events.
    pub(crate) async fn typed(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.expect("typed");
    }

    /// Clicks as a mouse does.
    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.expect("clicked");
    }

    /// All cookies for Keyward with all they carry, `HttpOnly` ones, too: `[{name, value, …}]`.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let address = format!("{}/api/auth/refresh", self.origin);
        let cookies = self.cdp("Network.getCookies", json!({ "urls": [address] })).await;
        cookies["cookies"].as_array().cloned().unwrap_or_default()
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let result = self.driver().await.cdp().send_raw(command, parameters).await;
        result.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Freezes it as a browser does with tabs of the background; or thaws it.
    pub(crate) async fn freeze(&self, frozen: bool) {
        let state = if frozen { "frozen" } else { "active" };
        self.cdp("Page.setWebLifecycleState", json!({ "state": state })).await;
    }

    /// Takes its network away: `navigator.onLine` is false then; or gives it back.
    pub(crate) async fn offline(&self, offline: bool) {
        self.cdp("Network.enable", json!({})).await;
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.cdp("Network.emulateNetworkConditions", conditions).await;
    }

    /// Sets its size and the colours that the person prefers: "light" or "dark".
    pub(crate) async fn look(&self, width: u32, height: u32, colours: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.cdp("Emulation.setEmulatedMedia", media).await;
    }

    /// Writes what is seen to `target/screenshots/NAME.png`; gives the picture.
    pub(crate) async fn screenshot(&self, name: &str) -> Vec<u8> {
        let picture = self.driver().await.screenshot_as_png().await.expect("a picture");
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), &picture).expect("written");
        picture
    }

    /// What axe finds wrong for people with a disability, a line each.
    pub(crate) async fn axe(&self) -> Vec<String> {
        super::axe::violations(self).await
    }
}

/// Where cargo builds.
pub(super) fn target() -> PathBuf {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    set.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}
