//! `GET /api/admin/diagnosis`: what does the server see of this request, and what would bite?

use http::StatusCode;
use http::header::HOST;
use keyward_core::denial::Denial;
use keyward_core::time::Timestamp;

use crate::diagnosis::{Arrived, Diagnosis, of_request, of_settings};
use crate::http::operation::{Field, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json, origin};

pub(crate) const GET: Operation = Operation {
    summary: "What the server sees of this request",
    about: "Who is at the other end, which headers of proxies came and whether they are believed, host and scheme \
        beside the public URL, the cookies that a login sets, the clocks, and the settings in force without secrets; \
        each finding in a sentence, with what to change.",
    query: &[Field::moment("browser_time", "The caller's clock, to be held beside the server's").optional()],
    answers: &[Told::json::<Diagnosis>(200, "What was found")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let browser_time = query.parsed("browser_time");
    query.finish()?;
    Ok(json(StatusCode::OK, &diagnosis(&call, browser_time)))
}

/// What there is to say of this request and of the settings.
pub(crate) fn diagnosis(call: &Call, browser_time: Option<Timestamp>) -> Diagnosis {
    let settings = &call.engine.settings;
    let now = call.engine.clock.now();
    let client = origin::address(call.peer, &call.headers, &settings.trusted_proxies);
    let arrived = Arrived { peer: call.peer, client, headers: &call.headers, browser_time, now };
    let (mut findings, forwarding) = of_request(&arrived, settings);
    findings.extend(of_settings(settings));
    Diagnosis {
        findings,
        forwarding,
        peer: call.peer.map(|peer| peer.ip().to_canonical()),
        client,
        host: call.headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned()),
        server_time: now,
        cookies: call.names.described(&settings.policy),
        settings: settings.shown.clone(),
    }
}
