//! Do the lines for TLS in the examples, which stand there as comments, make what they say?

use std::fs;

use reqwest::{Certificate, Client, RequestBuilder, Response, redirect};
use serde_json::json;
use tempfile::TempDir;

use crate::application::Application;
use crate::kind::{Kind, PROXY};
use crate::stand::{Proxy, free_address};
use crate::support::{EMAIL, Home, PASSWORD, Server, self_made_certificate};

/// The example with its lines for TLS instead of the one without, and this certificate.
fn with_tls(kind: Kind, text: &str, folder: &TempDir) -> String {
    let path = |file: &str| folder.path().join(file).display().to_string();
    let text = match kind {
        // It has no such lines: it fetches a certificate for the name that stands in its file. Here
        // it is given one, and leaves the port 80 alone.
        Kind::Caddy => text.replace("admin off", "admin off\n\tauto_https disable_redirects").replace(
            &format!("http://{PROXY} {{"),
            &format!("https://{PROXY} {{\ntls certificate.pem key.pem"),
        ),
        _ => {
            let plain = [format!("listen {PROXY};"), format!("bind {PROXY}")];
            let lines = text.lines().filter(|line| !plain.iter().any(|plain| plain == line.trim()));
            let text: String = lines.map(|line| line.replacen("#tls# ", "", 1) + "\n").collect();
            text.replace("listen 443 ssl;", &format!("listen {PROXY} ssl;"))
                .replace("bind :443 ssl", &format!("bind {PROXY} ssl"))
        }
    };
    text.replace(" certificate.pem", &format!(" {}", path("certificate.pem")))
        .replace(" key.pem", &format!(" {}", path("key.pem")))
        .replace(" certificate-and-key.pem", &format!(" {}", path("certificate-and-key.pem")))
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.unwrap_or_else(|error| panic!("{error:?}"))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("ASCII"))
}

async fn holds(kind: Kind) {
    let address = free_address();
    let (host, _) = address.split_once(':').expect("a port");
    let folder = TempDir::new().expect("a folder");
    self_made_certificate(folder.path(), &format!("IP:{host}"));
    let file = |name: &str| fs::read(folder.path().join(name)).expect("made");
    let both = [file("certificate.pem"), file("key.pem")].concat();
    fs::write(folder.path().join("certificate-and-key.pem"), both).expect("written");
    let trusted = Certificate::from_pem(&file("certificate.pem")).expect("PEM");
    let client = Client::builder().tls_certs_only([trusted]).redirect(redirect::Policy::none()).no_proxy();
    let client = client.http1_only().build().expect("a client");

    let origin = format!("https://{address}");
    let home =
        Home::new().with("SERVER__PUBLIC_URL", &origin).with("SERVER__TRUSTED_PROXIES", "127.0.0.1/32");
    home.user(EMAIL);
    let keyward = Server::start(&home);
    let application = Application::start();
    let change = |_: &str, text: &str| with_tls(kind, text, &folder);
    let proxy = Proxy::spawn(kind, &address, keyward.address(), &application.address, change);
    let proxy = proxy.once(|| std::net::TcpStream::connect(&address).is_ok());

    let page = format!("{origin}/tasks?a=b");
    let navigation =
        [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    let navigate =
        |url: &str| navigation.iter().fold(client.get(url), |ask, (name, value)| ask.header(*name, *value));
    let nobody = sent(client.get(&page)).await;
    assert_eq!((nobody.status().as_u16(), header(&nobody, "x-keyward-error")), (401, "missing_token"));
    let nobody = sent(navigate(&page)).await;
    assert_eq!(nobody.status(), 302, "{}", proxy.log());
    assert!(header(&nobody, "location").starts_with(&format!("{origin}/api/auth/renew?next=")));
    assert!(application.got().is_empty());

    let body = json!({ "email": EMAIL, "password": PASSWORD }).to_string();
    let login = client.post(format!("{origin}/api/auth/login")).header("Content-Type", "application/json");
    let login =
        sent(login.header("Origin", &origin).header("Sec-Fetch-Site", "same-origin").body(body)).await;
    assert_eq!(login.status(), 200);
    let set = login.headers().get_all("set-cookie").iter().map(|line| line.to_str().expect("ASCII"));
    let set: Vec<&str> = set.collect();
    assert!(
        set.len() == 3 && set.iter().all(|line| line.starts_with("__") && line.contains("; Secure")),
        "{set:?}"
    );
    let cookies: Vec<&str> = set.iter().filter_map(|line| line.split(';').next()).collect();

    let told =
        sent(navigate(&page).header("Cookie", cookies.join("; ")).header("X-Forwarded-Proto", "http")).await;
    assert_eq!(told.status(), 200, "{}", proxy.log());
    let got = application.got_one();
    assert_eq!(
        (got.all("x-auth-email"), got.all("x-forwarded-proto")),
        (vec![EMAIL], vec!["https"]),
        "{got:?}"
    );
    assert!(!format!("{got:?}").contains("keyward_"), "{got:?}");
    keyward.stop();
}

#[tokio::test]
async fn nginx_speaks_tls_by_the_lines_of_its_example() {
    holds(Kind::Nginx).await;
}

#[tokio::test]
async fn haproxy_speaks_tls_by_the_line_of_its_example() {
    holds(Kind::Haproxy).await;
}

#[tokio::test]
async fn caddy_passes_what_came_by_tls() {
    holds(Kind::Caddy).await;
}
