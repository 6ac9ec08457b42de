//! What does a client do, and what does it know? What it was answered, and nothing else.

use std::collections::HashSet;
use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::dice::Dice;
use crate::support::{Answer, PASSWORD, ask, text};

/// Where a client asks, and whom it tells that it was answered.
pub(crate) struct Asked<'a> {
    pub(crate) address: &'a str,
    pub(crate) tell: &'a Sender<()>,
}

impl Asked<'_> {
    fn post(&self, what: &str, body: &Value) -> io::Result<Answer> {
        let answer = post(self.address, what, body)?;
        // Whoever counted as many as it wanted has gone.
        let _ = self.tell.send(());
        Ok(answer)
    }
}

fn post(address: &str, what: &str, body: &Value) -> io::Result<Answer> {
    ask(address, "POST", &format!("/api/auth/{what}"), None, Some(body))
}

fn session(address: &str, access_token: &str) -> io::Result<Answer> {
    ask(address, "GET", "/api/auth/session", Some(access_token), None)
}

/// A client alone with its jar.
#[derive(Debug)]
pub(crate) struct Client {
    email: String,
    has_account: bool,
    live: Option<Live>,
    /// It asked to be signed out and was not answered.
    asks_to_sign_out: bool,
    /// Every refresh token of the session that it was ever given.
    given: Vec<String>,
    /// Every session and generation that it was ever given.
    handed_out: HashSet<(String, u64)>,
    /// What has ended, with its last tokens.
    ended: Vec<Live>,
}

#[derive(Debug, Clone)]
struct Live {
    session: String,
    refresh_token: String,
    access_token: String,
}

impl Live {
    fn refresh(&self) -> Value {
        json!({ "refresh_token": self.refresh_token })
    }
}

impl Client {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            email: format!("client{n}@example.com"),
            has_account: false,
            live: None,
            asks_to_sign_out: false,
            given: Vec::new(),
            handed_out: HashSet::new(),
            ended: Vec::new(),
        }
    }

    /// The sessions that it knows to have ended, in hexadecimal digits.
    pub(crate) fn ended(&self) -> impl Iterator<Item = String> {
        self.ended.iter().map(|ended| ended.session.replace('-', ""))
    }

    pub(crate) fn handed_out(&self) -> impl Iterator<Item = &(String, u64)> {
        self.handed_out.iter()
    }

    /// Does one thing; an error is an answer that got lost.
    pub(crate) fn act(&mut self, server: &Asked<'_>, mut dice: Dice) -> io::Result<()> {
        let Some(live) = self.live.clone() else {
            let sign_in = json!({ "email": self.email, "password": PASSWORD });
            let what = if self.has_account { "login" } else { "signup" };
            self.answered(what, &server.post(what, &sign_in)?);
            return Ok(());
        };
        match dice.below(16) {
            0 => {
                self.asks_to_sign_out = true;
                self.answered("logout", &server.post("logout", &live.refresh())?);
            }
            1..4 => {
                let answer = session(server.address, &live.access_token)?;
                let _ = server.tell.send(());
                self.answered("session", &answer);
            }
            4..7 => {
                let body = live.refresh();
                let both = thread::scope(|scope| {
                    let other = scope.spawn(|| server.post("refresh", &body));
                    [server.post("refresh", &body), other.join().expect("no panic")]
                });
                for answer in both.iter().flatten() {
                    self.answered("refresh", answer);
                }
                both.into_iter().collect::<io::Result<Vec<_>>>()?;
            }
            _ => self.answered("refresh", &server.post("refresh", &live.refresh())?),
        }
        Ok(())
    }

    /// What an answer proves.
    fn answered(&mut self, what: &str, answer: &Answer) {
        let body = answer.json();
        match (what, answer.status, body["code"].as_str().unwrap_or_default()) {
            ("signup", 201, _) | ("login", 200, _) => {
                self.has_account = true;
                self.given.clear();
                self.live = Some(Live {
                    session: text(&body["session_id"]),
                    refresh_token: String::new(),
                    access_token: text(&body["token"]),
                });
                self.given(text(&body["refresh_token"]));
            }
            // An earlier one was written before the kill, and its answer lost.
            ("signup", 409, "email_taken") => self.has_account = true,
            ("refresh", 200, _) => {
                let live = self.live.as_mut().expect("who refreshes is signed in");
                assert_eq!(live.session, text(&body["session_id"]));
                live.access_token = text(&body["token"]);
                if body["rotated"] == true {
                    self.given(text(&body["refresh_token"]));
                }
            }
            // Two at once after a lost answer: one of them has to wait.
            ("refresh", 503, "refresh_pending") => {}
            ("session", 200, _) | ("session", 401, "token_expired") => {}
            ("logout", 200, _) => self.signed_out(),
            other => panic!("{other:?}: {body}\n{self:?}"),
        }
    }

    fn given(&mut self, refresh_token: String) {
        let live = self.live.as_mut().expect("who is given one is signed in");
        let generation = generation(&refresh_token, &live.session);
        let fresh = self.handed_out.insert((live.session.clone(), generation));
        assert!(fresh, "generation {generation} of {} was handed out twice", live.session);
        live.refresh_token.clone_from(&refresh_token);
        self.given.push(refresh_token);
    }

    fn signed_out(&mut self) {
        self.asks_to_sign_out = false;
        self.ended.extend(self.live.take());
    }

    /// Finds itself signed in, after a restart, if it was; and what it left last has ended.
    pub(crate) fn is_as_it_was(&mut self, address: &str, mut dice: Dice) {
        if let Some(live) = self.live.clone() {
            let answer = post(address, "refresh", &live.refresh()).expect("it runs");
            let body = answer.json();
            if std::mem::take(&mut self.asks_to_sign_out) && body["code"] == "session_revoked" {
                self.signed_out();
            } else {
                assert_eq!(answer.status, 200, "{self:?} is signed out: {body}");
                // Kept or adopted would mean that the store is behind what was answered.
                assert_eq!(body["rotated"], true, "the store forgot: {body}\n{self:?}");
                self.answered("refresh", &answer);
                if dice.below(8) == 0 {
                    self.is_stolen_from(address);
                }
            }
        }
        let Some(ended) = self.ended.last() else { return };
        let answer = post(address, "refresh", &ended.refresh()).expect("it runs");
        assert_eq!(answer.json()["code"], "session_revoked", "{ended:?}: {}", answer.text);
        let answer = session(address, &ended.access_token).expect("it runs");
        let code = text(&answer.json()["code"]);
        assert!(["session_revoked", "token_expired"].contains(&code.as_str()), "{ended:?}: {}", answer.text);
    }

    /// A token that was replaced, and the one after it as well, is shown once more: the session ends,
    /// and stays so.
    fn is_stolen_from(&mut self, address: &str) {
        let Some(old) = self.given.iter().rev().nth(2) else { return };
        let answer = post(address, "refresh", &json!({ "refresh_token": old })).expect("it runs");
        assert_eq!(answer.json()["code"], "refresh_token_reused", "{}", answer.text);
        self.signed_out();
    }
}

/// The generation that a refresh token says, which is this session's.
fn generation(token: &str, session: &str) -> u64 {
    let bytes =
        URL_SAFE_NO_PAD.decode(token.strip_prefix("kwr_").expect("a refresh token")).expect("base64url");
    let id: [u8; 16] = bytes[3..19].try_into().expect("sixteen bytes");
    assert_eq!(keyward::core::id::SessionId::from_bytes(id).to_string(), session);
    u64::from_be_bytes(bytes[19..27].try_into().expect("eight bytes"))
}
