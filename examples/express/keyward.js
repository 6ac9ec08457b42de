// Keyward's access tokens, verified strictly. `signedIn` is Express middleware; it sets `request.auth`.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { cutOff, introspect, isFresh, listen } from './revocations.js';

const { KEYWARD_ISSUER: issuer, KEYWARD_URL: server = issuer, KEYWARD_AUDIENCE: audience = 'keyward' } = process.env;
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', server), { timeoutDuration: 5000, cooldownDuration: 30000 });
const rules = { issuer, audience, typ: 'at+jwt', algorithms: ['RS256', 'ES256', 'EdDSA'], clockTolerance: 60 };
const refusal = (status, code) => Object.assign(new Error(code), { status, code });
const invalid = () => refusal(401, 'invalid_token');
const unknown = () => refusal(503, 'store_unavailable');

// One spelling alone. Parsers differ on a member that is there twice and on stray bits; and no header but
// these three says anything that Keyward wrote (no `crit`, no `jwk`).
function isStrict(token) {
  const parts = token.split('.'), bytes = parts.map((part) => Buffer.from(part, 'base64url'));
  if (token.length > 8192 || bytes.some((b, i) => b.toString('base64url') !== parts[i])) return false;
  const texts = bytes.slice(0, 2).map(String);
  return texts.every((text) => JSON.stringify(JSON.parse(text)) === text)
    && Object.keys(JSON.parse(texts[0]) ?? {}).sort().join() === 'alg,kid,typ';
}

async function verify(token) {
  let claims, kid;
  try {
    if (!isStrict(token)) throw invalid();
    ({ payload: claims, protectedHeader: { kid } } = await jwtVerify(token, keys, rules));
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refusal(401, 'token_expired');
    // The keys could not be fetched: whose fault the token is can't be known.
    const isFetch = error.name === 'TypeError' || ['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT'].includes(error.code);
    throw isFetch ? unknown() : invalid();
  }
  const { exp, iat, nbf, gen, uv, rv, sid, sub } = claims, now = Date.now() / 1000;
  if (![exp, iat, nbf, gen, uv, rv].every(Number.isSafeInteger) || !sid || !sub || iat > now + 60) throw invalid();
  // jose's tolerance is for `nbf`, where clocks differ; `exp` has none.
  if (exp <= now) throw refusal(401, 'token_expired');
  const code = cutOff(claims, kid);
  if (code) throw refusal(401, code);
  if (!isFresh()) {
    const isActive = await introspect(token);
    if (!isActive) throw isActive === null ? unknown() : invalid();
  }
  return claims;
}

listen();

export async function signedIn(request, response, next) {
  try {
    const [, token] = /^Bearer +(.+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (!token) throw refusal(401, 'missing_token');
    request.auth = await verify(token);
  } catch ({ status = 500, code = 'internal_error' }) {
    const challenge = code === 'missing_token' ? 'Bearer' : 'Bearer error="invalid_token"';
    response.status(status).set('X-Keyward-Error', code).type('application/problem+json');
    if (status === 401) response.set('WWW-Authenticate', challenge);
    return response.end(JSON.stringify({ type: `urn:keyward:problem:${code}`, title: code, status, code }));
  }
  next();
}
