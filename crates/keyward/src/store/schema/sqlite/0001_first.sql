-- Times are microseconds since 1970-01-01T00:00:00Z, ids the sixteen bytes of a UUIDv7.

CREATE TABLE account (
    id                    BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email                 TEXT    NOT NULL CONSTRAINT account_email UNIQUE,
    email_verified        INTEGER NOT NULL,
    phone_number          TEXT    CONSTRAINT account_phone_number UNIQUE,
    phone_number_verified INTEGER NOT NULL,
    password              TEXT    NOT NULL,
    roles                 TEXT    NOT NULL,              -- names, sorted, separated by commas
    is_active             INTEGER NOT NULL,
    roles_version         INTEGER NOT NULL,              -- "uv" in tokens
    version               INTEGER NOT NULL,
    created_at            INTEGER NOT NULL,
    last_login_at         INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE role (
    name        TEXT NOT NULL PRIMARY KEY,
    permissions TEXT NOT NULL                            -- sorted, separated by commas
) STRICT, WITHOUT ROWID;

INSERT INTO role (name, permissions) VALUES ('admin', ''), ('user', '');

-- One row is one session for its whole life. No index holds anything that a refresh writes, so
-- that a refresh touches one page however many sessions there are.
CREATE TABLE session (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id        BLOB    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    transport      TEXT    NOT NULL CHECK (transport IN ('cookie', 'bearer')),
    opened_at      INTEGER NOT NULL,
    auth_time      INTEGER NOT NULL,
    amr            TEXT    NOT NULL,
    ip             TEXT    NOT NULL,
    user_agent     TEXT    NOT NULL,
    ended_at       INTEGER,
    ended_why      TEXT,
    newest         INTEGER NOT NULL CHECK (newest >= 0),
    parent         INTEGER CHECK (parent < newest),
    -- Not IN: of more than two, SQLite would make a temporary table of them at each refresh.
    made_by        TEXT    NOT NULL CHECK (made_by = 'opening' OR made_by = 'rotation'
                                           OR made_by = 'forgiveness' OR made_by = 'adoption'),
    made_at        INTEGER NOT NULL,
    seen           INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX session_open_of_user ON session (user_id) WHERE ended_at IS NULL;
CREATE INDEX session_of_user ON session (user_id, id);

-- What is cut off, in commit order, until no token can be alive that it concerns.
CREATE TABLE revocation (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind     TEXT    NOT NULL CHECK (kind IN ('key', 'session', 'generation', 'user', 'roles')),
    subject  BLOB    NOT NULL,                           -- key id, session or user
    value    INTEGER NOT NULL,                           -- generation, or the least version still good
    until    INTEGER NOT NULL
) STRICT;

CREATE INDEX revocation_until ON revocation (until);

-- The private parts are sealed under the master key.
CREATE TABLE signing_key (
    kid         TEXT    NOT NULL PRIMARY KEY,
    algorithm   TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'revoked')),
    created_at  INTEGER NOT NULL,
    active_from INTEGER,
    retired_at  INTEGER,
    revoked_at  INTEGER,
    sealed      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_key_one_active ON signing_key (state) WHERE state = 'active';

CREATE TABLE mac_key (
    id         INTEGER NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL
) STRICT;

CREATE TABLE counter (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counter (name, value) VALUES ('keys_version', 0), ('roles_version', 0);

-- Which lengths of access tokens were in force, and when last: a revocation has to outlive them.
CREATE TABLE access_ttl (
    ttl           INTEGER NOT NULL PRIMARY KEY,
    last_in_force INTEGER NOT NULL
) STRICT;

-- The audit trail refers to nothing: its rows outlive what they speak of.
CREATE TABLE event (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at         INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    user_id    BLOB,
    session_id BLOB,
    ip         TEXT,
    network    TEXT,                                     -- what the address counts as: IPv6 by its /64
    user_agent TEXT,
    success    INTEGER NOT NULL,
    reason     TEXT,
    details    TEXT    NOT NULL,
    tally      TEXT,                                     -- further events alike are counted into this row
    count      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX event_tally ON event (tally) WHERE tally IS NOT NULL;
CREATE INDEX event_of_user ON event (user_id, type, network) WHERE user_id IS NOT NULL;
CREATE INDEX event_of_session ON event (session_id) WHERE session_id IS NOT NULL;
