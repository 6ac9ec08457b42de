/** How does a page stay signed in as long as it should, and not a moment longer? See `createKeyward` below. */

const { parse } = Date;
const SECURE = location.protocol === 'https:';
const HINT = (SECURE ? '__Host-' : '') + 'keyward_hint';
const NAME = 'keyward';
const CORE = Symbol.for(NAME);
const LOST = 'The cookies that keep you signed in do not come back: they are blocked in this browser, or a proxy drops them.';

/** What Keyward said no with, or `unreachable`, `cookies_blocked`, `body_not_replayable`. */
export class KeywardError extends Error {
  /** @param {string} code @param {any} [answer] @param {string} [text] */
  constructor(code, answer, text) {
    super(text || answer?.body?.detail || code);
    this.code = code;
    this.status = answer?.status || 0;
    /** @type {{ field: string, message: string }[]} What is wrong with which field. */
    this.errors = answer?.body?.errors || [];
    /** When to try again, in ms. */
    this.retryAfter = answer?.after || 0;
  }
}

/** The session that the cookie for scripts names, without a secret, and its deadline. */
function hint() {
  try {
    const [, tag, ends] = RegExp(`(?:^|; )${HINT}=v1\\.([\\w-]{16})\\.(\\d+)\\.\\d+(?:;|$)`).exec(document.cookie) || [];
    return tag ? { tag, ends: +ends * 1000 } : null;
  } catch {
    return null; // A sandboxed frame.
  }
}

/** Without its hint no cookie of a session counts. */
function drop(tag) {
  if (hint()?.tag === tag) document.cookie = `${HINT}=; Path=/; Max-Age=0; SameSite=Lax${SECURE ? '; Secure' : ''}`;
}

/** Hides everything, or shows it again where it was. What a script sets needs no leave of a policy. */
let place = null;
function hide(away) {
  const { style } = document.documentElement;
  if (away) {
    place = place || [scrollX, scrollY];
    style.setProperty('display', 'none', 'important');
  } else if (place) {
    style.removeProperty('display');
    scrollTo(...place);
    place = null;
  }
}

/** Whether this tab was sent to the login twice within 30 s: a third time won't help, either. */
function inCircles() {
  try {
    const key = 'keyward.trips', now = Date.now();
    const trips = JSON.parse(sessionStorage[key] || '[]').filter((at) => Math.abs(now - at) < 3e4);
    sessionStorage[key] = JSON.stringify([...trips, now]);
    return trips.length > 1;
  } catch {
    return false;
  }
}

/** What tabs tell each other: times and ends, never a secret. */
function channel(hear) {
  try {
    const open = new BroadcastChannel(NAME);
    open.onmessage = (event) => hear(event.data);
    return { tell: (message) => open.postMessage(message), close: () => open.close() };
  } catch {
    const on = ({ key, newValue }) => key === NAME && newValue && hear(JSON.parse(newValue));
    addEventListener('storage', on);
    return {
      tell(message) {
        try {
          localStorage[NAME] = JSON.stringify(message);
          delete localStorage[NAME];
        } catch {} // Blocked: each tab finds out for itself.
      },
      close: () => removeEventListener('storage', on),
    };
  }
}

/** Waits for other tabs, but not for long: it is the server's rules that keep them apart. */
async function locked(work, signal) {
  const wait = new AbortController(), stop = () => wait.abort();
  const timer = setTimeout(stop, 3000);
  signal.addEventListener('abort', stop);
  let begun;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    return await navigator.locks.request(NAME, { signal: wait.signal }, begin);
  } catch (error) {
    if (begun || signal.aborted) throw error;
    return work();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Warns that idleness is about to end the session. Styled by the page: `dialog.keyward`. */
let dialog = null, exit;
function warn(at, texts, leave) {
  dialog?.close();
  dialog?.remove();
  dialog = null;
  if (!at) return;
  dialog = document.createElement('dialog');
  dialog.className = NAME;
  const { title, body, stay, out } = {
    title: 'Are you still there?', stay: 'Stay signed in', out: 'Sign out',
    body: (at) => `You will be signed out at ${new Date(at).toLocaleTimeString()}.`,
    ...texts,
  };
  for (const [tag, text] of [['h2', title], ['p', body(at)], ['button', stay], ['button', out]]) {
    exit = document.createElement(tag);
    exit.textContent = text;
    exit.id = `${NAME}-${dialog.childElementCount}`;
    dialog.append(exit);
  }
  for (const [name, value] of [['role', 'alertdialog'], ['aria-labelledby', NAME + '-0'], ['aria-describedby', NAME + '-1']]) {
    dialog.setAttribute(name, value);
  }
  exit.onclick = leave;
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * All instances of a page are one underneath; what a later one asks for goes for all.
 * @param {import('./types.js').Options} [options]
 * @returns {import('./types.js').Keyward}
 */
export function createKeyward(options) {
  const page = /** @type {any} */ (globalThis);
  return (page[CORE] = page[CORE] || core())(options);
}

function core() {
  let options = /** @type {import('./types.js').Options} */ ({});
  const listeners = new Set();
  let instances = 0, timer, tabs, started, life, work = new AbortController();
  let state = 'loading', user, reason, warned, away, checking, left;
  /** What is under way, once each. */
  let flights = {};
  /** The session that is kept, and the one that was refused. */
  let tag, over;
  // Times are the server's, in ms.
  let expiresAt, refreshAt, endsAt, idleAt, idleFor, activeAt, triedAt, sentAt, failures, nextTry;
  let heardAt = 0, wokenAt = 0, barredUntil = 0;
  /** How often the access token was renewed, in whichever tab. */
  let fresh = 0;
  let synced = [Date.now(), Date.now(), performance.now()];

  /** The later of two clocks: one can be set back, the other may stand still while the device sleeps. */
  const now = () => synced[0] + Math.max(Date.now() - synced[1], performance.now() - synced[2]);
  const local = (at) => (at < Infinity && at > 0 ? Math.round(at - now() + Date.now()) : null);
  const idleEnd = () => (idleAt ? Math.max(idleAt, activeAt + idleFor) : Infinity);
  const end = () => Math.min(idleEnd(), endsAt || Infinity);
  const session = () => ({
    state, user, reason, expiresAt: local(expiresAt), idleExpiresAt: local(idleEnd()), endsAt: local(endsAt),
  });

  function begin(named) {
    tag = named;
    state = 'loading';
    user = reason = null;
    expiresAt = refreshAt = endsAt = idleAt = idleFor = activeAt = triedAt = sentAt = failures = nextTry = 0;
  }

  /** Nobody waits for a listener, and none breaks another. */
  function emit(change) {
    const seen = session();
    listeners.forEach((each) => Promise.resolve().then(() => listeners.has(each) && each.listener(seen, change)));
  }

  async function ask(path, body, { signal = life.signal, limit = 8000, ...how } = {}) {
    const stop = new AbortController(), abort = () => stop.abort();
    const bound = setTimeout(abort, limit), began = performance.now();
    signal.addEventListener('abort', abort);
    const answer = { ok: false, status: 0, code: '', body: null, after: 0, took: 0 };
    try {
      const response = await fetch((options.api || '/api/auth') + path, {
        method: 'POST', cache: 'no-store', signal: stop.signal,
        ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
        ...how,
      });
      const { headers, status } = response;
      const json = await response.json().catch(() => null);
      const code = headers.get('x-keyward-error');
      answer.status = status;
      answer.body = json;
      answer.ok = response.ok && !!json;
      if (code && json?.code === code) answer.code = code;
      answer.after = (Number(headers.get('retry-after')) || 0) * 1000;
      answer.took = performance.now() - began;
    } catch {} finally {
      clearTimeout(bound);
      signal.removeEventListener('abort', abort);
    }
    return answer;
  }

  /** Asks what a refresh may help, and says why not. */
  async function call(path, body, how) {
    const sent = fresh;
    const answer = await ask(path, body, how);
    if (answer.status !== 401 || !answer.code || answer.code === 'invalid_credentials') return answer;
    return (await renewed(sent)) ? ask(path, body, how) : answer;
  }

  function granted(answer) {
    if (!answer.ok) throw new KeywardError(answer.code || 'unreachable', answer);
    return answer;
  }

  /** Takes over a session as the server tells it. */
  function take({ body, took }, anew) {
    const named = hint();
    if (!named) return ended('cookies_blocked');
    if (named.tag !== tag) begin(named.tag);
    const change = { loading: 'signed_in', offline: 'online' }[state] || (anew && 'refreshed');
    expiresAt = parse(body.expires_at);
    if (body.expires_in > 0) {
      synced = [expiresAt - body.expires_in * 1000 + 500 + took / 2, Date.now(), performance.now()];
    }
    if (anew) fresh++;
    failures = nextTry = barredUntil = 0;
    user = body;
    state = 'signed_in';
    move(body, anew);
    if (change) emit(change);
  }

  /** Tabs ask at different times: the first one asks for all. */
  function move(body, anew) {
    refreshAt = parse(body.refresh_at) || Infinity;
    if (refreshAt < expiresAt) refreshAt += Math.random() * (expiresAt - refreshAt) * 0.2;
    idleAt = parse(body.idle_expires_at) || 0;
    heardAt = now();
    idleFor = Math.max(idleFor, idleAt - heardAt);
    endsAt = hint()?.ends || endsAt;
    tabs.tell({ tag, anew, expiresAt, refreshAt, idleAt });
    tick();
  }

  function ended(why, elsewhere) {
    if (state === 'signed_out') return;
    if (!elsewhere) tabs.tell({ tag, why });
    over = tag;
    begin();
    state = 'signed_out';
    reason = why;
    warning();
    emit('session_end');
    if (options.private) leave(elsewhere || why !== 'signed_out');
  }

  /** To the login, and from there back here. */
  function leave(back) {
    const login = new URL(options.login || '/login', location.href);
    if (login.pathname === location.pathname) return hide();
    hide(true);
    if (left) return;
    left = true;
    try {
      options.onLeave?.(reason || 'missing_token');
    } finally {
      if (back && inCircles()) {
        const told = document.createElement('p');
        told.setAttribute('role', 'alert');
        told.textContent = Math.abs(Date.now() - now()) > 36e5 ? 'The clock of this device is wrong.' : LOST;
        document.body.replaceChildren(told);
        hide();
      } else {
        const here = location.pathname.replace(/^[/\\]+/, '/') + location.search + location.hash;
        if (back) login.searchParams.set('next', here);
        location.replace(login.href);
      }
    }
  }

  /** The server was not heard, or has no time: the session is kept, and asked for again later. */
  function failed({ after, code }) {
    if (after) barredUntil = now() + after;
    nextTry = now() + Math.max(after, Math.min(30, 2 ** failures++) * (750 + 500 * Math.random()));
    if (code === 'refresh_pending' || state === 'offline') return;
    state = 'offline';
    emit(state);
  }

  function once(name, work) {
    const these = flights;
    return these[name] = these[name] || work().catch(() => false).finally(() => { delete these[name]; });
  }
  const refresh = () => once('refresh', attempt);
  const renewed = async (since) => fresh !== since || refresh();

  async function attempt() {
    const { signal } = work, mine = hint(), before = fresh, wait = nextTry - now();
    if (!mine || mine.tag === over || wait > 8000) return false;
    if (!navigator.onLine) return !!failed({ after: 0 });
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    return locked(async () => {
      if (fresh !== before) return true; // Another tab was first.
      const answer = await ask('/refresh', null, { signal });
      if (signal.aborted) return false;
      if (answer.ok && answer.body.session_id) take(answer, true);
      else if (answer.code && (answer.status === 401 || answer.code === 'ambiguous_credentials')) {
        // Where the hint names a newer session, it was the former one that was refused.
        if ((hint() || mine).tag === mine.tag) {
          tag = mine.tag;
          drop(tag);
          ended(answer.code);
        }
      } else failed(answer);
      return fresh !== before && state === 'signed_in';
    }, signal);
  }

  const load = (limit) => once('load', () => look(limit));

  async function look(limit) {
    const { signal } = work, mine = hint(), before = fresh;
    if (mine && mine.tag !== over) {
      if (mine.tag !== tag) begin(mine.tag);
      if (!navigator.onLine) failed({ after: 0 });
      else {
        const answer = await ask('/session', null, { method: 'GET', signal, limit });
        if (signal.aborted) return;
        if (answer.ok && answer.body.session_id) take(answer);
        else if (answer.status === 401 && answer.code) await renewed(before);
        else failed(answer);
      }
    } else if (state === 'loading') state = 'signed_out';
    settle();
  }

  /** Shows a private page to whom it is for, and to nobody else. */
  function settle() {
    if (state !== 'signed_out') hide();
    else if (options.private) leave(true);
    tick();
  }

  /** A deadline is over, unless the server knows of something newer and says so at once. */
  async function check() {
    checking = true;
    if (options.private) hide(true);
    halt();
    await Promise.race([refresh(), new Promise((done) => setTimeout(done, 1000))]);
    checking = false;
    if (state !== 'signed_out' && now() > end()) ended(now() > idleEnd() ? 'session_idle' : 'refresh_token_expired');
    else settle();
  }

  /** Looks at the clock, every second and whenever something happened: timers stand still while a device sleeps. */
  function tick() {
    clearTimeout(timer);
    if (away || !instances) return;
    const time = now(), mine = hint(), stop = end() + 300;
    if (mine && mine.tag !== (state === 'signed_out' ? over : tag)) load();
    else if (state === 'signed_out') return;
    else if (!mine) return ended(time > endsAt - 2000 ? 'refresh_token_expired' : 'signed_out');
    else if (time >= stop) checking || check();
    else {
      if (time >= nextTry && !document.hidden && navigator.onLine) {
        if (refreshAt && time >= refreshAt) refresh();
        else if (state !== 'signed_in') load();
      }
      if (activeAt > sentAt && time - triedAt >= Math.min(6e4, idleFor / 6)) active();
      warning(time > idleEnd() - Math.min((options.warn ?? 120) * 1000, idleFor / 3) && idleEnd());
    }
    timer = setTimeout(tick, Math.max(50, Math.min(1000, stop - time)));
  }

  function warning(at) {
    if (!at === !warned) return;
    warned = at;
    (options.onWarning || warn)(local(at), options.texts, logout);
  }

  /** What a person does, and no script; in the dialog, not what only looks for the way out. */
  function input(event) {
    const time = now(), { type, key, target, isTrusted } = event;
    const moves = type === 'pointermove';
    if (!isTrusted || !tag || time - activeAt < 1000 || (moves && !event.movementX && !event.movementY)) return;
    if (dialog && (moves || key === 'Tab' || key === 'Shift' || target === exit)) return;
    if (time < end()) {
      activeAt = time;
      if (warned) triedAt = 0;
      tabs.tell({ activeAt });
    }
    tick();
  }

  async function active(keepalive) {
    const at = triedAt = now();
    tabs.tell({ triedAt });
    const answer = await (keepalive ? ask : call)('/activity', null, { keepalive });
    if (!answer.ok) return;
    sentAt = at;
    move(answer.body);
  }

  /** Coming back: what was missed is caught up with, once. */
  function wake() {
    const time = now();
    if (!document.hidden && time - wokenAt >= 5000) {
      wokenAt = time;
      failures = 0;
      nextTry = barredUntil;
      if (tag && time - heardAt >= 5000 && time < refreshAt) load();
    }
    tick();
  }

  /** Stops what is under way for a session that is about to change. */
  function halt() {
    work.abort();
    work = new AbortController();
    flights = {};
  }

  function hear(message) {
    if (message.halt) halt();
    else if (message.why) message.tag === tag && ended(message.why, true);
    else if (message.triedAt) triedAt = Math.max(triedAt, message.triedAt);
    else if (message.activeAt) activeAt = Math.max(activeAt, message.activeAt);
    else if (message.tag === tag) {
      if (message.anew) fresh++;
      ({ expiresAt, refreshAt, idleAt } = message);
      endsAt = hint()?.ends || endsAt;
      nextTry = failures = 0;
      heardAt = now();
    }
    tick();
  }

  /** Nothing that was sent for the former session may land on the next one. */
  function alone(path, body, how) {
    halt();
    tabs.tell({ halt: 1 });
    return locked(() => ask(path, body, how), life.signal);
  }

  async function enter(path, credentials) {
    const answer = granted(await alone(path, { ...credentials, transport: 'cookie' }, { limit: 3e4 }));
    if (answer.body.session_id) {
      if (!hint()) throw new KeywardError('cookies_blocked', answer, LOST);
      begin();
      take(answer, true);
    }
    return session();
  }

  async function logout() {
    const left = hint()?.tag;
    if (!left) return true;
    const { ok } = await alone('/logout');
    if (!ok) drop(left);
    tag = left;
    ended('signed_out');
    return ok;
  }

  async function fetchKept(input, init) {
    const request = new Request(input, init), { origin, pathname } = new URL(request.url);
    if (origin !== location.origin) return fetch(request);
    const flows = init?.body instanceof ReadableStream;
    if (flows && tag && now() >= expiresAt) await refresh();
    // A body can be sent once: the copy is for the second time.
    const copy = flows ? null : request.clone(), sent = fresh;
    const response = await fetch(request);
    const code = response.status === 401 && response.headers.get('x-keyward-error');
    if (!code || code === 'invalid_credentials' || /\/(login|refresh)$/.test(pathname) || !(await renewed(sent))) return response;
    if (!copy) throw new KeywardError('body_not_replayable', response, 'A stream can\u2019t be sent twice: make it anew.');
    return fetch(copy);
  }

  function start() {
    life = new AbortController();
    tabs = channel(hear);
    const on = (target, names, listener) => names.split(' ').forEach((name) => target.addEventListener(
      name, listener, { signal: life.signal, passive: true, capture: true }));
    on(window, 'pointerdown pointermove keydown wheel touchstart click', input);
    on(window, 'focus online offline pageshow', wake);
    on(document, 'resume', wake);
    on(document, 'visibilitychange', () => {
      if (!document.hidden) wake();
      else if (!away && activeAt > sentAt) active(true);
    });
    // Nothing is held in the back/forward cache, and nothing shown on return before it was asked for.
    on(window, 'pagehide', ({ persisted }) => {
      away = persisted;
      if (!away) return;
      halt();
      tabs.close();
      if (options.private) hide(true);
    });
    on(window, 'pageshow', ({ persisted }) => {
      if (!persisted) return;
      away = left = false;
      tabs = channel(hear);
      if (!hint()) ended('signed_out', true);
      load(2000);
    });
    // Instances that come and go within a turn ask once.
    return Promise.resolve().then(() => instances && load());
  }

  begin();
  return (wishes) => {
    options = { ...options, ...wishes };
    if (!instances++) started = start();
    const own = [];
    let open = 1;
    return {
      get session() { return session(); },
      ready: started.then(session),
      fetch: fetchKept,
      refresh,
      onChange(listener) {
        const each = { listener };
        listeners.add(each);
        own.push(each);
        return () => { listeners.delete(each); };
      },
      login: (credentials) => enter('/login', credentials),
      signup: (account) => enter('/signup', account),
      logout,
      async logoutAll() {
        granted(await call('/logout-all'));
        ended('signed_out');
      },
      async reauthenticate(password) {
        take(granted(await call('/reauthenticate', { password }, { limit: 3e4 })), true);
        return session();
      },
      dispose() {
        own.forEach((each) => listeners.delete(each));
        instances -= open;
        open = 0;
        if (instances) return;
        clearTimeout(timer);
        warning();
        tabs.close();
        life.abort();
        halt();
      },
    };
  };
}
