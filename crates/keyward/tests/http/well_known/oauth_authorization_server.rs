//! `GET /.well-known/oauth-authorization-server`

use keyward::Settings;

use crate::support::{ADA, App, claims, get, post, settings};

#[tokio::test]
async fn its_issuer_is_that_of_the_tokens_and_its_keys_are_there() {
    for issuer in [None, Some("https://issuer.example.com/a".to_owned())] {
        let app = App::with(Settings { issuer, ..settings() }).await;
        let reply = app.send(get("/.well-known/oauth-authorization-server")).await;
        assert_eq!((reply.status, reply.all("content-type")), (200, vec!["application/json"]));
        let metadata = reply.json();
        let tokens = app.signup(ADA).await;
        assert_eq!(metadata["issuer"], claims(&tokens.access)["iss"]);
        app.session(&tokens.access).await.ok(200);
        for (name, path) in [("introspection", "/api/auth/introspect"), ("revocation", "/api/auth/revoke")] {
            let url = format!("{}{path}", app.settings().public_url.as_str());
            assert_eq!(metadata[format!("{name}_endpoint")], url);
            let methods = &metadata[format!("{name}_endpoint_auth_methods_supported")];
            assert_eq!(*methods, serde_json::json!(["Bearer"]));
            app.send(post(path).form("token=x")).await.refused(401, "missing_token");
        }
        let keys = metadata["jwks_uri"].as_str().expect("jwks_uri");
        let path = keys.strip_prefix(app.settings().public_url.as_str()).expect("here");
        assert_eq!(app.send(get(path)).await.status, 200);
        assert_eq!(metadata["access_token_signing_alg_values_supported"], serde_json::json!(["EdDSA"]));
    }
}
