//! How many requests a second: the protected GET and the refresh, beside the constant route, the
//! bare store and the bare signature?

use std::time::Duration;

use crate::load::{self, Chain, Load};
use crate::place::{Place, Store};
use crate::report::Report;
use crate::server::{Server, Setup};
use crate::{CONNECTIONS, RUN, limits};

/// How much more cores work in Express 5 with jsonwebtoken and a blacklist in Redis for a protected
/// GET, and for a refresh, than here for the constant route: 147 µs and 490 µs, where that took 7.
/// Keyward is to need a tenth, and a sixth.
const EXPRESS_GET: f64 = 147.0 / 7.0;
const EXPRESS_REFRESH: f64 = 490.0 / 7.0;

pub(crate) async fn run(store: Store, algorithm: &str, report: &mut Report) {
    let place = Place::of(store);
    let over = store.over();
    let server = Server::start(&Setup { algorithm, ..place.setup() }).await;
    let mut chains = Vec::new();
    for i in 0..CONNECTIONS {
        chains.push(Chain::open(server.port, i).await);
    }

    let mut cpu = Cpu::of(|| server.cpu());
    let asked = |path: &str| chains.iter().map(|c| load::get(path, &c.cookies())).collect::<Vec<_>>();
    let constant_get = Load::each(server.port, asked("/constant")).run(CONNECTIONS, RUN).await;
    let constant_cpu = cpu.each(&constant_get);
    let session = Load::each(server.port, asked("/api/auth/session")).run(CONNECTIONS, RUN).await;
    let session_cpu = cpu.each(&session);
    report.ratio(
        &format!("GET session, cookie, {algorithm}{over}"),
        &session,
        "the constant route",
        constant_get.per_second(),
        0.75,
    );
    report.line(&format!(
        "the server's cores work {constant_cpu:.1} µs for the constant, {session_cpu:.1} µs for the session"
    ));
    report.at_most(
        &format!("cores for a GET session, {algorithm}{over}, to those for the constant"),
        session_cpu / constant_cpu,
        EXPRESS_GET / 10.0,
        "times",
    );

    let refreshes = chains.iter().map(|c| c.request("/constant")).collect();
    let constant_post = Load::each(server.port, refreshes).run(CONNECTIONS, RUN).await;
    let (what, commit) = limits::commit(&place, CONNECTIONS, RUN).await;
    let signature = limits::signatures(algorithm, Duration::from_secs(2));
    let unavoidable = 1.0 / (1.0 / constant_post.per_second() + 1.0 / commit + 1.0 / signature);
    report.line(&format!(
        "limits beside it: constant POST {:.0}/s, {what} {commit:.0}/s, {algorithm} signature {signature:.0}/s, one after the other {unavoidable:.0}/s",
        constant_post.per_second()
    ));
    let mut cpu = Cpu::of(|| server.cpu());
    let mut beneath = Cpu::of(|| place.cpu());
    let refresh = Load::refreshing(server.port, chains).run(CONNECTIONS, RUN).await;
    let refresh_cpu = cpu.each(&refresh);
    report.line(&format!("the server's cores work {refresh_cpu:.1} µs for a refresh"));
    if algorithm == "ES256" && store == Store::Sqlite {
        report.at_most(
            "cores for a refresh, ES256, to those for the constant",
            refresh_cpu / constant_cpu,
            EXPRESS_REFRESH / 6.0,
            "times",
        );
    }
    if store != Store::Sqlite {
        report.line(&format!("and those of what it rests in {:.1} µs", beneath.each(&refresh)));
    }
    report.ratio(
        &format!("POST refresh, {algorithm}{over}"),
        &refresh,
        "its parts one after the other",
        unavoidable,
        0.60,
    );
    report.at_most(&format!("p95 of refresh, {algorithm}{over}"), refresh.percentile(95.0), 50.0, "ms");
    server.stop().await;
}

/// How much cores work for one request.
struct Cpu<F> {
    so_far: F,
    before: f64,
}

impl<F: Fn() -> f64> Cpu<F> {
    fn of(so_far: F) -> Self {
        let before = so_far();
        Self { so_far, before }
    }

    /// In microseconds, for each since the last time; the warm-up is a sixth more.
    fn each(&mut self, outcome: &load::Outcome) -> f64 {
        let now = (self.so_far)();
        let used = now - std::mem::replace(&mut self.before, now);
        used * 1e6 / (outcome.per_second() * RUN.as_secs_f64() * 7.0 / 6.0)
    }
}
