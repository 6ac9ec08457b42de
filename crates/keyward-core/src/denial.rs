//! How does Keyward say no? By a code that never changes, with a status and words for a person.
//!
//! The codes are those of the HTTP contract; `type` of a problem (RFC 9457 §3.1.1) is made of them.

use std::fmt;

macro_rules! denials {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        /// A refusal of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Denial {
            $($(#[$doc])* $name,)*
        }

        impl Denial {
            /// Every refusal there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable snake_case word.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What it means, in a short sentence for a person.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

denials! {
    /// The body is no JSON, or says something twice.
    MalformedJson = 400 "malformed_json" "The body is not well-formed JSON";
    /// The form says something twice.
    MalformedForm = 400 "malformed_form" "The form says something twice";
    /// Two credentials were presented that speak of different sessions.
    AmbiguousCredentials = 400 "ambiguous_credentials" "More than one credential was presented";
    /// The link of a password reset is used, expired or unknown.
    InvalidResetToken = 400 "invalid_reset_token" "This link is no longer valid";
    /// The link of an address confirmation is used, expired or unknown.
    InvalidVerificationToken = 400 "invalid_verification_token" "This link is no longer valid";

    /// No credential was presented.
    MissingToken = 401 "missing_token" "Sign in to go on";
    /// The access token is none of ours, or not for us.
    InvalidToken = 401 "invalid_token" "The access token is not valid";
    /// The access token is past its `exp`.
    TokenExpired = 401 "token_expired" "The access token has expired";
    /// The access token says what is no longer so; a refresh brings the present claims.
    TokenStale = 401 "token_stale" "The access token is out of date";
    /// The session has ended.
    SessionRevoked = 401 "session_revoked" "This session has ended";
    /// Nobody did anything with the session for too long.
    SessionIdle = 401 "session_idle" "This session ended because it was not used";
    /// Two credentials were presented that speak of different sessions; told to a proxy, which knows
    /// 401 and 403 alone.
    AmbiguousAtEdge = 401 "ambiguous_credentials" "More than one credential was presented";
    /// No account has this name and this password.
    InvalidCredentials = 401 "invalid_credentials" "The e-mail, phone number or password is wrong";
    /// The refresh token is none of ours.
    InvalidRefreshToken = 401 "invalid_refresh_token" "The refresh token is not valid";
    /// The refresh token, or its session, is too old.
    RefreshTokenExpired = 401 "refresh_token_expired" "This session has expired";
    /// A copy of the refresh token is in use: the session was ended.
    RefreshTokenReused = 401 "refresh_token_reused" "This session was ended because its token was used twice";
    /// The account is deactivated; told to a holder of its refresh token.
    AccountInactive = 401 "account_inactive" "This account is deactivated";

    /// Who asks is known and may not.
    Forbidden = 403 "forbidden" "You are not allowed to do this";
    /// The request was made by another site.
    CrossSiteRequest = 403 "cross_site_request" "The request comes from another site";
    /// The account is deactivated; told to who knows its password.
    LoginInactive = 403 "account_inactive" "This account is deactivated";
    /// Script in a browser may not hold tokens.
    TransportNotAllowed = 403 "transport_not_allowed" "A browser can't have bearer tokens";
    /// Accounts are made by administrators.
    SignupClosed = 403 "signup_closed" "Signing up is closed";
    /// The e-mail address has to be confirmed first.
    EmailNotVerified = 403 "email_not_verified" "Confirm your e-mail address first";
    /// The person proved who they are too long ago for this.
    ReauthenticationRequired = 403 "reauthentication_required" "Sign in again to do this";

    /// There is nothing here, or nothing that the caller may know of.
    NotFound = 404 "not_found" "There is nothing here";
    /// The path exists, the method doesn't.
    MethodNotAllowed = 405 "method_not_allowed" "This method is not allowed here";
    /// The request took too long to arrive.
    RequestTimeout = 408 "request_timeout" "The request took too long to arrive";
    /// The body is larger than any that is of use.
    BodyTooLarge = 413 "body_too_large" "The body is too large";
    /// The body is not `application/json`, or what else the route takes.
    UnsupportedMediaType = 415 "unsupported_media_type" "The body is not of the type that is taken here";

    /// Another account has this e-mail address.
    EmailTaken = 409 "email_taken" "This e-mail address is taken";
    /// Another account has this phone number.
    PhoneTaken = 409 "phone_taken" "This phone number is taken";
    /// Nobody could administer the installation any more.
    LastAdmin = 409 "last_admin" "The last administrator can't be removed";

    /// Something in the body is missing or not as it has to be.
    ValidationFailed = 422 "validation_failed" "Something in the body is not as it has to be";

    /// Too much was asked in too short a time.
    RateLimited = 429 "rate_limited" "Too many requests";

    /// The server has as much to do as it can.
    Overloaded = 503 "overloaded" "The server is busy";
    /// The store does not answer, or the node can't know what was revoked.
    StoreUnavailable = 503 "store_unavailable" "The server can't reach its store";
    /// The newest refresh token is still on its way to somebody.
    RefreshPending = 503 "refresh_pending" "Another refresh is under way";

    /// A fault of the server's own.
    Internal = 500 "internal_error" "The server made a mistake";
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_and_a_status_mean_one_thing() {
        for (i, a) in Denial::ALL.iter().enumerate() {
            for b in &Denial::ALL[i + 1..] {
                assert!((a.code(), a.status()) != (b.code(), b.status()), "{a:?} and {b:?}");
            }
            assert!(a.code().bytes().all(|c| c.is_ascii_lowercase() || c == b'_'));
        }
    }
}
