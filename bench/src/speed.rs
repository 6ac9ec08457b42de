//! How many requests a second: the protected GET and the refresh, beside the constant route, the
//! bare store and the bare signature?

use std::time::Duration;

use crate::load::{self, Chain, Load, Outcome};
use crate::place::{Place, Store};
use crate::report::Report;
use crate::server::{Server, Setup};
use crate::{CONNECTIONS, RUN, limits};

/// How much more cores work in Express 5 with jsonwebtoken and a blacklist in Redis for a protected
/// GET, and for a refresh, than here for the constant route: 147 µs and 490 µs, where that took 7.
/// Keyward is to need a tenth, and a sixth.
const EXPRESS_GET: f64 = 147.0 / 7.0;
const EXPRESS_REFRESH: f64 = 490.0 / 7.0;

/// Into how many turns a run is cut.
const TURNS: u32 = 6;
const TURN: Duration = RUN.checked_div(TURNS).expect("some turns");

pub(crate) async fn run(store: Store, algorithm: &str, report: &mut Report) {
    let place = Place::of(store);
    let over = store.over();
    let server = Server::start(&Setup { algorithm, ..place.setup() }).await;
    let mut chains = Vec::new();
    for i in 0..CONNECTIONS {
        chains.push(Chain::open(server.port, i).await);
    }

    let asked = |path: &str| chains.iter().map(|c| load::get(path, &c.cookies())).collect::<Vec<_>>();
    let (mut constant, mut session) = (Case::default(), Case::default());
    for _ in 0..TURNS {
        constant.turn(&server, Load::each(server.port, asked("/constant"))).await;
        session.turn(&server, Load::each(server.port, asked("/api/auth/session"))).await;
    }
    let (constant_cpu, session_cpu) = (constant.cpu_of_each(), session.cpu_of_each());
    report.ratio(
        &format!("GET session, cookie, {algorithm}{over}"),
        &session.outcome,
        "the constant route",
        constant.outcome.per_second(),
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

    let (mut constant, mut refresh) = (Case::default(), Case::default());
    let (mut bare, mut commit, mut signature, mut beneath) = ("", 0.0, 0.0, 0.0);
    for _ in 0..TURNS {
        let requests = chains.iter().map(|c| c.request("/constant")).collect();
        constant.turn(&server, Load::each(server.port, requests)).await;
        let committed = limits::commit(&place, CONNECTIONS, TURN).await;
        (bare, commit) = (committed.0, commit + committed.1 / f64::from(TURNS));
        signature += limits::signatures(algorithm, TURN / 2) / f64::from(TURNS);
        let before = place.cpu();
        refresh.turn(&server, Load::refreshing(server.port, chains)).await;
        beneath += place.cpu() - before;
        chains = std::mem::take(&mut refresh.outcome.chains);
    }
    let constant_cpu = constant.cpu_of_each();
    let constant = constant.outcome.per_second();
    let unavoidable = 1.0 / (1.0 / constant + 1.0 / commit + 1.0 / signature);
    report.line(&format!(
        "limits beside it: constant POST {constant:.0}/s, {bare} {commit:.0}/s, {algorithm} signature {signature:.0}/s, one after the other {unavoidable:.0}/s"
    ));
    let refresh_cpu = refresh.cpu_of_each();
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
        let beneath = refresh.of_each(beneath);
        report.line(&format!("and those of what it rests in {beneath:.1} µs"));
    }
    report.ratio(
        &format!("POST refresh, {algorithm}{over}"),
        &refresh.outcome,
        "its parts one after the other",
        unavoidable,
        0.60,
    );
    report.at_most(
        &format!("p95 of refresh, {algorithm}{over}"),
        refresh.outcome.percentile(95.0),
        50.0,
        "ms",
    );
    server.stop().await;
}

/// What takes turns with what it is compared with: what a core does in a second differs by a tenth
/// from one second to the next where it is not alone in its machine.
#[derive(Default)]
struct Case {
    outcome: Outcome,
    /// How much the server's cores have worked for it, in seconds.
    cpu: f64,
}

impl Case {
    async fn turn(&mut self, server: &Server, load: Load) {
        let before = server.cpu();
        let outcome = load.run(CONNECTIONS, TURN).await;
        self.cpu += server.cpu() - before;
        self.outcome.add(outcome);
    }

    /// How much the server's cores worked for one request, in microseconds.
    fn cpu_of_each(&self) -> f64 {
        self.of_each(self.cpu)
    }

    /// What so many seconds are for one request, in microseconds.
    fn of_each(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.outcome.answers as f64
    }
}
