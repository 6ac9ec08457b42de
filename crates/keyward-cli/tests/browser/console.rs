//! Can an administrator work in the console, on whatever screen, with what a day of real people leaves?

mod day;
mod looks;
mod walk;

use std::path::Path;

use crate::support::{EMAIL, PASSWORD, Site, Tab, seconds};

/// A site whose clock is as far off as this file says, with an administrator, [`EMAIL`].
async fn site(clock: &Path) -> Site {
    let site = Site::with(|home| {
        super::pages::ordinary(home).with_clock(clock).with("SERVER__TRUSTED_PROXIES", "127.0.0.1/32")
    })
    .await;
    site.home.done(&["user", "roles", EMAIL, "admin", "user"]);
    site
}

/// Signs the administrator in by the form, on the way to a page of the console.
async fn sign_in(tab: &Tab, next: &str) {
    tab.goto(next).await;
    tab.until_at(seconds(30), "/login").await;
    tab.typed("#email", EMAIL).await;
    tab.typed("#password", PASSWORD).await;
    tab.click("button.primary").await;
    tab.until_at(seconds(30), next).await;
}
