//! Who asks, by which credential, and may they?
//!
//! A person asks with an access token, a service with its key. Whether somebody is an
//! administrator is told by the roles in the token, which were those of the account when it was
//! issued: it is `token_stale` as soon as they change, so no store is asked.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use keyward_core::access_token::peek_session;
use keyward_core::denial::Denial;
use keyward_core::id::SessionId;
use keyward_core::role;
use keyward_core::service_key::{self, Scope, ServiceKey};
use keyward_core::session::{Generation, Transport};

use super::cookie::{Cookies, Names};
use crate::access::{Access, FromWhere, Reach};
use crate::engine::Engine;
use crate::error::Error;

/// What a route demands of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing, and nothing changes: documents.
    Public,
    /// Nothing; what it changes has to be sent from our own pages by a browser: signing in and out,
    /// and what is asked for or proven by mail.
    Open,
    /// A live session, of whatever transport.
    Session,
    /// To read what administrators see: the role `admin`, or a service key of scope `admin` or
    /// `admin:read`.
    Read,
    /// To do what administrators do: the role `admin`, or a service key of scope `admin`.
    Admin,
    /// The same, and a person has proved who they are within `sessions.reauth_after`.
    Grave,
    /// A page for who is signed in. A browser that is not is led to where that is mended.
    Page,
    /// A page for administrators. A service reads the API.
    AdminPage,
    /// The same, and they have proved who they are within `sessions.reauth_after`.
    GravePage,
    /// A service key of this scope. A person has none, not even an administrator.
    Service(Scope),
    /// A live session, told from memory alone, of a request that a proxy speaks of: its handler asks
    /// who that is, and whether they may.
    Verify,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// A person, in a session.
    Person(Arc<Access>),
    /// A program.
    Service(Arc<ServiceKey>),
}

impl Guard {
    /// Whether it stands before administration.
    pub(crate) const fn is_administration(self) -> bool {
        matches!(self, Self::Read | Self::Admin | Self::Grave | Self::AdminPage | Self::GravePage)
    }

    /// Whether it stands before a page.
    pub(crate) const fn is_of_a_page(self) -> bool {
        matches!(self, Self::Page | Self::AdminPage | Self::GravePage)
    }

    /// Who asks, as far as this guard wants to know.
    ///
    /// # Errors
    /// The 401 that their credential deserves, or its absence.
    pub(crate) async fn identify(
        self,
        engine: &Engine,
        names: Names,
        headers: &HeaderMap,
        client: FromWhere<'_>,
    ) -> Result<Option<Who>, Error> {
        Ok(match self {
            Self::Public | Self::Verify => None,
            // A node that is cut off says so at once, not when the first question was given up.
            Self::Open => {
                engine.know_revocations().await?;
                None
            }
            Self::Session | Self::Page | Self::AdminPage | Self::GravePage => {
                Some(Who::Person(authenticate(engine, names, headers, client, Reach::Store).await?))
            }
            Self::Read | Self::Admin | Self::Grave => Some(match service_token(engine, names, headers) {
                Some(token) => Who::Service(engine.service_key(token).await?),
                None => Who::Person(authenticate(engine, names, headers, client, Reach::Store).await?),
            }),
            Self::Service(_) => Some(Who::Service(engine.service_key(bearer(headers)?).await?)),
        })
    }

    /// Whether they may.
    ///
    /// # Errors
    /// `forbidden`, `reauthentication_required`.
    pub(crate) async fn permit(self, engine: &Engine, who: &Who) -> Result<(), Error> {
        let scope = match self {
            Self::Public | Self::Open | Self::Session | Self::Page | Self::Verify => return Ok(()),
            Self::Read => Scope::AdminRead,
            Self::Admin | Self::Grave | Self::AdminPage | Self::GravePage => Scope::Admin,
            Self::Service(scope) => scope,
        };
        let access = match who {
            Who::Service(key) if key.may(scope) => return Ok(()),
            Who::Person(access) if self.is_administration() && is_admin(engine, access).await? => access,
            Who::Service(_) | Who::Person(_) => return Err(Denial::Forbidden.into()),
        };
        if matches!(self, Self::Grave | Self::GravePage) {
            engine.demand_recent_login(access)
        } else {
            Ok(())
        }
    }
}

/// Whether this is an administrator.
async fn is_admin(engine: &Engine, access: &Access) -> Result<bool, Error> {
    let is_admin = |roles: &[String]| roles.iter().any(|role| role == role::ADMIN);
    match &access.token.claims.roles {
        Some(roles) => Ok(is_admin(roles)),
        // `tokens.claims` leaves them out.
        None => Ok(is_admin(&engine.view(access).await?.0.account.roles)),
    }
}

/// The service key that a request presents where a person could ask, too: beside an access cookie
/// that counts, no header does.
fn service_token<'a>(engine: &Engine, names: Names, headers: &'a HeaderMap) -> Option<&'a str> {
    let token = bearer(headers).ok().filter(|token| token.starts_with(service_key::PREFIX))?;
    counting_access_cookies(engine, &names.read(headers)).is_empty().then_some(token)
}

/// The access token that a request presents: the cookie that counts, else the header.
///
/// # Errors
/// `missing_token`, `ambiguous_credentials`, or what [`Engine::authenticate`] says of it.
pub(crate) async fn authenticate(
    engine: &Engine,
    names: Names,
    headers: &HeaderMap,
    client: FromWhere<'_>,
    reach: Reach,
) -> Result<Arc<Access>, Error> {
    let cookies = names.read(headers);
    let counting = counting_access_cookies(engine, &cookies);
    match counting.as_slice() {
        [] => {
            let token = bearer(headers)?;
            engine.authenticate(token, engine.known(token), client, reach).await
        }
        [(token, known)] => engine.authenticate(token, known.clone(), client, reach).await,
        several => best_of(engine, several, client, reach).await,
    }
}

/// Of several cookies that a hint stands by, the good one of the highest generation.
async fn best_of(
    engine: &Engine,
    tokens: &[Counting<'_>],
    client: FromWhere<'_>,
    reach: Reach,
) -> Result<Arc<Access>, Error> {
    let mut best: Option<Arc<Access>> = None;
    let mut refused = None;
    for (token, known) in tokens {
        match engine.authenticate(token, known.clone(), client, reach).await {
            Ok(access) => match &best {
                Some(known) if known.session() != access.session() => {
                    return Err(Denial::AmbiguousCredentials.into());
                }
                Some(known) if known.token.claims.generation >= access.token.claims.generation => {}
                _ => best = Some(access),
            },
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    best.ok_or_else(|| refused.unwrap_or_else(|| Denial::MissingToken.into()))
}

/// A token that counts, and what is known of it if it was verified before.
type Counting<'a> = (&'a str, Option<Arc<Access>>);

/// The access cookies beside the hint of their own session.
fn counting_access_cookies<'a>(engine: &Engine, cookies: &Cookies<'a>) -> Vec<Counting<'a>> {
    if cookies.hints.is_empty() {
        return Vec::new();
    }
    let all = cookies.access.iter().map(|token| (*token, engine.known(token)));
    all.filter(|(token, known)| match known {
        Some(access) => cookies.hint_names(&access.tag),
        // Nothing is verified yet: the token is only looked at.
        None => peek_session(token).is_some_and(|(session, _)| cookies.hint_names(&session.tag())),
    })
    .collect()
}

/// The bearer token of the header. Other schemes are somebody else's.
fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let mut tokens = headers.get_all(AUTHORIZATION).iter().filter_map(|line| {
        let line = line.as_bytes();
        let (scheme, token) = line.split_at(line.iter().position(|b| *b == b' ')?);
        scheme.eq_ignore_ascii_case(b"bearer").then_some(token)
    });
    match (tokens.next(), tokens.next()) {
        (None, _) => Err(Denial::MissingToken.into()),
        (Some(token), None) => {
            Ok(std::str::from_utf8(token).map_err(|_| Denial::InvalidToken)?.trim_start_matches(' '))
        }
        (Some(_), Some(_)) => Err(Denial::AmbiguousCredentials.into()),
    }
}

/// The refresh token that a browser presents: the cookie that a hint stands by, of the highest
/// generation.
///
/// # Errors
/// `missing_token`; `ambiguous_credentials` where they speak of several sessions;
/// `invalid_refresh_token` where none is ours although a hint stands by; `store_unavailable` where
/// the node can't know whether one is.
pub(crate) async fn refresh_cookie<'a>(engine: &Engine, cookies: &Cookies<'a>) -> Result<&'a str, Error> {
    engine.know_keys_of(cookies.refresh.iter().copied()).await?;
    known_refresh_cookie(engine, cookies)
}

/// The same by the keys that the node knows.
fn known_refresh_cookie<'a>(engine: &Engine, cookies: &Cookies<'a>) -> Result<&'a str, Error> {
    if cookies.hints.is_empty() || cookies.refresh.is_empty() {
        return Err(Denial::MissingToken.into());
    }
    let mut best: Option<(SessionId, Generation, &str)> = None;
    let mut genuine = false;
    let keys = engine.mac_keys();
    for text in &cookies.refresh {
        let Some(token) = keys.open(text) else { continue };
        genuine = true;
        if !cookies.hint_names(&token.session.tag()) {
            continue;
        }
        match best {
            Some((session, ..)) if session != token.session => {
                return Err(Denial::AmbiguousCredentials.into());
            }
            Some((_, generation, _)) if generation >= token.generation => {}
            _ => best = Some((token.session, token.generation, text)),
        }
    }
    match best {
        Some((.., text)) => Ok(text),
        // A genuine one of another session is not there; rubbish is no token of ours.
        None if genuine => Err(Denial::MissingToken.into()),
        None => Err(Denial::InvalidRefreshToken.into()),
    }
}

/// Whether a request is authenticated by a cookie, be it a good one or not: one that has no hint
/// beside it is not there.
pub(crate) fn by_cookie(engine: &Engine, cookies: &Cookies<'_>) -> bool {
    let refresh = || known_refresh_cookie(engine, cookies).err().map(|error| error.denied().denial());
    by_access_cookie(engine, cookies) || refresh() != Some(Denial::MissingToken)
}

/// Whether an access cookie counts, be it a good one or not: what a request is authenticated by
/// where no refresh token can be presented.
pub(crate) fn by_access_cookie(engine: &Engine, cookies: &Cookies<'_>) -> bool {
    !counting_access_cookies(engine, cookies).is_empty()
}

/// The session that the credentials of a request speak of, be it alive or not and its access token
/// expired or not: what a logout ends, and what a login takes the place of.
///
/// # Errors
/// `ambiguous_credentials` where they speak of several; `token_stale` where nothing but a bearer token of
/// a revoked key does, whose session may go on.
pub(crate) async fn session_spoken_of(
    engine: &Engine,
    names: Names,
    headers: &HeaderMap,
    refresh_token: Option<&str>,
) -> Result<Option<SessionId>, Error> {
    let cookies = names.read(headers);
    let mut sessions: Vec<SessionId> = counting_access_cookies(engine, &cookies)
        .into_iter()
        .filter_map(|(token, _)| engine.session_of_access_token(token).ok().flatten())
        .collect();
    match refresh_cookie(engine, &cookies).await {
        Ok(token) => sessions.extend(engine.session_of_refresh_token(token, Transport::Cookie).await?),
        Err(error) => told_apart(error)?,
    }
    sessions.sort_unstable();
    sessions.dedup();
    match sessions.as_slice() {
        [] => {}
        [only] => return Ok(Some(*only)),
        _ => return Err(Denial::AmbiguousCredentials.into()),
    }
    let by_access = match bearer(headers) {
        Ok(token) => engine.session_of_access_token(token),
        Err(error) => told_apart(error).map(|()| Ok(None))?,
    };
    match (by_access, refresh_token) {
        (Ok(Some(session)), _) => Ok(Some(session)),
        (_, Some(token)) => engine.session_of_refresh_token(token, Transport::Bearer).await,
        (by_access, None) => Ok(by_access?),
    }
}

/// For who may come without a credential: that there is none is no error; that there are too many is,
/// and that it can't be known.
fn told_apart(error: Error) -> Result<(), Error> {
    if error.denied().denial().status() == 401 { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, http::HeaderValue::from_static(line));
        }
        bearer(&headers).map(str::to_owned).map_err(|e| e.code())
    }

    #[test]
    fn one_bearer_token_is_taken_and_other_schemes_are_not_ours() {
        assert_eq!(of(&["Bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(of(&["bEARER  abc"]), Ok("abc".to_owned()));
        assert_eq!(of(&["Basic eDp5", "Bearer abc"]), Ok("abc".to_owned()));
        assert_eq!(of(&[]), Err("missing_token"));
        assert_eq!(of(&["Basic eDp5"]), Err("missing_token"));
        assert_eq!(of(&["Bearer"]), Err("missing_token"));
        assert_eq!(of(&["Bearer a", "Bearer a"]), Err("ambiguous_credentials"));
    }
}
