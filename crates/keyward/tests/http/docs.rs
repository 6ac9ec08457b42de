//! `GET /docs`: is it there without a network, and can nothing else be run in it?

use crate::support::{App, get};

#[tokio::test]
async fn it_is_made_of_what_this_server_sends_and_of_nothing_else() {
    let app = App::new().await;
    let page = app.send(get("/docs")).await;
    assert_eq!((page.status, page.one("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.one("content-security-policy").expect("a policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.one("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.one("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(page.one("x-content-type-options"), Some("nosniff"));

    let html = page.text();
    let mut asked = 0;
    for part in html.split(['"']).skip(1).step_by(2).filter(|text| text.starts_with('/')) {
        assert_eq!(app.send(get(part)).await.status, 200, "{part}");
        asked += 1;
    }
    assert!(asked >= 3, "{asked}");
    for (path, media) in
        [("/docs/docs.js", "text/javascript; charset=utf-8"), ("/docs/docs.css", "text/css; charset=utf-8")]
    {
        let asset = app.send(get(path)).await;
        assert_eq!((asset.status, asset.one("content-type")), (200, Some(media)));
        for text in [&html, &asset.text()] {
            for foreign in [
                "http://",
                "https://",
                "//cdn",
                "innerHTML",
                "eval(",
                "<script>",
                "<style",
                "style=",
                "onclick",
            ] {
                assert!(!text.contains(foreign), "{path}: {foreign}");
            }
        }
    }
}
