/** How does a page stay signed in as long as it should, and not a moment longer? README.md and types.js say the rest. */

/**
 * @typedef {import('./types.js').Keyward} Keyward
 * @typedef {import('./types.js').Options} Options
 * @typedef {import('./types.js').Session} Session
 * @typedef {import('./types.js').User} User
 * @typedef {import('./types.js').Change} Change
 */

const SECURE = location.protocol === 'https:';
const NAME = 'keyward';
const HINT = (SECURE ? '__Host-' : '') + NAME + '_hint';
const MARK = 'x-keyward-error';
const LOST = 'The cookies are blocked, or dropped by a proxy.';

/** What Keyward said no with, or `unreachable`, `cookies_blocked`, `body_not_replayable`. */
export class KeywardError extends Error {
  /** @param {string} code @param {any} [answer] @param {string} [text] */
  constructor(code, answer = {}, text) {
    const { body, status, after } = answer;
    super(text || body?.detail || code);
    this.code = code;
    this.status = status;
    /** @type {{ field: string, message: string }[]} */
    this.errors = body?.errors || [];
    this.retryAfter = after;
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Does `work` with a signal that is given after so many ms, or with another one. */
async function bounded(ms, signal, work) {
  const bound = new AbortController(), stop = () => bound.abort(), timer = setTimeout(stop, ms);
  signal.addEventListener('abort', stop);
  try {
    return await work(bound.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Waits for other tabs, not for long: it is the server's rules that keep them apart. */
async function locked(signal, work) {
  let begun;
  const begin = () => {
    begun = true;
    return work();
  };
  try {
    return await bounded(3000, signal, (signal) => navigator.locks.request(NAME, { signal }, begin));
  } catch (error) {
    if (begun || signal.aborted) throw error;
    return work();
  }
}

/** The session that the cookie for scripts names, and its deadline. */
function hint() {
  try {
    /** @type {any} */
    const found = RegExp(`(?:^|; )${HINT}=v1\\.([\\w-]{16})\\.(\\d+)\\.`).exec(document.cookie);
    return { tag: found[1], ends: found[2] * 1000 };
  } catch {
    return null;
  }
}

/** Without its hint no cookie of a session counts. */
function drop(tag) {
  if (hint()?.tag === tag) document.cookie = `${HINT}=; Path=/; Max-Age=0` + (SECURE ? '; Secure' : '');
}

let place;
function hide(away) {
  const { style } = document.documentElement;
  if (away) {
    place = place || [scrollX, scrollY];
    style.setProperty('display', 'none', 'important');
  } else if (place) {
    style.display = '';
    scrollTo(...place);
    place = null;
  }
}

/** To other tabs, without a secret. */
function channel(hear) {
  try {
    const open = new BroadcastChannel(NAME);
    open.onmessage = ({ data }) => hear(data);
    return { tell: (message) => open.postMessage(message), close: () => open.close() };
  } catch {
    const on = ({ key, newValue }) => key === NAME && newValue && hear(JSON.parse(newValue));
    addEventListener('storage', on);
    return {
      tell(message) {
        try {
          localStorage[NAME] = JSON.stringify(message);
          delete localStorage[NAME];
        } catch {}
      },
      close: () => removeEventListener('storage', on),
    };
  }
}

let dialog, out;
function warn(at, texts, leave) {
  dialog?.close();
  dialog?.remove();
  dialog = null;
  if (!at) return;
  const add = (to, tag, textContent) => to.appendChild(Object.assign(document.createElement(tag), { textContent, className: NAME }));
  dialog = add(document.body, 'dialog');
  add(dialog, 'p', texts?.body?.(at) || `Still there? You are signed out at ${new Date(at).toLocaleTimeString()}.`).id = NAME;
  add(dialog, 'button', texts?.stay || 'Stay signed in');
  out = add(dialog, 'button', texts?.out || 'Sign out');
  out.onclick = leave;
  dialog.setAttribute('role', 'alertdialog');
  dialog.setAttribute('aria-labelledby', NAME);
  dialog.showModal();
}

/**
 * All instances of a page are one underneath; what a later one asks for goes for all.
 * @param {import('./types.js').Options} [options]
 * @returns {import('./types.js').Keyward}
 */
export function createKeyward(options) {
  return (globalThis[HINT] = globalThis[HINT] || core())(options);
}

function core() {
  let options, instances = 0, listeners = new Set(), timer, tabs, started, life, work, flights;
  let state, user, reason, warned, away, checking, left;
  // The session that is kept, and one that was refused. Times are the server's, in ms.
  let tag, over, expiresAt, refreshAt, endsAt, idleAt, idleFor, activeAt, triedAt, sentAt, failures, nextTry;
  let heardAt = 0, wokenAt = 0, barredUntil = 0;
  // How often the access token was renewed, in whichever tab.
  let fresh = 0;
  let synced = [Date.now(), Date.now(), performance.now()];

  // The later of two clocks: one can be set back, one stands still while the device sleeps.
  const now = () => synced[0] + Math.max(Date.now() - synced[1], performance.now() - synced[2]);
  const local = (at) => (at && at < Infinity ? at - now() + Date.now() : null);
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
    listeners.forEach((each) => queueMicrotask(() => each(seen, change)));
  }

  function once(name, work) {
    const these = flights;
    return these[name] = these[name] || work().catch(() => false).finally(() => { delete these[name]; });
  }
  const refresh = () => once('refresh', attempt);
  const load = (limit) => once('load', () => look(limit));
  const renewed = async (since) => fresh !== since || refresh();

  /** Stops what is under way for a session that is about to change. */
  function halt() {
    work?.abort();
    work = new AbortController();
    flights = {};
  }

  /** @param {string} path @param {any} [body] @param {any} [how] */
  async function ask(path, body, { by = fetch, from = life.signal, limit = 8000, ...how } = {}) {
    const began = performance.now();
    /** @type {any} */
    const answer = { status: 0, after: 0 };
    await bounded(limit, from, async (signal) => {
      const response = await by((options.api || '/api/auth') + path, {
        method: 'POST', signal, ...how,
        ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      const { headers, ok, status } = response, code = headers.get(MARK);
      Object.assign(answer, { status, after: +headers.get('retry-after') * 1000 || 0 });
      body = await response.json();
      Object.assign(answer, { ok, body, code: body.code === code && code, took: performance.now() - began });
    }).catch(() => {});
    return answer;
  }

  function granted(answer) {
    if (answer.ok) return answer;
    throw new KeywardError(answer.code || 'unreachable', answer);
  }

  function take({ body, took }, anew) {
    const named = hint()?.tag;
    if (!named) return ended('cookies_blocked');
    if (named !== tag) begin(named);
    const change = { loading: 'signed_in', offline: 'online' }[state] || (anew && 'refreshed');
    expiresAt = Date.parse(body.expires_at);
    if (body.expires_in > 0) synced = [expiresAt - body.expires_in * 1000 + 500 + took / 2, Date.now(), performance.now()];
    if (anew) fresh++;
    failures = nextTry = barredUntil = 0;
    user = body;
    state = 'signed_in';
    move(body, anew);
    if (change) emit(change);
  }

  function move(body, anew) {
    refreshAt = Date.parse(body.refresh_at) || Infinity;
    // Tabs ask at different times: the first one asks for all.
    if (refreshAt < expiresAt) refreshAt += Math.random() * (expiresAt - refreshAt) * 0.2;
    idleAt = Date.parse(body.idle_expires_at) || 0;
    idleFor = Math.max(idleFor, idleAt - now());
    hear({ tag, expiresAt, refreshAt, idleAt });
    tabs.tell({ tag, expiresAt, refreshAt, idleAt, anew });
  }

  function hear(message) {
    if (message.halt) halt();
    else if (message.why) message.tag === tag && ended(message.why, true);
    else if (message.triedAt) ({ triedAt } = message);
    else if (message.sentAt) ({ sentAt } = message);
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

  function ended(why, elsewhere) {
    if (state === 'signed_out') return;
    if (!elsewhere) tabs.tell({ tag, why });
    over = tag;
    begin();
    state = 'signed_out';
    reason = why;
    warning();
    emit('session_end');
    if (options.private) leave(elsewhere || why !== state);
  }

  function leave(back) {
    const { href, pathname, search, hash } = location, login = new URL(options.login || '/login', href);
    if (login.pathname === pathname) return hide();
    hide(true);
    if (left) return;
    left = true;
    queueMicrotask(() => options.onLeave?.(reason));
    let trips = [];
    try {
      trips = (sessionStorage[NAME] || '').split(',').filter((at) => Date.now() - at < 3e4);
      if (back) sessionStorage[NAME] = [...trips, Date.now()];
    } catch {}
    if (!back || trips.length < 2) {
      if (back) login.searchParams.set('next', pathname.replace(/^[/\\]+/, '/') + search + hash);
      // Kept in the back/forward cache, the page would keep its streams open for a minute.
      stop();
      return location.replace(login.href);
    }
    // A third time within 30 s won't help, either.
    document.body.textContent = Math.abs(Date.now() - now()) > 36e5 ? 'Wrong clock.' : LOST;
    hide();
  }

  /** Not heard, or no time for us: the session is kept, and asked for again later. */
  function failed(answer) {
    if (answer) {
      if (answer.after) barredUntil = now() + answer.after;
      nextTry = now() + Math.max(answer.after, Math.min(30, 2 ** failures++) * (750 + 500 * Math.random()));
    }
    if (answer?.code === 'refresh_pending' || state === 'offline') return;
    state = 'offline';
    emit(state);
  }

  async function attempt() {
    const { signal: from } = work, mine = hint()?.tag, before = fresh, wait = nextTry - now();
    if (!mine || mine === over || wait > 8000) return false;
    if (!navigator.onLine) return failed(), false;
    if (wait > 0) await sleep(wait);
    return locked(from, async () => {
      const answer = fresh === before && (await ask('/refresh', null, { from }));
      if (from.aborted) return false;
      // Another tab was first.
      if (!answer) return true;
      if (answer.body?.session_id) take(answer, true);
      else if (!answer.code || (answer.status !== 401 && answer.code !== 'ambiguous_credentials')) failed(answer);
      else if ((hint()?.tag || mine) === mine) {
        // Nobody has signed in anew meanwhile: it is this session that was refused.
        drop(tag = mine);
        ended(answer.code);
      }
      return fresh !== before && state === 'signed_in';
    });
  }

  async function look(limit) {
    const { signal: from } = work, mine = hint()?.tag, before = fresh;
    if (mine && mine !== over) {
      if (mine !== tag) begin(mine);
      if (!navigator.onLine) failed();
      else {
        const answer = await ask('/session', null, { method: 'GET', from, limit });
        if (from.aborted) return;
        if (answer.body?.session_id) take(answer);
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
    nextTry = barredUntil;
    await Promise.race([refresh(), sleep(1000)]);
    checking = false;
    if (now() > end()) ended('session_idle');
    settle();
  }

  /** Every second and whenever something happened: timers stand still while a device sleeps. */
  function tick() {
    clearTimeout(timer);
    if (away || !instances) return;
    const time = now(), mine = hint()?.tag, stop = end() + 300;
    if (mine && mine !== (state === 'signed_out' ? over : tag)) load();
    else if (state === 'signed_out') return;
    else if (!mine) return ended(time > endsAt - 2000 ? 'refresh_token_expired' : 'signed_out');
    else if (time >= stop) checking || check();
    else {
      if (time >= nextTry && !document.hidden && navigator.onLine) {
        if (refreshAt && time >= refreshAt) refresh();
        else if (state !== 'signed_in') load();
      }
      if (activeAt > sentAt && time - triedAt >= Math.min(6e4, idleFor / 6)) active();
      const ahead = Math.min((options.warn ?? 120) * 1000, idleFor / 3);
      warning(ahead && time > idleEnd() - ahead && idleEnd());
    }
    timer = setTimeout(tick, Math.max(50, Math.min(1000, stop - time)));
  }

  function warning(at) {
    if (!at === !warned) return;
    warned = at;
    (options.onWarning || warn)(local(at), options.texts, logout);
  }

  /** What a person does, and no script; in the dialog, not what only looks for the way out. */
  function input({ key, target, isTrusted }) {
    const time = now();
    if (!isTrusted || !tag || time - activeAt < 1000) return;
    if (dialog && (key === 'Tab' || key === 'Shift' || target === out)) return;
    if (time >= end()) return tick();
    activeAt = time;
    if (warned) triedAt = 0;
    // Others hear who tells the server before they hear what: else all would.
    tick();
    tabs.tell({ activeAt: time });
  }

  async function active(keepalive) {
    const at = now();
    tabs.tell({ triedAt: triedAt = at });
    const answer = await ask('/activity', null, { by: fetchKept, from: work.signal, keepalive });
    if (!answer.ok) return;
    tabs.tell({ sentAt: sentAt = at });
    move(answer.body);
  }

  /** Coming back: what was missed is caught up with, once. */
  function wake() {
    const time = now();
    if (!document.hidden && !away && time - wokenAt >= 5000) {
      wokenAt = time;
      failures = 0;
      nextTry = barredUntil;
      if (tag && time - heardAt >= 5000 && time < refreshAt) load();
    } else if (document.hidden && !away && activeAt > sentAt) active(true);
    tick();
  }

  /** Nothing that was sent for the former session may land on the next one. */
  function alone(path, body, limit) {
    halt();
    tabs.tell({ halt: 1 });
    return locked(life.signal, () => ask(path, body, { limit }));
  }

  async function enter(path, credentials) {
    const answer = granted(await alone(path, credentials, 3e4));
    if (answer.body.session_id) {
      if (!hint()) throw new KeywardError('cookies_blocked', answer, LOST);
      begin();
      take(answer, true);
    }
    return session();
  }

  async function logout() {
    const mine = hint()?.tag;
    if (!mine) return true;
    const { ok } = await alone('/logout');
    drop(tag = mine);
    ended('signed_out');
    return ok;
  }

  async function fetchKept(input, init) {
    const request = new Request(input, init), { origin, pathname } = new URL(request.url);
    if (origin !== location.origin) return fetch(request);
    const flows = init?.body instanceof ReadableStream;
    if (flows && now() >= expiresAt) await refresh();
    const copy = flows ? null : request.clone(), before = fresh, response = await fetch(request);
    const code = response.status === 401 && response.headers.get(MARK);
    if (!code || code === 'invalid_credentials' || /\/refresh$/.test(pathname) || !(await renewed(before))) return response;
    if (copy) return fetch(copy);
    throw new KeywardError('body_not_replayable', response);
  }

  async function start() {
    life = new AbortController();
    halt();
    tabs = channel(hear);
    // What happens to the document passes the window first.
    const on = (names, listener) => names.split(' ').forEach((name) => addEventListener(
      name, listener, { signal: life.signal, passive: true, capture: true }));
    on('pointerdown keydown wheel click', input);
    on('focus online visibilitychange', wake);
    // Frozen, a page hears and ticks, but what it sends stays: it must neither hold a lock nor speak for others.
    const part = ({ type, persisted }) => {
      if (!away) {
        away = true;
        halt();
        if (!persisted && activeAt > sentAt) active(true);
        tabs.close();
      }
      if (options.private && type === 'pagehide') hide(true);
    };
    // The back/forward cache gives back no page that is shown unasked.
    const join = ({ persisted }) => {
      if (away) tabs = channel(hear);
      away = false;
      if (!persisted) return wake();
      left = false;
      if (!hint()) ended('signed_out', true);
      load(2000);
    };
    on('freeze pagehide', part);
    on('resume pageshow', join);
    // Instances that come and go within a turn ask once.
    await null;
    return instances && load();
  }

  begin();
  return (wishes) => {
    options = { ...options, ...wishes };
    if (!instances++) started = start();
    const own = [];
    let open = 1;
    return {
      get session() {
        return session();
      },
      ready: started.then(session),
      fetch: fetchKept,
      refresh,
      logout,
      onChange(listener) {
        const each = (...told) => listener(...told);
        listeners.add(each);
        own.push(each);
        return () => { listeners.delete(each); };
      },
      login: (credentials) => enter('/login', credentials),
      signup: (account) => enter('/signup', account),
      async logoutAll() {
        granted(await ask('/logout-all', null, { by: fetchKept }));
        ended('signed_out');
      },
      async reauthenticate(password) {
        take(granted(await ask('/reauthenticate', { password }, { by: fetchKept })), true);
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
