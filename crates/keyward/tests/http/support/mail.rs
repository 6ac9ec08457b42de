//! What mails did people get? Read from the folder that they are written into.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{ADA, App, Ask, Reply, post};
use serde_json::json;

/// A mail as its reader sees it.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) subject: String,
    /// The message as it was sent.
    pub(crate) message: String,
}

impl Mail {
    pub(crate) fn of(message: &str) -> Self {
        let field = |name: &str| {
            let line = message.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("{name} in {message}")).to_owned()
        };
        Self { to: field("To"), subject: field("Subject"), message: message.to_owned() }
    }

    /// The link, which stands on a line of its own.
    pub(crate) fn link(&self) -> String {
        let link = self.message.split("\r\n").find(|line| line.starts_with("http"));
        link.unwrap_or_else(|| panic!("a link in {}", self.message)).to_owned()
    }

    /// The secret of the link.
    pub(crate) fn token(&self) -> String {
        self.link().split_once("?token=").expect("a token").1.to_owned()
    }
}

impl App {
    /// The mails that left since this was asked last, by address and subject.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        self.tick().await;
        let mut read = self.read.lock().expect("no panic");
        let mut new: Vec<Mail> = self
            .mail_files()
            .into_iter()
            .filter(|path| read.insert(path.clone()))
            .map(|path| Mail::of(&std::fs::read_to_string(path).expect("a mail")))
            .collect();
        new.sort_by(|a, b| (&a.to, &a.subject).cmp(&(&b.to, &b.subject)));
        new
    }

    /// The only mail since this was asked last.
    pub(crate) async fn mail(&self) -> Mail {
        let mails = self.mails().await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        mail.clone()
    }

    /// Whom mails went to since this was asked last, and what about.
    pub(crate) async fn mailed(&self) -> Vec<String> {
        self.mails().await.into_iter().map(|mail| format!("{}: {}", mail.to, mail.subject)).collect()
    }

    pub(crate) fn mail_files(&self) -> BTreeSet<PathBuf> {
        let folder = self.folder().join("outbox");
        let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
        entries.map(|entry| entry.expect("a file").path()).collect()
    }

    /// Somebody forgot the password of this address.
    pub(crate) async fn forgot(&self, email: &str) -> Reply {
        self.send(forgot(email)).await
    }

    /// The secret of the link that Ada gets who forgot her password.
    pub(crate) async fn reset_token(&self) -> String {
        self.forgot(ADA).await.ok(202);
        self.mail().await.token()
    }

    pub(crate) async fn reset(&self, token: &str, password: &str) -> Reply {
        self.send(reset(token, password)).await
    }

    pub(crate) async fn verify(&self, token: &str) -> Reply {
        self.send(post("/api/auth/email/verify").json(json!({"token": token}))).await
    }
}

pub(crate) fn forgot(email: &str) -> Ask {
    post("/api/auth/password/forgot").json(json!({"email": email}))
}

pub(crate) fn reset(token: &str, password: &str) -> Ask {
    post("/api/auth/password/reset").json(json!({"token": token, "new_password": password}))
}

/// What a browser sends for a form on a page of ours.
pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Ask {
    let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    post(path)
        .raw("application/x-www-form-urlencoded", body)
        .header("origin", "http://127.0.0.1:8080")
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-user", "?1")
}
