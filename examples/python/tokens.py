"""Is this an access token of ours, and what does it say? What was revoked is asked of revocations.py."""
import base64, json, os, threading, time
import jwt
from revocations import SERVER, web

ISSUER, AUDIENCE = os.environ["KEYWARD_ISSUER"], os.environ.get("KEYWARD_AUDIENCE", "keyward")
ALGORITHMS = ["RS256", "ES256", "EdDSA"]
NUMBERS, TEXTS = ("exp", "iat", "nbf", "gen", "uv", "rv"), ("iss", "sub", "sid")
keys, asked_at, fetched_at, lock = {}, float("-inf"), float("-inf"), threading.Lock()

class NoKeys(Exception):
    """They could not be fetched: nobody knows whose token it is."""

def key(kid):
    """The key of that name. They are fetched every 5 minutes; for an unknown name at most every 30 s."""
    global keys, asked_at, fetched_at
    with lock:
        age = time.monotonic() - asked_at
        if not keys or age > 300 or (kid not in keys and age > 30):
            asked_at = time.monotonic()
            try:
                with web.open(SERVER + "/.well-known/jwks.json", timeout=5) as answer:
                    found = jwt.PyJWKSet.from_json(answer.read(65536)).keys
                keys, fetched_at = {k.key_id: k for k in found if k.algorithm_name in ALGORITHMS}, time.monotonic()
            except Exception as error:  # the last good ones stay, for an hour
                print("keys:", error, flush=True)
        if not keys or time.monotonic() - fetched_at > 3600:
            raise NoKeys
        return keys[kid]

def decode(segment):
    """One spelling alone: a token with stray bits is another token."""
    text = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(text).decode().rstrip("=") != segment:
        raise ValueError("not base64url")
    return text

def once(pairs):
    """Parsers differ on a member that is there twice."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a member is there twice")
    return dict(pairs)

def verify(token):
    segments = [decode(segment) for segment in token.split(".")] if len(token) <= 8192 else []
    header, claims = (json.loads(text, object_pairs_hook=once) for text in segments[:2])
    typ = header["typ"].lower().removeprefix("application/")
    # No other header says anything that Keyward wrote: no `crit`, no `jwk`.
    if len(segments) != 3 or sorted(header) != ["alg", "kid", "typ"] or typ != "at+jwt":
        raise ValueError("no access token")
    found, now = key(header["kid"]), time.time()
    if any(type(claims[name]) is not int for name in NUMBERS) or any(type(claims[name]) is not str for name in TEXTS):
        raise ValueError("a claim is not as it has to be")
    if header["alg"] != found.algorithm_name or max(claims["iat"], claims["nbf"]) > now + 60:
        raise ValueError("another algorithm, or made in the future")
    # Clocks differ: `iat` and `nbf` may lie a minute ahead, which PyJWT knows no way to say.
    lax = {"verify_iat": False, "verify_nbf": False}
    jwt.decode(token, found, [found.algorithm_name], lax, audience=AUDIENCE, issuer=ISSUER)
    return claims, header["kid"]
