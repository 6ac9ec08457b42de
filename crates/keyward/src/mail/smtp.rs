//! How does a mail get to the server that sends it? By SMTP, and through TLS.

use std::time::Duration;

pub(super) use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::Envelope;
use super::deliver::Undelivered;
use crate::settings::{Origin, Smtp};

/// How long the server may take for one answer, and for a whole mail.
const ANSWER: Duration = Duration::from_secs(20);
const MAIL: Duration = Duration::from_secs(60);
/// What a server says of who signs in, not of the mail (RFC 4954 §6): an operator can mend that.
const OF_THE_LOGIN: [&str; 4] = ["530", "534", "535", "538"];

/// The server that mails go through.
pub(crate) struct Server(AsyncSmtpTransport<Tokio1Executor>);

impl Server {
    /// That one.
    ///
    /// # Errors
    /// Where its host is none that a certificate could be for.
    pub(super) fn new(server: &Smtp, public_url: &Origin) -> Result<Self, Error> {
        let is_own = is_own(server, public_url);
        // In brackets it is no address to connect to.
        let host = server.host.trim_matches(['[', ']']).to_owned();
        let tls = TlsParameters::builder(host.clone()).dangerous_accept_invalid_certs(is_own).build()?;
        let tls = match (server.implicit_tls, is_own) {
            (true, _) => Tls::Wrapper(tls),
            (false, false) => Tls::Required(tls),
            (false, true) => Tls::Opportunistic(tls),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(server.port)
            .timeout(Some(ANSWER))
            .tls(tls);
        // A name that can be looked up, where there is one (RFC 5321 §4.1.4).
        if !public_url.is_loopback() && public_url.host().contains(|c: char| c.is_ascii_alphabetic()) {
            builder = builder.hello_name(ClientId::Domain(public_url.host().to_owned()));
        }
        if let Some((user, password)) = &server.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.text().to_string()));
        }
        Ok(Self(builder.build()))
    }

    /// Sends a mail: done once the server answered for it.
    pub(super) async fn send(&self, mail: &Envelope) -> Result<(), Undelivered> {
        let never = |e: &dyn std::fmt::Display| Undelivered::Never(e.to_string());
        let from: Address = mail.from.parse().map_err(|e| never(&e))?;
        let to: Address = mail.to.parse().map_err(|e| never(&e))?;
        let envelope = lettre::address::Envelope::new(Some(from), vec![to]).map_err(|e| never(&e))?;
        match tokio::time::timeout(MAIL, self.0.send_raw(&envelope, mail.message.as_bytes())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judged(&error)),
            Err(_) => Err(Undelivered::Unreachable("the server took too long".to_owned())),
        }
    }
}

/// Whether nobody stands between us and the server, or nothing of worth is at stake: it runs on this
/// machine, or Keyward itself is for development on it and shows the server no password. Anywhere else a mail goes through TLS with
/// a certificate that is good, or not at all (RFC 8314 §3): it holds the secret of a link.
fn is_own(server: &Smtp, public_url: &Origin) -> bool {
    let host = format!("https://{}", server.host).parse::<Origin>();
    let is_trial = public_url.is_loopback() && server.credentials.is_none();
    is_trial || host.is_ok_and(|host| host.is_loopback())
}

fn judged(error: &Error) -> Undelivered {
    let told = told(error);
    let code = error.status().map(|code| code.to_string());
    match code {
        Some(code) if OF_THE_LOGIN.contains(&code.as_str()) => Undelivered::Unreachable(told),
        // The service itself is closing (RFC 5321 §4.2.1).
        Some(code) if code == "421" => Undelivered::Unreachable(told),
        Some(_) if error.is_permanent() => Undelivered::Never(told),
        Some(_) => Undelivered::Later(told),
        None => Undelivered::Unreachable(told),
    }
}

/// What a server or the way to it said, on one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    redacted(&told)
}

/// A server may repeat what it was given: no secret of a link gets from there into a log.
fn redacted(text: &str) -> String {
    let end = text.floor_char_boundary(500);
    let words = text[..end].split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if word.contains("kwm_") { "[link]" } else { word }).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn a_mail_for_others_goes_through_tls_or_not_at_all() {
        let server =
            |host: &str| Smtp { implicit_tls: false, host: host.to_owned(), port: 587, credentials: None };
        let public = |text: &str| text.parse::<Origin>().expect("an origin");
        for (host, url, own) in [
            ("mail.example.com", "https://auth.example.com", false),
            ("10.0.0.5", "https://auth.example.com", false),
            ("localhost.example.com", "https://auth.example.com", false),
            ("localhost", "https://auth.example.com", true),
            ("127.0.0.1", "https://auth.example.com", true),
            ("[::1]", "https://auth.example.com", true),
            ("mailpit", "http://127.0.0.1:8080", true),
        ] {
            assert_eq!(is_own(&server(host), &public(url)), own, "{host} {url}");
        }
        // A password is worth something wherever Keyward is tried out.
        let known =
            |host| Smtp { credentials: Some(("ada".into(), Secret::from(b"pw".to_vec()))), ..server(host) };
        let trial = public("http://127.0.0.1:8080");
        assert!(!is_own(&known("mail.example.com"), &trial) && is_own(&known("localhost"), &trial));
    }

    #[test]
    fn what_a_server_repeats_gives_no_link_away() {
        let said = "554 spam: https://a.example/reset?token=kwm_AQEBAQ\r\n refused";
        assert_eq!(redacted(said), "554 spam: [link] refused");
        assert!(redacted(&"x".repeat(10_000)).len() <= 500);
    }
}
