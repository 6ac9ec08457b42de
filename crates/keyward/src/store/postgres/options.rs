//! Where is the database, and how is it reached? What its address says.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{PostgresError, no_connection};
use super::moves::Moves;
use super::pool::Patience;

/// How long it may take to connect to one address of the server.
const CONNECT: Duration = Duration::from_secs(3);
/// How long it may take until a connection can be used.
pub(super) const READY: Duration = Duration::from_secs(5);
/// How long what was sent may stay without any sign that it arrived.
const SILENCE: Duration = Duration::from_secs(5);
/// After how long without a word a connection is asked whether the other end is still there.
const IDLE: Duration = Duration::from_secs(15);

/// A Postgres, by its address.
///
/// The address is `postgres://user:password@host:port/database`. To a host other than this machine
/// the connection is encrypted and its certificate verified, unless the address says
/// `sslmode=disable`; `sslrootcert=FILE` names the authority whose certificates are good, where that
/// is none of those that browsers know. Keyward's tables are made in the schema that comes first in
/// the search path: `public`, or what `options=-csearch_path%3DNAME` says.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) url: String,
    pub(super) direct_url: Option<String>,
    pub(super) max_connections: usize,
    pub(super) moves: Moves,
    pub(super) patience: Patience,
}

impl PostgresOptions {
    /// The database at this address, with 16 connections at most.
    pub fn new(url: impl Into<String>) -> Self {
        let patience = Patience::default();
        Self { url: url.into(), direct_url: None, max_connections: 16, moves: Moves::Here, patience }
    }

    /// The address of the same database past a transaction pooler such as PgBouncer, which the other
    /// one then is: used for what such a pooler can't do.
    #[must_use]
    pub fn direct_url(mut self, url: impl Into<String>) -> Self {
        self.direct_url = Some(url.into());
        self
    }

    /// How many connections this process makes at most, besides one that listens and one that asks what
    /// was revoked.
    #[must_use]
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Where the moving part of its sessions is kept; in it unless told otherwise.
    #[must_use]
    pub(crate) const fn moving(mut self, moves: Moves) -> Self {
        self.moves = moves;
        self
    }

    /// How long it waits for the database.
    #[must_use]
    pub(crate) const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Whether the addresses can be understood, without asking anybody.
    ///
    /// # Errors
    /// [`PostgresError::Address`], which holds no password.
    pub fn check(&self) -> Result<(), PostgresError> {
        Endpoint::of(&self.url)?;
        self.direct_url.as_deref().map(Endpoint::of).transpose().map(drop)
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> Result<bool, PostgresError> {
        Ok(Endpoint::of(&self.url)?.is_local)
    }
}

/// Without the addresses: they hold passwords.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// What can be connected to.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    /// Its name, without a secret.
    pub(super) name: String,
    pub(super) is_local: bool,
}

impl Endpoint {
    pub(super) fn of(url: &str) -> Result<Self, PostgresError> {
        let refused = |message: String| PostgresError::Address(message);
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(refused("it has to begin with postgres://".to_owned()));
        }
        // The driver would take what follows the first of these for a host, which is told.
        let user = url.split_once("://").and_then(|(_, rest)| Some(rest.rsplit_once('@')?.0));
        if user.is_some_and(|user| user.contains(['/', '?', '#', '@'])) {
            return Err(refused(
                "its user or password holds a /, ?, # or @; write %2F, %3F, %23 and %40 for them".to_owned(),
            ));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let value = || {
                form_urlencoded::parse(pair.as_bytes())
                    .next()
                    .map(|(_, v)| v.into_owned())
                    .unwrap_or_default()
            };
            match pair.split('=').next() {
                Some("sslmode") => mode = Some(value()),
                Some("sslrootcert") => root = Some(value()),
                _ => others.push(pair),
            }
        }
        // What the driver says of it may name a part of the password.
        let mut config: Config = format!("{base}?{}", others.join("&")).parse().map_err(|e| {
            refused(format!("it can't be understood ({}); postgres://user:password@host/database", why(&e)))
        })?;
        let hosts = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = hosts.chain(config.get_hostaddrs().iter().map(IpAddr::to_string)).collect();
        if hosts.is_empty() {
            return Err(refused("it names no host".to_owned()));
        }
        let is_local = hosts.iter().all(|host| is_local(host));
        config.ssl_mode(match mode.as_deref() {
            None if is_local => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            Some("prefer") => SslMode::Prefer,
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(other) => {
                return Err(refused(format!(
                    "sslmode={other:?} is none of disable, prefer, require, verify-full"
                )));
            }
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(IDLE);
        // What a standby says is from before, and who has come to one can't write.
        if !others.iter().any(|pair| pair.starts_with("target_session_attrs=")) {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("keyward");
        }
        let name = format!(
            "{}:{}/{}",
            hosts.join(","),
            config.get_ports().first().copied().unwrap_or(5432),
            config.get_dbname().or(config.get_user()).unwrap_or_default()
        );
        Ok(Self { tls: tls(root.as_deref())?, config, name, is_local })
    }

    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, Stream>), PostgresError> {
        match timeout(READY, self.config.connect(self.tls.clone())).await {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(error)) => Err(no_connection(&self.name, &error)),
            Err(_) => Err(PostgresError::Unreachable {
                at: self.name.clone(),
                message: format!("no answer within {READY:?}"),
            }),
        }
    }
}

/// What is wrong with an address, in the driver's words where they name no part of it.
fn why(error: &tokio_postgres::Error) -> String {
    let told = super::error::told(error);
    if told.contains("unknown option") || told.contains("invalid value for option") {
        told
    } else {
        "its form".to_owned()
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with('/') || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Encryption with the library that everything else uses, trusting this authority, or those that
/// browsers know.
fn tls(root: Option<&str>) -> Result<MakeRustlsConnect, PostgresError> {
    let mut roots = RootCertStore::empty();
    match root {
        None | Some("system") => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let refused = |e: &dyn fmt::Display| PostgresError::Address(format!("sslrootcert={path}: {e}"));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| refused(&e))? {
                roots.add(certificate.map_err(|e| refused(&e))?).map_err(|e| refused(&e))?;
            }
            if roots.is_empty() {
                return Err(refused(&"no certificate is in that file"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| PostgresError::Address(e.to_string()))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}
