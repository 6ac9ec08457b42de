//! `keyward doctor --proxy URL`: does a proxy in front protect what it should? Asked from outside, as
//! browsers do.
//!
//! Without `--as` it asks as nobody. With it, it signs in as somebody who is named, and out again at
//! the end: no account is made for it, as one that is left over would be a way in. What reaches the
//! application can be seen only in its place: with `--application` the doctor stands there meanwhile.

mod application;
mod browser;
mod line;
mod probe;

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use self::application::Application;
use self::browser::Browser;
use self::line::Fault;
use super::Finding;
use crate::failure::Failure;
use crate::password;

/// What is asked, and as whom.
#[derive(Args)]
pub(crate) struct Proxy {
    /// Look at a proxy instead: the URL of a page that it protects
    #[arg(long = "proxy", value_name = "URL")]
    url: Option<String>,
    /// Which proxy it is; without it, what it calls itself
    #[arg(long, requires = "url")]
    kind: Option<Kind>,
    /// Sign in as this person, whose password is asked for, and out again at the end
    #[arg(long = "as", value_name = "EMAIL", requires = "url")]
    email: Option<String>,
    /// Stand in for the application at this address, and look at what reaches it
    #[arg(long, value_name = "ADDRESS", requires = "email")]
    application: Option<SocketAddr>,
    #[command(flatten)]
    password: password::From,
}

/// A proxy for which there is an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Nginx,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// What a `Server` header tells. HAProxy and Traefik write none.
    fn called(server: &str) -> Option<Self> {
        let server = server.to_ascii_lowercase();
        let known = [("nginx", Self::Nginx), ("caddy", Self::Caddy), ("envoy", Self::Envoy)];
        known.into_iter().find(|(name, _)| server.contains(name)).map(|(_, kind)| kind)
    }
}

impl Proxy {
    /// Whether a proxy is to be looked at.
    pub(super) fn is_asked_for(&self) -> bool {
        self.url.is_some()
    }

    /// What is found.
    ///
    /// # Errors
    /// Where the URL is none, or nothing answers there.
    pub(super) async fn look(&self) -> Result<Vec<Finding>, Failure> {
        let url = self.url.as_deref().unwrap_or_default();
        let mut browser = Browser::new(url)?;
        let mut report = Report { kind: self.kind, faults: Vec::new(), findings: Vec::new() };
        let application = self.application.map(Application::start).transpose()?;
        probe::as_nobody(&mut browser, &mut report).await?;
        let Some(email) = &self.email else {
            report.findings.push(Finding::warning(
                "session",
                "asked as nobody: what is so for people who are signed in was not looked at",
                "add --as EMAIL, an account of your own; it is signed in, and out again",
            ));
            return Ok(report.settled());
        };
        let password = self.password.known()?;
        if probe::signs_in(&mut browser, &mut report, email, password.as_str()).await? {
            probe::as_somebody(&mut browser, &mut report).await?;
            match &application {
                Some(application) => probe::to_application(&mut browser, &mut report, application).await?,
                None => report.findings.push(Finding::warning(
                    "identity headers",
                    "what reaches the application was not looked at",
                    "stop the application, add --application with its address: the doctor stands there meanwhile",
                )),
            }
            probe::signs_out(&mut browser, &mut report).await?;
        }
        Ok(report.settled())
    }
}

/// What was found so far, and of which proxy.
struct Report {
    kind: Option<Kind>,
    faults: Vec<Fault>,
    findings: Vec<Finding>,
}

impl Report {
    fn ok(&mut self, subject: &str, message: impl Into<String>) {
        self.findings.push(Finding::ok(subject, message));
    }

    /// It has this fault: says which line is missing.
    fn has(&mut self, fault: Fault, message: impl Into<String>) {
        let next = match self.kind {
            Some(kind) => line::missing(kind, fault),
            None => format!("{}; --kind names the line", line::in_words(fault)),
        };
        self.faults.push(fault);
        self.findings.push(Finding::error(fault.subject(), message, next));
    }

    /// The findings without those that only follow from another one: they name no line that is
    /// missing.
    fn settled(self) -> Vec<Finding> {
        let follows = |finding: &Finding| {
            self.faults.iter().any(|cause| {
                let effects: &[Fault] = match cause {
                    // A page is sent to be renewed where its method is known; a client that may say
                    // its method passes for harmless.
                    Fault::Method | Fault::Untrusted => &[Fault::Redirect, Fault::CrossSite],
                    // What Keyward says can't be told from what others say.
                    Fault::Refusal => &[Fault::Redirect, Fault::WebSocket],
                    // Nothing more can be said of a door that is open.
                    Fault::Open => return finding.subject != cause.subject(),
                    _ => &[],
                };
                effects.iter().any(|effect| effect.subject() == finding.subject)
            })
        };
        self.findings.iter().filter(|finding| !follows(finding)).cloned().collect()
    }
}
