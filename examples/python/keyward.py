"""Who asks? `authenticate` gives the claims of a good access token, or raises Refused."""
import json, urllib.parse, urllib.request
import jwt
import tokens
from revocations import AS_SERVICE, SERVER, is_fresh, revoked, web

class Refused(Exception):
    def __init__(self, status, code):
        self.status = status
        self.body = {"type": f"urn:keyward:problem:{code}", "title": code, "status": status, "code": code}
        self.headers = {"X-Keyward-Error": code}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer" + ' error="invalid_token"' * (code != "missing_token")

def least(*what):
    return revoked.get(what, (0, 0))[1]

def cut_off(claims, kid):
    """Why this token is cut off: the code of the refusal, or None."""
    if ("key", kid) in revoked:
        return "token_stale"
    if ("session", claims["sid"]) in revoked or ("generation", claims["sid"], claims["gen"]) in revoked:
        return "session_revoked"
    if claims["uv"] < least("user", claims["sub"]) or claims["rv"] < least("roles"):
        return "token_stale"

def introspect(token):
    """Whether Keyward itself says that the token is good. Raises OSError or ValueError where it says nothing."""
    form = urllib.parse.urlencode({"token": token}).encode()
    with web.open(urllib.request.Request(SERVER + "/api/auth/introspect", form, AS_SERVICE), timeout=2) as answer:
        return json.load(answer)["active"] is True

def authenticate(authorization):
    """`authorization` is the value of that header, or None."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "missing_token")
    try:
        claims, kid = tokens.verify(token.strip())
    except jwt.ExpiredSignatureError:
        raise Refused(401, "token_expired")
    except tokens.NoKeys:
        raise Refused(503, "store_unavailable")
    except (jwt.PyJWTError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Refused(401, "invalid_token")
    fresh = is_fresh()  # before it is asked what is revoked, lest the feed come to life in between
    if code := cut_off(claims, kid):
        raise Refused(401, code)
    if not fresh:
        try:
            is_active = introspect(token.strip())
        except Exception:
            raise Refused(503, "store_unavailable")
        if not is_active:
            raise Refused(401, "invalid_token")
    return claims
