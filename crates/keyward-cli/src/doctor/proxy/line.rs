//! Which line of a proxy's configuration is missing? As it stands in the example for that proxy.

use super::Kind;

/// The identity headers that the application is told.
pub(super) const IDENTITY: [(&str, &str); 8] = [
    ("X-Auth-User-Id", "user_id"),
    ("X-Auth-Session-Id", "session_id"),
    ("X-Auth-Email", "email"),
    ("X-Auth-Email-Verified", "email_verified"),
    ("X-Auth-Phone-Number", "phone_number"),
    ("X-Auth-Roles", "roles"),
    ("X-Auth-Permissions", "permissions"),
    ("X-Auth-Assertion", "assertion"),
];

/// What a set-up does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody is asked: everybody gets in.
    Open,
    /// What Keyward says to a script does not arrive.
    Refusal,
    /// A page that is opened is not led to be renewed.
    Redirect,
    /// A client's word for the address is believed.
    Address,
    /// Keyward's own paths don't reach it.
    OwnPaths,
    /// The question can be asked from outside.
    Asked,
    /// Keyward calls itself by another address.
    PublicUrl,
    /// Cookies that Keyward sets don't arrive.
    SetCookie,
    /// Cookies don't reach the question.
    Cookie,
    /// The method is not told.
    Method,
    /// The method is told, or may be, but not believed.
    Untrusted,
    /// A WebSocket from another site passes.
    WebSocket,
    /// Another site's request passes.
    CrossSite,
    /// A client's word for its address is believed.
    ForwardedFor,
    /// An answer is kept for others.
    Kept,
    /// The client's copy of this header reaches the application, or the true one does not.
    Identity(usize),
    /// A look-alike of one does.
    Alias,
    /// A token does.
    Token,
}

impl Fault {
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Open => "protection",
            Self::Refusal => "401",
            Self::Redirect => "redirect",
            Self::Address => "X-Forwarded-Uri",
            Self::OwnPaths => "Keyward's paths",
            Self::Asked => "/api/auth/verify",
            Self::PublicUrl => "server.public_url",
            Self::SetCookie => "Set-Cookie",
            Self::Cookie => "Cookie",
            Self::Method => "X-Forwarded-Method",
            Self::Untrusted => "server.trusted_proxies",
            Self::WebSocket => "WebSocket",
            Self::CrossSite => "another site",
            Self::ForwardedFor => "X-Forwarded-For",
            Self::Kept => "caching",
            Self::Identity(which) => IDENTITY[which].0,
            Self::Alias => "X_Auth_User_Id",
            Self::Token => "tokens",
        }
    }
}

/// What to do, whichever proxy it is.
pub(super) fn in_words(fault: Fault) -> String {
    match fault {
        Fault::Open => "have the proxy ask /api/auth/verify before this path",
        Fault::Refusal => "pass Keyward's own answer on, with its status, its body and X-Keyward-Error",
        Fault::Redirect => "ask with ?redirect=1, and pass the 302 on",
        Fault::Address => "set X-Forwarded-Uri to the original path and query in the question",
        Fault::OwnPaths => "send /api/auth/, /login and Keyward's other paths to Keyward, unasked",
        Fault::Asked => "answer /api/auth/verify and what is below it with 404 to everybody outside",
        Fault::PublicUrl => "set server.public_url to the origin that people see",
        Fault::SetCookie => "pass each Set-Cookie of Keyward's paths on as it is",
        Fault::Cookie => "pass Cookie on in the question",
        Fault::Method => "set X-Forwarded-Method to the original method in the question",
        Fault::Untrusted => "set server.trusted_proxies to the network that the proxy asks from",
        Fault::WebSocket => "pass Upgrade, Origin and the Sec- headers on in the question",
        Fault::CrossSite => {
            "set X-Forwarded-Method to the original method in the question, and pass Origin on"
        }
        Fault::ForwardedFor => "set X-Forwarded-For to the client's address wherever Keyward is asked",
        Fault::Kept => "keep no answer of Keyward's, and none of a protected path for others",
        Fault::Identity(which) => {
            return format!("set {} from Keyward's answer, whatever the client sent", IDENTITY[which].0);
        }
        Fault::Alias => "drop headers whose names an application could read as X-Auth-…",
        Fault::Token => "take Keyward's cookies out on the way to the application",
    }
    .to_owned()
}

/// What to do with this proxy: the line of its example that is missing, where it is one line.
pub(super) fn missing(kind: Kind, fault: Fault) -> String {
    let words = in_words(fault);
    let folder = kind.folder();
    match of(kind, fault) {
        Some(line) => format!("{words}; the line in examples/{folder}: {line}"),
        None => format!("{words}; see examples/{folder}"),
    }
}

fn of(kind: Kind, fault: Fault) -> Option<String> {
    use Kind::{Caddy, Envoy, Haproxy, Nginx, Traefik};
    Some(
        match (kind, fault) {
            (Nginx, Fault::Identity(which)) => {
                let (name, variable) = IDENTITY[which];
                return Some(format!("proxy_set_header {name} $keyward_{variable};"));
            }
            (Nginx, Fault::Open) => "auth_request /keyward-verify;",
            (Nginx, Fault::Asked) => "location ^~ /api/auth/verify { return 404; }",
            (Caddy, Fault::Asked) => "respond @question 404",
            (Haproxy, Fault::Asked) => "http-request deny deny_status 404 if question",
            (Traefik, Fault::Asked) => "middlewares: [nobody]",
            (Envoy, Fault::Asked) => "direct_response: { status: 404 }",
            (Nginx, Fault::Refusal) => "error_page 401 403 = @keyward_answers;",
            (Nginx, Fault::Redirect) => {
                "proxy_pass http://keyward/api/auth/verify?redirect=1&$keyward_demand;"
            }
            (Nginx, Fault::Address) => "proxy_set_header X-Forwarded-Uri $request_uri;",
            (Nginx, Fault::Method | Fault::CrossSite) => {
                "proxy_set_header X-Forwarded-Method $request_method;"
            }
            (Nginx, Fault::ForwardedFor) => "proxy_set_header X-Forwarded-For $remote_addr;",
            (Nginx, Fault::WebSocket) => "proxy_set_header Upgrade $http_upgrade;",
            (Nginx, Fault::Token) => "proxy_set_header Cookie $keyward_other_cookies;",
            (Nginx, Fault::Alias) => "underscores_in_headers off;",
            (Caddy, Fault::Open) => "forward_auth 127.0.0.1:8080 {",
            (Caddy, Fault::Redirect) => "uri /api/auth/verify?redirect=1&{args.0}",
            (Caddy, Fault::Identity(_)) => "copy_headers X-Auth-User-Id",
            (Caddy, Fault::Alias) => "request_header -X_*",
            (Caddy, Fault::Token) => "request_header Cookie",
            (Haproxy, Fault::Open) => "http-request lua.keyward unless keyward",
            (Haproxy, Fault::ForwardedFor) => "http-request set-header X-Forwarded-For %[src]",
            (Haproxy, Fault::Alias) => "http-request del-header ^x[^a-z0-9]auth[^a-z0-9] -m reg",
            (Haproxy, Fault::Method | Fault::CrossSite) => {
                "asked[\"x-forwarded-method\"] = { txn.sf:method() }"
            }
            (Haproxy, Fault::Address) => "asked[\"x-forwarded-uri\"] = { txn.sf:pathq() }",
            (Haproxy, Fault::Token) => "withhold_tokens(txn, headers)",
            (Traefik, Fault::Identity(which)) => return Some(format!("- {}", IDENTITY[which].0)),
            (Traefik, Fault::Alias) => "aliasHeadersStrategy: delete",
            (Traefik, Fault::Redirect) => "address: \"http://127.0.0.1:8080/api/auth/verify?redirect=1\"",
            (Traefik, Fault::ForwardedFor) => "insecure: false",
            (Envoy, Fault::Identity(which)) => {
                return Some(format!("- exact: {}", IDENTITY[which].0.to_ascii_lowercase()));
            }
            (Envoy, Fault::Cookie) => "- exact: cookie",
            (Envoy, Fault::WebSocket) => "- exact: sec-websocket-key",
            (Envoy, Fault::Redirect) => "path_override: /api/auth/verify?redirect=1",
            (Envoy, Fault::Method | Fault::CrossSite) => {
                "header: { key: x-forwarded-method, value: \"%REQ(:METHOD)%\" }"
            }
            (Envoy, Fault::Address) => "header: { key: x-forwarded-uri, value: \"%REQ(:PATH)%\" }",
            (Envoy, Fault::ForwardedFor) => {
                "header: { key: x-forwarded-for, value: \"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\" }"
            }
            (Envoy, Fault::Alias) => "headers_with_underscores_action: DROP_HEADER",
            _ => return None,
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_that_is_named_stands_in_its_example() {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for kind in [Kind::Nginx, Kind::Caddy, Kind::Haproxy, Kind::Traefik, Kind::Envoy] {
            let folder = format!("{}/../../examples/{}", env!("CARGO_MANIFEST_DIR"), kind.folder());
            let files = std::fs::read_dir(&folder).expect("a folder");
            let text: String = files
                .map(|file| file.expect("a file").path())
                .filter(|file| file.extension().is_none_or(|end| end != "md"))
                .map(|file| squeezed(&std::fs::read_to_string(file).expect("text")))
                .collect();
            let faults = [
                Fault::Open,
                Fault::Refusal,
                Fault::Redirect,
                Fault::Address,
                Fault::OwnPaths,
                Fault::Asked,
                Fault::PublicUrl,
                Fault::SetCookie,
                Fault::Cookie,
                Fault::Method,
                Fault::Untrusted,
                Fault::WebSocket,
                Fault::CrossSite,
                Fault::ForwardedFor,
                Fault::Kept,
                Fault::Alias,
                Fault::Token,
            ];
            for fault in faults.into_iter().chain((0..IDENTITY.len()).map(Fault::Identity)) {
                if let Some(line) = of(kind, fault) {
                    assert!(text.contains(&line), "{kind:?} {fault:?}: {line}");
                }
            }
        }
    }
}
