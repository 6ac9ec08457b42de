//! Who may call what? Every route against everybody, and a new one fails here until it has a rule.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use http::Method;
use keyward::Keyward;
use keyward::core::service_key::Scope;
use serde_json::json;

use crate::support::{ADA, App, Ask, BOB, MINUTE, OTHER_PASSWORD, PASSWORD, filled};

/// Method, path and guard of every route.
const RULES: &[(&str, &str, &str)] = &[
    ("POST", "/api/auth/signup", "open"),
    ("POST", "/api/auth/login", "open"),
    ("POST", "/api/auth/refresh", "open"),
    ("GET", "/api/auth/renew", "public"),
    ("ANY", "/api/auth/verify", "verify"),
    ("GET", "/api/auth/session", "session"),
    ("POST", "/api/auth/activity", "session"),
    ("POST", "/api/auth/logout", "open"),
    ("POST", "/api/auth/logout-all", "session"),
    ("GET", "/api/auth/events", "session"),
    ("GET", "/api/auth/sessions", "session"),
    ("DELETE", "/api/auth/sessions/{id}", "session"),
    ("PATCH", "/api/auth/profile", "session"),
    ("POST", "/api/auth/password/change", "session"),
    ("POST", "/api/auth/password/forgot", "open"),
    ("POST", "/api/auth/password/reset", "open"),
    ("POST", "/api/auth/email/verify", "open"),
    ("POST", "/api/auth/email/verify/resend", "open"),
    ("POST", "/api/auth/reauthenticate", "session"),
    ("GET", "/api/admin/users", "read"),
    ("POST", "/api/admin/users", "grave"),
    ("GET", "/api/admin/users/{id}", "read"),
    ("PATCH", "/api/admin/users/{id}", "admin"),
    ("DELETE", "/api/admin/users/{id}", "grave"),
    ("GET", "/api/admin/users/{id}/sessions", "read"),
    ("DELETE", "/api/admin/users/{id}/sessions", "admin"),
    ("DELETE", "/api/admin/users/{id}/sessions/{sid}", "admin"),
    ("GET", "/api/admin/roles", "read"),
    ("PUT", "/api/admin/roles/{name}", "grave"),
    ("DELETE", "/api/admin/roles/{name}", "grave"),
    ("POST", "/api/auth/introspect", "service(introspect)"),
    ("POST", "/api/auth/revoke", "service(revoke)"),
    ("GET", "/api/auth/revocations", "service(revocations)"),
    ("GET", "/api/admin/events", "read"),
    ("GET", "/api/admin/events/suspicious", "read"),
    ("GET", "/api/admin/sessions", "read"),
    ("DELETE", "/api/admin/sessions", "admin"),
    ("GET", "/api/admin/sessions/{id}", "read"),
    ("DELETE", "/api/admin/sessions/{id}", "admin"),
    ("GET", "/api/admin/statistics", "read"),
    ("GET", "/api/admin/keys", "read"),
    ("POST", "/api/admin/keys/rotate", "grave"),
    ("POST", "/api/admin/keys/{kid}/revoke", "grave"),
    ("GET", "/api/admin/service-keys", "read"),
    ("POST", "/api/admin/service-keys", "grave"),
    ("DELETE", "/api/admin/service-keys/{id}", "grave"),
    ("GET", "/.well-known/jwks.json", "public"),
    ("GET", "/.well-known/oauth-authorization-server", "public"),
    ("GET", "/client/keyward.js", "public"),
    ("GET", "/client/axios.js", "public"),
    ("GET", "/client/private.js", "public"),
    ("GET", "/openapi.json", "public"),
    ("GET", "/docs", "public"),
    ("GET", "/docs/docs.js", "public"),
    ("GET", "/docs/docs.css", "public"),
    ("GET", "/", "public"),
    ("GET", "/login", "public"),
    ("POST", "/login", "open"),
    ("GET", "/signup", "public"),
    ("POST", "/signup", "open"),
    ("GET", "/reauthenticate", "page"),
    ("POST", "/reauthenticate", "page"),
    ("GET", "/account", "page"),
    ("GET", "/account/events", "page"),
    ("POST", "/account/profile", "page"),
    ("POST", "/account/password", "page"),
    ("POST", "/account/verify-email", "page"),
    ("POST", "/account/devices", "page"),
    ("POST", "/account/devices/{id}", "page"),
    ("GET", "/forgot", "public"),
    ("POST", "/forgot", "open"),
    ("GET", "/reset", "public"),
    ("POST", "/reset", "open"),
    ("GET", "/verify-email", "public"),
    ("POST", "/verify-email", "open"),
    ("POST", "/verify-email/resend", "open"),
    ("GET", "/assets/{file}", "public"),
    ("GET", "/dev/mailbox", "public"),
    ("GET", "/healthz", "public"),
    ("GET", "/readyz", "public"),
    ("GET", "/setup", "public"),
    ("POST", "/setup", "open"),
];

/// What a guard says to who asks; `None`: come in.
type Refused = Option<(u16, &'static str)>;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Anonymous,
    User,
    Admin,
    /// An administrator who signed in longer ago than `sessions.reauth_after`.
    OldAdmin,
    /// A service key without a scope.
    Scopeless,
    Service(Scope),
}

impl Role {
    fn all() -> impl Iterator<Item = Self> {
        let services = Scope::ALL.iter().map(|scope| Self::Service(*scope));
        [Self::Anonymous, Self::User, Self::Admin, Self::OldAdmin, Self::Scopeless]
            .into_iter()
            .chain(services)
    }

    fn head(self) -> String {
        match self {
            Self::Anonymous => "nobody".to_owned(),
            Self::User => "user".to_owned(),
            Self::Admin => "admin".to_owned(),
            Self::OldAdmin => "admin, login long ago".to_owned(),
            Self::Scopeless => "key without a scope".to_owned(),
            Self::Service(scope) => format!("key `{}`", scope.as_str()),
        }
    }
}

/// The contract: who may pass which guard.
fn rule(guard: &str, role: Role) -> Refused {
    const MISSING: Refused = Some((401, "missing_token"));
    const INVALID: Refused = Some((401, "invalid_token"));
    const FORBIDDEN: Refused = Some((403, "forbidden"));
    let service = |scope: Scope| match role {
        Role::Service(held) if held == scope => None,
        Role::Service(_) | Role::Scopeless => FORBIDDEN,
        Role::Anonymous => MISSING,
        Role::User | Role::Admin | Role::OldAdmin => INVALID,
    };
    match (guard, role) {
        ("public" | "open", _) => None,
        ("session" | "verify" | "page" | "read" | "admin" | "grave", Role::Anonymous) => MISSING,
        ("adminpage" | "gravepage", Role::Anonymous) => MISSING,
        // A page is for people.
        ("page" | "adminpage" | "gravepage" | "session" | "verify", Role::Scopeless | Role::Service(_)) => {
            INVALID
        }
        ("session" | "verify" | "page", _) => None,
        ("adminpage" | "gravepage", Role::User) => FORBIDDEN,
        ("adminpage" | "gravepage", Role::Admin) | ("adminpage", Role::OldAdmin) => None,
        ("gravepage", Role::OldAdmin) => Some((403, "reauthentication_required")),
        ("read", Role::Service(Scope::AdminRead) | Role::OldAdmin) => None,
        ("admin", Role::OldAdmin) => None,
        ("grave", Role::OldAdmin) => Some((403, "reauthentication_required")),
        ("read" | "admin" | "grave", Role::Admin | Role::Service(Scope::Admin)) => None,
        ("read" | "admin" | "grave", _) => FORBIDDEN,
        ("service(introspect)", _) => service(Scope::Introspect),
        ("service(revoke)", _) => service(Scope::Revoke),
        ("service(revocations)", _) => service(Scope::Revocations),
        _ => panic!("the guard {guard} has no rule"),
    }
}

/// An installation, and what each role asks with.
struct World {
    app: App,
    tokens: Vec<(Role, Option<String>)>,
}

impl World {
    async fn new() -> Self {
        let app = App::new().await;
        let old = app.admin_called(BOB).await.access;
        app.pass(11 * MINUTE);
        let admin = app.admin().await.access;
        let user = app.signup(ADA).await.access;
        let mut tokens = Vec::new();
        for role in Role::all() {
            let token = match role {
                Role::Anonymous => None,
                Role::User => Some(user.clone()),
                Role::Admin => Some(admin.clone()),
                Role::OldAdmin => Some(old.clone()),
                Role::Scopeless => Some(app.service_key(&[]).await),
                Role::Service(scope) => Some(app.service_key(&[scope.as_str()]).await),
            };
            tokens.push((role, token));
        }
        Self { app, tokens }
    }
}

/// What is nowhere, in the place of whatever varies.
const NOWHERE: &str = "0195f6a0-0000-7000-8000-000000000000";

#[test]
fn every_route_has_a_rule() {
    let rules: BTreeSet<(String, &str, String)> = RULES
        .iter()
        .map(|(method, path, guard)| ((*method).to_owned(), *path, (*guard).to_owned()))
        .collect();
    let there: BTreeSet<(String, &str, String)> =
        Keyward::routes().map(|(method, path, guard)| (method.to_string(), path, guard)).collect();
    assert_eq!(rules, there, "each route has a rule here, and none without a route");
}

#[tokio::test]
async fn every_route_lets_in_who_may_and_refuses_everybody_else_and_nothing_changes() {
    for (method, path, guard) in Keyward::routes() {
        let World { app, tokens } = World::new().await;
        app.tick().await;
        let ask = Ask::new(method.clone(), &filled(path, NOWHERE)).json(json!({}));
        let (refused, passing): (Vec<_>, Vec<_>) =
            tokens.iter().partition(|(role, _)| rule(&guard, *role).is_some());
        let before = app.dump();
        for (role, token) in refused.into_iter().chain(passing) {
            let ask = match token {
                Some(token) => ask.clone().bearer(token),
                None => ask.clone(),
            };
            let reply = app.send(ask).await;
            let code = reply.one("x-keyward-error").unwrap_or_default().to_owned();
            match rule(&guard, *role) {
                Some((status, code)) => {
                    reply.refused(status, code);
                    assert_eq!(app.dump(), before, "{method} {path} as {role:?}");
                }
                // What a handler says of a request that says nothing is told by its own tests.
                None if guard == "open" || guard == "public" => {
                    assert!(!["forbidden", "reauthentication_required"].contains(&code.as_str()), "{path}");
                }
                None => {
                    let by_a_guard = matches!(reply.status, 401 | 403) && code != "invalid_credentials";
                    // Who comes second finds the keys rotated a moment ago.
                    let too_soon = path == "/api/admin/keys/rotate" && code == "overloaded";
                    assert!(
                        !by_a_guard && (reply.status < 500 || too_soon),
                        "{method} {path} as {role:?}: {}",
                        reply.text()
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn who_asks_without_a_credential_of_ours_is_told_so_and_nothing_changes() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.tick().await;
    let before = app.dump();
    for (method, path, guard) in RULES {
        let path = filled(path, &tokens.session);
        let body = json!({"email": ADA, "password": PASSWORD, "current_password": PASSWORD,
            "new_password": OTHER_PASSWORD, "refresh_token": tokens.refresh});
        let ask = Ask::new(method.parse::<Method>().expect("a method"), &path).json(body);
        match (*guard, path.as_str()) {
            ("open", _) => {
                app.send(ask.header("sec-fetch-site", "cross-site")).await.refused(403, "cross_site_request");
            }
            // Who does not know its secret is told that there is nothing.
            ("public", "/dev/mailbox") => drop(app.send(ask).await.refused(404, "not_found")),
            ("public", "/api/auth/renew") => drop(app.send(ask).await.refused(401, "missing_token")),
            ("public", file) if file.starts_with("/assets/") => {
                drop(app.send(ask).await.refused(404, "not_found"));
            }
            // Without its link a page has nothing to ask for.
            ("public", "/reset" | "/verify-email") => assert_eq!(app.send(ask).await.status, 400),
            ("public", _) => assert_eq!(app.send(ask).await.status, 200),
            _ => {
                app.send(ask.clone()).await.refused(401, "missing_token");
                app.send(ask.clone().header("authorization", "Basic eDp5"))
                    .await
                    .refused(401, "missing_token");
                for forged in
                    ["x", "kws_x", "kws_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &tokens.refresh]
                {
                    app.send(ask.clone().bearer(forged)).await.refused(401, "invalid_token");
                }
            }
        }
        assert_eq!(app.dump(), before, "{method} {path}");
    }
}

/// `docs/routes.md`, as the rules make it. With KEYWARD_REGENERATE=1 it is written anew.
#[test]
fn the_table_in_the_docs_is_the_one_that_is_tested() {
    let mut table = String::from(
        "# Who may call what\n\nEvery route, and what it says to whom: *yes*, or the code of the refusal. \
         *Yes* means that the guard\nlets the caller in; what the route then says of the request is another \
         matter. A test asks every route as each of these.\n\n| |",
    );
    for role in Role::all() {
        let _ = write!(table, " {} |", role.head());
    }
    table.push_str("\n|---|");
    Role::all().for_each(|_| table.push_str("---|"));
    for (method, path, guard) in Keyward::routes() {
        let _ = write!(table, "\n| `{method} {path}` |");
        for role in Role::all() {
            let cell = rule(&guard, role).map_or_else(|| "yes".to_owned(), |(_, code)| format!("`{code}`"));
            let _ = write!(table, " {cell} |");
        }
    }
    table.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/routes.md");
    if std::env::var_os("KEYWARD_REGENERATE").is_some() {
        std::fs::write(&file, &table).expect("written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        written, table,
        "KEYWARD_REGENERATE=1 cargo test -p keyward --test http the_table writes it anew"
    );
}
