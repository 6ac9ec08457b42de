//! Is this token good, at this moment?

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use keyward_core::access_token::{Defect, Invalid, Realm, TokenType, Verified, verify_published};
use keyward_core::denial::Denial;
use keyward_core::key::PublicKeys;
use keyward_core::revocation::CutOff;
use keyward_core::service_key;
use reqwest::Url;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::introspection::Introspection;
use crate::keys::Keys;
use crate::layer::Layer;
use crate::refused::Refused;
use crate::session::Session;
use crate::web;

/// The longest that a token may be taken past its `exp`: as long as Keyward remembers what it revoked.
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// Verifies tokens in memory, and knows what was revoked. Cheap to clone; the last one dropped stops
/// listening.
#[derive(Clone)]
pub struct Verifier(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    tasks: Vec<JoinHandle<()>>,
}

struct Core {
    takes: TokenType,
    realm: Realm,
    clock: Clock,
    keys: Keys,
    revocations: Option<(Feed, Introspection)>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Says whom a [`Verifier`] believes. Made by [`Verifier::access_tokens`] or [`Verifier::assertions`].
#[derive(Clone)]
pub struct Builder {
    takes: TokenType,
    issuer: String,
    audience: String,
    server: Option<String>,
    service_key: Option<String>,
    leeway: Duration,
    allows_plain_http: bool,
    is_blind: bool,
    pub(crate) clock: Clock,
}

/// Why there is no verifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Where Keyward is asked is no `http://` or `https://` address.
    #[error("{0:?} is no http:// or https:// address")]
    Url(String),
    /// Keys and verdicts would come unprotected from another machine.
    #[error(
        "{0} is neither https:// nor on this machine: whoever is in between could make tokens; Builder::plain_http allows it"
    )]
    PlainHttp(Url),
    /// A service key is needed to know what was revoked.
    #[error(
        "no service key: make one with `keyward service-key create NAME --scope introspect,revocations`, or say Builder::without_revocations"
    )]
    NoServiceKey,
    /// The service key is none: `kws_` and what follows.
    #[error("the service key is no key that Keyward makes")]
    ServiceKey,
    /// A leeway of more than 60 s.
    #[error("a leeway of more than {} s", MAX_LEEWAY.as_secs())]
    Leeway,
    /// It listens in the background, which needs tokio.
    #[error("a Verifier is built within a tokio runtime")]
    NoRuntime,
    /// TLS could not be set up.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

impl Verifier {
    /// For access tokens in `Authorization: Bearer`. The issuer is `tokens.issuer`, to the letter: the
    /// public URL unless told otherwise.
    pub fn access_tokens(issuer: &str) -> Builder {
        Builder::new(TokenType::Access, issuer, "keyward")
    }

    /// For what Keyward tells the service behind a proxy that asks it (`X-Auth-Assertion`): of 60 s at most,
    /// for this audience, which is `edge.audience`. Each was checked against what was revoked when it was
    /// made, so a service key is not needed. Without one it is not heard that a signing key was revoked:
    /// whoever stole it can make assertions until the keys are fetched again, after the `max-age` that
    /// Keyward says (30 minutes at most), and an hour at most where Keyward can't be reached.
    pub fn assertions(issuer: &str, audience: &str) -> Builder {
        Builder { is_blind: true, ..Builder::new(TokenType::Assertion, issuer, audience) }
    }

    /// Who holds this token, if it is good at this moment. Answered from memory; only while the feed is
    /// silent is Keyward asked.
    ///
    /// # Errors
    /// [`Refused`]: 401 with the reason, or `503 store_unavailable` where it can't be known.
    pub async fn verify(&self, token: &str) -> Result<Session, Refused> {
        let core = &self.0.core;
        let verified = core.verified(token).await?;
        if let Some((feed, introspection)) = &core.revocations {
            let is_fresh = feed.is_fresh();
            match feed.check(verified.subject()) {
                None => {}
                Some(CutOff::Session) => return Err(Refused(Denial::SessionRevoked)),
                Some(CutOff::Generation) => {
                    // Given up for lost, and yet somebody has it. Keyward ends a session whose dead token it
                    // is asked about; whether it can be told or not, nobody is let in.
                    if self.takes() == TokenType::Access {
                        drop(introspection.is_active(token).await);
                    }
                    return Err(Refused(Denial::SessionRevoked));
                }
                Some(CutOff::Key | CutOff::User | CutOff::Roles) => return Err(Refused(Denial::TokenStale)),
            }
            if !is_fresh {
                // An assertion is no access token: nobody can be asked about it.
                if core.takes == TokenType::Assertion {
                    return Err(Refused(Denial::StoreUnavailable));
                }
                let is_active = introspection.is_active(token).await.map_err(|error| {
                    tracing::warn!("neither the feed nor introspection: {error}");
                    Refused(Denial::StoreUnavailable)
                })?;
                if !is_active {
                    return Err(Refused(Denial::InvalidToken));
                }
            }
        }
        Ok(Session(Arc::new(verified)))
    }

    /// Whether the feed is heard, so that no request has to ask Keyward. For a readiness probe.
    pub fn is_fresh(&self) -> bool {
        self.0.core.revocations.as_ref().is_none_or(|(feed, _)| feed.is_fresh())
    }

    /// The layer that lets nobody in without a good token.
    pub fn layer(&self) -> Layer {
        Layer::new(self.clone())
    }

    /// What the tasks in the background hold.
    #[cfg(test)]
    pub(crate) fn listener(&self) -> Arc<impl Sized + use<>> {
        Arc::clone(&self.0.core)
    }

    pub(crate) fn takes(&self) -> TokenType {
        self.0.core.takes
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("realm", &self.0.core.realm).finish_non_exhaustive()
    }
}

impl Core {
    async fn verified(&self, token: &str) -> Result<Verified, Refused> {
        let keys = self.keys.current().await.ok_or(Refused(Denial::StoreUnavailable))?;
        match self.judge(token, &keys) {
            Err(Invalid::NotOurs(Defect::UnknownKey)) => match self.keys.beyond(&keys).await {
                Some(others) => self.judge(token, &others),
                None => Err(Defect::UnknownKey.into()),
            },
            judged => judged,
        }
        .map_err(|invalid| {
            Refused(match invalid {
                Invalid::Expired(_) => Denial::TokenExpired,
                Invalid::KeyRevoked => Denial::TokenStale,
                Invalid::NotOurs(_) => Denial::InvalidToken,
            })
        })
    }

    fn judge(&self, token: &str, keys: &PublicKeys) -> Result<Verified, Invalid> {
        verify_published(self.takes, token, keys, &self.realm, self.clock.now())
    }
}

impl Builder {
    fn new(takes: TokenType, issuer: &str, audience: &str) -> Self {
        Self {
            takes,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            server: None,
            service_key: None,
            leeway: Duration::ZERO,
            allows_plain_http: false,
            is_blind: false,
            clock: Clock::default(),
        }
    }

    /// Where Keyward is asked, if not at the issuer: its address inside the network.
    #[must_use]
    pub fn server(mut self, url: &str) -> Self {
        self.server = Some(url.to_owned());
        self
    }

    /// `aud` of the tokens (`tokens.audience`); `keyward` unless told otherwise.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        audience.clone_into(&mut self.audience);
        self
    }

    /// A service key of the scopes `introspect` and `revocations`, by which it is known what was revoked.
    #[must_use]
    pub fn service_key(mut self, key: &str) -> Self {
        self.service_key = Some(key.to_owned());
        self
    }

    /// How long past its `exp` a token is taken, where clocks differ: none unless told otherwise, 60 s at
    /// most.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Asks Keyward without TLS on another machine: only in a network where nobody else is.
    #[must_use]
    pub const fn plain_http(mut self) -> Self {
        self.allows_plain_http = true;
        self
    }

    /// Goes without knowing what was revoked: a token is taken until its `exp`, 15 minutes unless told
    /// otherwise, whatever happened since.
    #[must_use]
    pub const fn without_revocations(mut self) -> Self {
        self.is_blind = true;
        self
    }

    /// Begins to fetch keys and to listen, in the background. What is verified before the keys are there
    /// waits for them, 5 s at most.
    ///
    /// # Errors
    /// [`BuildError`]. That Keyward does not answer is none: it may come up later.
    pub fn build(self) -> Result<Verifier, BuildError> {
        let base = self.base()?;
        if self.leeway > MAX_LEEWAY {
            return Err(BuildError::Leeway);
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let web = web::client(&base)?;
        let at = |path: &str| base.join(path).map_err(|_| BuildError::Url(base.to_string()));
        let revocations = match self.authorization() {
            Err(BuildError::NoServiceKey) if self.is_blind => None,
            Err(error) => return Err(error),
            Ok(key) => Some((
                Feed::new(at("/api/auth/revocations")?, web.clone(), key.clone(), self.clock.clone()),
                Introspection::new(at("/api/auth/introspect")?, web.clone(), key),
            )),
        };
        let keys = Keys::new(at("/.well-known/jwks.json")?, web, self.clock.clone());
        let realm = Realm { issuer: self.issuer, audience: self.audience, leeway: self.leeway };
        let core = Arc::new(Core { takes: self.takes, realm, clock: self.clock, keys, revocations });
        let mut tasks = vec![runtime.spawn({
            let core = Arc::clone(&core);
            async move { core.keys.keep().await }
        })];
        if core.revocations.is_some() {
            let core = Arc::clone(&core);
            tasks.push(runtime.spawn(async move {
                if let Some((feed, _)) = &core.revocations {
                    feed.listen().await;
                }
            }));
        }
        Ok(Verifier(Arc::new(Shared { core, tasks })))
    }

    fn base(&self) -> Result<Url, BuildError> {
        let text = self.server.as_ref().unwrap_or(&self.issuer);
        let url: Url = text.parse().map_err(|_| BuildError::Url(text.clone()))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.allows_plain_http || is_here(&url) => Ok(url),
            "http" => Err(BuildError::PlainHttp(url)),
            _ => Err(BuildError::Url(text.clone())),
        }
    }

    fn authorization(&self) -> Result<HeaderValue, BuildError> {
        let key = self.service_key.as_deref().ok_or(BuildError::NoServiceKey)?;
        if !key.starts_with(service_key::PREFIX) {
            return Err(BuildError::ServiceKey);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| BuildError::ServiceKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Whether the address is this machine.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
