//! How are nodes started over one store?

use crate::proxy::Proxy;
use crate::servers::postgres::{self, Database};
use crate::support::{EMAIL, Home, Server};

/// One for all nodes: base64 of 32 times `A`.
pub(crate) const MASTER_KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// What nodes over the database at this address are started with. Windows are short, so that tokens
/// rotate as often in seconds as they do in an hour.
pub(crate) fn home(url: &str) -> Home {
    Home::new()
        .with("DATABASE__URL", url)
        // The same for all, wherever each of them listens.
        .with("SERVER__PUBLIC_URL", "http://127.0.0.1:8080")
        .with("KEYS__MASTER_KEY", MASTER_KEY)
        .with("SESSIONS__ROTATION_WINDOW", "2s")
        .with("RATE_LIMITS__REFRESH", "off")
        .with("SERVER__METRICS_LISTEN", "127.0.0.1:0")
}

/// An empty database with somebody's account.
pub(crate) fn database() -> Database {
    let database = postgres::server().database();
    home(&database.url()).user(EMAIL);
    database
}

/// Two nodes over it.
pub(crate) fn two(database: &Database) -> [Server; 2] {
    [Server::start(&home(&database.url())), Server::start(&home(&database.url()))]
}

/// The port of the server that a database is on.
pub(crate) fn port(database: &Database) -> u16 {
    let url = database.url();
    let rest = url.rsplit_once(':').map(|(_, rest)| rest).and_then(|rest| rest.split('/').next());
    rest.and_then(|port| port.parse().ok()).expect("a port")
}

/// The address of the database by way of that proxy.
pub(crate) fn through(proxy: &Proxy, database: &Database) -> String {
    database.url().replace(&format!(":{}/", port(database)), &format!(":{}/", proxy.port))
}
