//! Do the hosted pages work for people, whatever they have: a keyboard, no script, a phone?

mod forms;
pub(crate) mod looks;

use crate::binary::Home;
use crate::support::{EMAIL, PASSWORD, Site, Tab, seconds};

/// A site whose sessions last as long as they do where nothing else is set.
async fn site() -> Site {
    Site::with(ordinary).await
}

pub(crate) fn ordinary(home: Home) -> Home {
    home.with("TOKENS__ACCESS_TTL", "15m")
        .with("SESSIONS__REFRESH_BEFORE", "5m")
        .with("SESSIONS__IDLE_TIMEOUT", "60m")
        .with("RATE_LIMITS__SIGNUP", "off")
}

/// Signs in by the form, and ends at that page.
async fn sign_in(tab: &Tab, next: &str) {
    tab.goto(&format!("/login?next={next}")).await;
    tab.typed("#email", EMAIL).await;
    tab.typed("#password", PASSWORD).await;
    tab.click("button.primary").await;
    tab.until_at(seconds(30), next).await;
}
