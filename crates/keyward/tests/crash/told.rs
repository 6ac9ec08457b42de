//! What does a client know? What it was told, and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A client alone with its jar.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) email: String,
    pub(crate) has_account: bool,
    pub(crate) live: Option<Live>,
    /// It asked to be signed out and was not answered.
    pub(crate) asks_to_sign_out: bool,
    /// Every refresh token of the session that it was ever given.
    given: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) session: String,
    pub(crate) refresh_token: String,
    pub(crate) access_token: String,
}

impl Client {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            email: format!("client{n}@example.com"),
            has_account: false,
            live: None,
            asks_to_sign_out: false,
            given: Vec::new(),
        }
    }

    /// What the child has to know of it.
    pub(crate) fn state(&self) -> Value {
        json!({
            "email": self.email,
            "has_account": self.has_account,
            "refresh_token": self.live.as_ref().map(|live| &live.refresh_token),
            "access_token": self.live.as_ref().map(|live| &live.access_token),
        })
    }

    pub(crate) fn signed_in(&mut self, session: String, refresh_token: String, access_token: String) {
        self.has_account = true;
        self.given = vec![refresh_token.clone()];
        self.live = Some(Live { session, refresh_token, access_token });
    }

    /// An empty refresh token means that it keeps the one that it has.
    pub(crate) fn refreshed(&mut self, session: &str, refresh_token: String, access_token: String) {
        let live = self.live.as_mut().expect("who refreshes is signed in");
        assert_eq!(live.session, session);
        live.access_token = access_token;
        if !refresh_token.is_empty() {
            self.given.push(refresh_token.clone());
            live.refresh_token = refresh_token;
        }
    }

    pub(crate) fn signed_out(&mut self) -> Option<(String, String, String)> {
        self.asks_to_sign_out = false;
        self.live.take().map(|live| (live.session, live.refresh_token, live.access_token))
    }

    /// A token that was replaced, and the one after it as well.
    pub(crate) fn copied(&self) -> Option<String> {
        self.given.iter().rev().nth(2).cloned()
    }
}

/// The generation that a refresh token says, which is this session's.
pub(crate) fn generation(token: &str, session: &str) -> u64 {
    let bytes =
        URL_SAFE_NO_PAD.decode(token.strip_prefix("kwr_").expect("a refresh token")).expect("base64url");
    let id: [u8; 16] = bytes[3..19].try_into().expect("sixteen bytes");
    assert_eq!(keyward::core::id::SessionId::from_bytes(id).to_string(), session);
    u64::from_be_bytes(bytes[19..27].try_into().expect("eight bytes"))
}
