//! `GET /assets/{file}`, and the looks that an installation gives its pages.

use keyward::{Branding, Logo, Settings};

use crate::support::{App, get, settings};

/// The addresses that a page names after this.
fn named(page: &str, before: &str) -> Vec<String> {
    page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn whatever_a_page_loads_is_there_and_may_be_kept_for_ever() {
    let app = App::new().await;
    let page = app.send(get("/login")).await.text();
    let files: Vec<String> =
        named(&page, "=\"/assets/").into_iter().map(|file| format!("/assets/{file}")).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in &files {
        let reply = app.send(get(file)).await;
        assert_eq!(reply.status, 200, "{file}");
        assert_eq!(reply.one("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(reply.one("x-content-type-options"), Some("nosniff"));
        assert!(reply.one("content-security-policy").is_some_and(|csp| csp.ends_with("sandbox")));
        let media = match file.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(reply.one("content-type"), Some(media));
    }
    for nowhere in ["/assets/style.css", "/assets/page.js", "/assets/..%2fx", "/assets/style-0.css"] {
        app.send(get(nowhere)).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn an_installation_has_its_own_name_logo_and_colour() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec();
    let branding = Branding {
        name: "Acme <b> & Co".parse().expect("a name"),
        logo: Some(Logo::from_bytes(svg.clone()).expect("a logo")),
        color: "#ffdd00".parse().expect("a colour"),
    };
    let app = App::with(Settings { branding, ..settings() }).await;
    let page = app.send(get("/login")).await.text();
    assert!(page.contains("Acme &#60;b&#62; &#38; Co") && !page.contains("<b>"), "{page}");
    assert!(!page.contains("Keyward"), "{page}");
    let logo = named(&page, "<img src=\"").remove(0);
    let reply = app.send(get(&logo)).await;
    assert_eq!((reply.one("content-type"), reply.body.to_vec()), (Some("image/svg+xml"), svg));
    // Opened by itself it is a document: no script of it runs, and it is of no origin.
    let policy = reply.one("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    let style = app.send(get(&named(&page, "rel=\"stylesheet\" href=\"").remove(0))).await.text();
    assert!(style.contains("--brand: #ffdd00; --on-brand: #000000;"), "dark text on a light colour");
}
