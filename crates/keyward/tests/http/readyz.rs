//! `GET /healthz`, `GET /readyz`

use crate::support::{App, get};

#[tokio::test]
async fn the_process_lives_and_its_store_answers() {
    let app = App::new().await;
    for path in ["/healthz", "/readyz"] {
        let reply = app.send(get(path)).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok\n"), "{path}");
        assert_eq!(reply.all("cache-control"), ["no-store"]);
    }
}
