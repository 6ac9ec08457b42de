//! How are nodes started over one store?

use crate::proxy::Proxy;
use crate::servers::port;
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

/// What nodes are started with that have Redis, too.
pub(crate) fn home_with_redis(url: &str, redis: &[String]) -> Home {
    home(url).with("REDIS__URLS", &redis.join(","))
}

/// Two nodes over it.
pub(crate) fn two(database: &Database) -> [Server; 2] {
    two_of(|| home(&database.url()))
}

/// Two nodes that are started so.
pub(crate) fn two_of(home: impl Fn() -> Home) -> [Server; 2] {
    [Server::start(&home()), Server::start(&home())]
}

/// Where a node can listen again after it was away: nobody is given this port meanwhile.
pub(crate) fn address() -> String {
    format!("127.0.0.1:{}", port::free_port())
}

/// Where they listen.
pub(crate) fn addresses(nodes: &[Server]) -> Vec<String> {
    nodes.iter().map(|node| node.address().to_owned()).collect()
}

/// How often one of them was shown a refresh token that was ahead of what the store knew.
pub(crate) fn adopted(nodes: &mut [Server]) -> f64 {
    nodes.iter_mut().map(|node| node.sample("keyward_refresh_total{outcome=\"adopted\"}")).sum()
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
