/**
 * What goes in and out? Types alone: no page loads this file.
 *
 * @typedef {object} Options
 * @property {boolean} [private] Whether this page is for signed-in people only: without a session it is left for `login`
 *   at once, and what it shows is hidden first. Otherwise an end is only told to `onChange`. Default `false`.
 * @property {string} [login] The page to sign in on, on this origin. Default `/login`.
 * @property {string} [api] Where Keyward is, on this origin. Default `/api/auth`.
 * @property {number} [warn] How long before the end by idleness to warn, in seconds. Default 120, or a third of the idle
 *   time where that is less. 0: never.
 * @property {(endsAt: number | null) => void} [onWarning] Instead of the dialog: the session is about to end (ms of this
 *   device's clock), or no longer (`null`).
 * @property {(reason: string | null) => void} [onLeave] Called before a private page is left: the last chance to keep a draft.
 * @property {Partial<Texts>} [texts] What the dialog says.
 *
 * @typedef {object} Texts
 * @property {(endsAt: number) => string} body
 * @property {string} stay
 * @property {string} out
 *
 * @typedef {object} User
 * What Keyward answers to a login (its other fields are there, too).
 * @property {string} user_id
 * @property {string} email
 * @property {boolean} email_verified
 * @property {string | null} phone_number
 * @property {string[]} roles
 * @property {string[]} permissions
 * @property {string} session_id
 *
 * @typedef {object} Session
 * @property {'loading' | 'signed_in' | 'offline' | 'signed_out'} state `loading`: there is a session, and the server was
 *   not heard yet. `offline`: the same, and it can't be reached; the session is kept.
 * @property {User | null} user
 * @property {string | null} reason Why the session ended: a code of Keyward's, or `signed_out`.
 * @property {number | null} expiresAt When the access token ends. All times are ms of this device's clock.
 * @property {number | null} idleExpiresAt When the session ends unless its person does something.
 * @property {number | null} endsAt When it ends in any case.
 *
 * @typedef {'signed_in' | 'refreshed' | 'offline' | 'online' | 'session_end'} Change
 *
 * @typedef {{ email: string, password: string } | { phone_number: string, password: string }} Credentials
 * @typedef {{ email: string, password: string, phone_number?: string }} NewAccount
 *
 * @typedef {object} Keyward
 * @property {Session} session What is known now.
 * @property {Promise<Session>} ready When the server was first heard, or there is no session to ask for.
 * @property {(input: RequestInfo | URL, init?: RequestInit) => Promise<Response>} fetch As `fetch`. A 401 that Keyward
 *   marked brings one refresh, which all calls share, and the request once more.
 * @property {() => Promise<boolean>} refresh Whether there is a fresh access token now.
 * @property {(listener: (session: Session, change: Change) => void) => () => void} onChange Returns what removes it.
 * @property {(credentials: Credentials) => Promise<Session>} login
 * @property {(account: NewAccount) => Promise<Session>} signup Signed out still, where the address has to be confirmed first.
 * @property {() => Promise<boolean>} logout Signs out here, offline too; whether the server heard of it.
 * @property {() => Promise<void>} logoutAll Signs out everywhere; throws where the server was not reached.
 * @property {(password: string) => Promise<Session>} reauthenticate
 * @property {() => void} dispose Frees everything. The last instance on a page stops the clock.
 */
export {};
