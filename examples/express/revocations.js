// What Keyward revoked, as its feed tells it. Without a heartbeat for two seconds it is not to be believed.
const { KEYWARD_ISSUER, KEYWARD_URL: server = KEYWARD_ISSUER, KEYWARD_SERVICE_KEY } = process.env;
const asService = { Authorization: `Bearer ${KEYWARD_SERVICE_KEY}` };
const revoked = new Map(); // what → { until: in milliseconds, least: the version that is still good }
let heardAt = -Infinity, position = '';

const name = (kind, id = '', generation = '') => `${kind} ${id} ${generation}`;
const least = (what) => revoked.get(what)?.least ?? 0;

/** Why this token is cut off: the code of the refusal, or undefined. */
export function cutOff({ sid, gen, sub, uv, rv }, kid) {
  if (revoked.has(name('key', kid))) return 'token_stale';
  if (revoked.has(name('session', sid)) || revoked.has(name('generation', sid, gen))) return 'session_revoked';
  if (uv < least(name('user', sub)) || rv < least(name('roles'))) return 'token_stale';
}

export const isFresh = () => performance.now() - heardAt <= 2000;

/** What Keyward itself says of the token; null where it says nothing. */
export async function introspect(token) {
  const ask = { method: 'POST', headers: asService, body: new URLSearchParams({ token }), redirect: 'error' };
  try {
    const answer = await fetch(new URL('/api/auth/introspect', server), { ...ask, signal: AbortSignal.timeout(2000) });
    return answer.status === 200 ? (await answer.json()).active === true : null;
  } catch { return null; }
}

function take(block, connection) {
  const { event, data, id } = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
  if (event === 'revocation') {
    const { kind, sid, sub, kid, gen, uv, rv, until } = JSON.parse(data);
    if (!/^(key|session|generation|user|roles)$/.test(kind)) throw new Error(`revoked is a ${kind}, and nobody here knows what that is`);
    const what = name(kind, sid ?? sub ?? kid, gen), known = revoked.get(what);
    revoked.set(what, { until: Math.max(known?.until ?? 0, Date.parse(until)), least: Math.max(least(what), uv ?? rv ?? 0) });
  }
  connection.isReady ||= event === 'ready';
  if (connection.isReady && event === 'heartbeat') heardAt = performance.now();
  position = id ?? position;
}

export async function listen() {
  const stop = new AbortController(), silence = setTimeout(() => stop.abort(), 5000), connection = {};
  try {
    const headers = position ? { ...asService, 'Last-Event-ID': position } : asService;
    const url = new URL('/api/auth/revocations', server);
    const answer = await fetch(url, { headers, redirect: 'error', signal: stop.signal });
    if (answer.status !== 200) throw new Error(`the feed answers ${answer.status}`);
    let text = '';
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      silence.refresh();
      const blocks = (text + chunk).split('\n\n');
      if ((text = blocks.pop()).length > 65536) throw new Error('the feed is none');
      blocks.forEach((block) => take(block, connection));
    }
  } catch (error) { console.error('revocations:', error.message); } finally { clearTimeout(silence); stop.abort(); }
  setTimeout(listen, 250 + 750 * Math.random());
}
// A key is never forgotten: whoever stole it dates tokens as they like.
const forget = ({ until }, what) => until <= Date.now() && !what.startsWith('key ') && revoked.delete(what);
setInterval(() => revoked.forEach(forget), 60_000).unref();
