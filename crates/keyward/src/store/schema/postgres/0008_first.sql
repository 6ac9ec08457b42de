-- Times are microseconds since 1970-01-01T00:00:00Z, ids UUIDv7. Text is compared byte by byte, as
-- SQLite does: COLLATE "C". Wide columns come first, so that none is padded.

CREATE TABLE account (
    id                    UUID    NOT NULL PRIMARY KEY,
    roles_version         BIGINT  NOT NULL,              -- "uv" in tokens
    version               BIGINT  NOT NULL,
    created_at            BIGINT  NOT NULL,
    last_login_at         BIGINT,
    email_verified        BOOLEAN NOT NULL,
    phone_number_verified BOOLEAN NOT NULL,
    is_active             BOOLEAN NOT NULL,
    email                 TEXT    COLLATE "C" NOT NULL CONSTRAINT account_email UNIQUE,
    phone_number          TEXT    COLLATE "C" CONSTRAINT account_phone_number UNIQUE,
    password              TEXT    COLLATE "C" NOT NULL,
    roles                 TEXT    COLLATE "C" NOT NULL,  -- names, sorted, separated by commas
    cost_class            TEXT    COLLATE "C" NOT NULL   -- what the work of verifying the hash depends on
) WITH (fillfactor = 90);

-- Few of many accounts are not active.
CREATE INDEX account_inactive ON account (id) WHERE is_active = FALSE;
CREATE INDEX account_cost_class ON account (cost_class);

CREATE TABLE imported (
    user_id UUID  NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    digest  BYTEA NOT NULL
);

CREATE TABLE role (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    permissions TEXT COLLATE "C" NOT NULL                -- sorted, separated by commas
);

INSERT INTO role (name, permissions) VALUES ('admin', ''), ('user', '');

CREATE TABLE account_role (
    user_id UUID NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, role)
);

CREATE INDEX account_of_role ON account_role (role, user_id);

-- One row is one session for its whole life. No index holds anything that a refresh writes, and
-- each page keeps room for the next version of a row: so a refresh stays on its page (HOT), and
-- leaves nothing behind once the page is pruned.
CREATE TABLE session (
    id             UUID    NOT NULL PRIMARY KEY,
    user_id        UUID    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    opened_at      BIGINT  NOT NULL,
    auth_time      BIGINT  NOT NULL,
    newest         BIGINT  NOT NULL CHECK (newest >= 0),
    parent         BIGINT  CHECK (parent < newest),
    made_at        BIGINT  NOT NULL,
    last_active_at BIGINT  NOT NULL,
    ended_at       BIGINT,
    seen           BOOLEAN NOT NULL,
    transport      TEXT    COLLATE "C" NOT NULL CHECK (transport IN ('cookie', 'bearer')),
    made_by        TEXT    COLLATE "C" NOT NULL
                   CHECK (made_by IN ('opening', 'rotation', 'forgiveness', 'adoption')),
    amr            TEXT    COLLATE "C" NOT NULL,
    ip             TEXT    COLLATE "C" NOT NULL,
    user_agent     TEXT    COLLATE "C" NOT NULL,         -- in short
    ended_why      TEXT    COLLATE "C",
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);

-- Every byte counts as many times as there are sessions: one index tells the open ones of a user from
-- the others, and what an index finds is put in order without its help.
CREATE INDEX session_of_user ON session (user_id, ended_at);
CREATE INDEX session_by_ip ON session (ip);
CREATE INDEX session_by_end ON session (ended_at, id) WHERE ended_at IS NOT NULL;

CREATE TABLE counter (
    value BIGINT NOT NULL,
    name  TEXT   COLLATE "C" NOT NULL PRIMARY KEY
);

INSERT INTO counter (name, value) VALUES
    ('administrators', 0), ('keys_version', 0), ('roles_version', 0), ('service_keys_version', 0), ('position', 0);

-- A position is taken from a row that stays locked until its transaction has committed: so whoever
-- sees one sees all below it. A sequence gives out numbers in another order than they are committed in.
CREATE FUNCTION next_position() RETURNS BIGINT LANGUAGE SQL VOLATILE AS
    $$ UPDATE counter SET value = value + 1 WHERE name = 'position' RETURNING value $$;

-- What is cut off, in commit order, until no token can be alive that it concerns.
CREATE TABLE revocation (
    position BIGINT NOT NULL DEFAULT next_position() PRIMARY KEY,
    value    BIGINT NOT NULL,                            -- generation, or the least version still good
    until    BIGINT NOT NULL,
    kind     TEXT   COLLATE "C" NOT NULL CHECK (kind IN ('key', 'session', 'generation', 'user', 'roles')),
    subject  BYTEA  NOT NULL                             -- key id, session or user
);

CREATE INDEX revocation_until ON revocation (until);

-- Hastens the poll of every node.
CREATE FUNCTION tell() RETURNS TRIGGER LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('keyward', ''); RETURN NULL; END $$;
CREATE TRIGGER revocation_told AFTER INSERT ON revocation FOR EACH STATEMENT EXECUTE FUNCTION tell();
CREATE TRIGGER keys_told AFTER UPDATE ON counter FOR EACH ROW
    WHEN (new.name IN ('keys_version', 'service_keys_version')) EXECUTE FUNCTION tell();

-- The private parts are sealed under the master key.
CREATE TABLE signing_key (
    created_at  BIGINT NOT NULL,
    active_from BIGINT,
    retired_at  BIGINT,
    revoked_at  BIGINT,
    kid         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm   TEXT   COLLATE "C" NOT NULL,
    state       TEXT   COLLATE "C" NOT NULL CHECK (state IN ('next', 'active', 'retiring', 'revoked')),
    sealed      BYTEA  NOT NULL
);

CREATE UNIQUE INDEX signing_key_one_active ON signing_key (state) WHERE state = 'active';

CREATE TABLE mac_key (
    id         BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    sealed     BYTEA  NOT NULL
);

CREATE TABLE service_key (
    id           UUID   NOT NULL PRIMARY KEY,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT,
    name         TEXT   COLLATE "C" NOT NULL CONSTRAINT service_key_name UNIQUE,
    hash         BYTEA  NOT NULL CONSTRAINT service_key_hash UNIQUE CHECK (length(hash) = 32),
    scopes       TEXT   COLLATE "C" NOT NULL             -- names, sorted, separated by commas
);

-- Which lengths of access tokens were in force, and when last: a revocation has to outlive them.
CREATE TABLE access_ttl (
    ttl           BIGINT NOT NULL PRIMARY KEY,
    last_in_force BIGINT NOT NULL
);

-- The audit trail refers to nothing: its rows outlive what they speak of.
CREATE TABLE event (
    id         UUID    NOT NULL PRIMARY KEY,
    user_id    UUID,
    session_id UUID,
    at         BIGINT  NOT NULL,
    count      BIGINT  NOT NULL,
    last_at    BIGINT,                                   -- of those that are counted into this row
    batch      BIGINT,                                   -- which it was sealed in
    success    BOOLEAN NOT NULL,
    type       TEXT    COLLATE "C" NOT NULL,
    ip         TEXT    COLLATE "C",
    network    TEXT    COLLATE "C",                      -- what the address counts as: IPv6 by its /64
    user_agent TEXT    COLLATE "C",
    reason     TEXT    COLLATE "C",
    details    TEXT    COLLATE "C" NOT NULL,
    tally      TEXT    COLLATE "C",                      -- further events alike are counted into this row
    name       TEXT    COLLATE "C",                      -- keyed hash of a name that was tried and has no account
    mark       BYTEA                                     -- shows that Keyward wrote the row
);

CREATE UNIQUE INDEX event_tally ON event (tally) WHERE tally IS NOT NULL;
CREATE INDEX event_of_user ON event (user_id, type, network) WHERE user_id IS NOT NULL;
CREATE INDEX event_by_user ON event (user_id, id);
CREATE INDEX event_by_network ON event (network, id);
CREATE INDEX event_by_type ON event (type, id);
CREATE INDEX event_by_success ON event (success, id);
CREATE INDEX event_by_batch ON event (batch, id);
CREATE INDEX event_by_session ON event (session_id, id) WHERE session_id IS NOT NULL;

-- What the findings are counted from, without a look at the rows.
CREATE INDEX event_login_failed ON event (type, id, network, user_id, name, count, at, last_at)
    WHERE type = 'login_failed';
CREATE INDEX event_account_tried ON event (id, network, user_id, name, at, last_at, type)
    WHERE coalesce(type, '') IN ('login', 'login_failed', 'signup');

CREATE TABLE event_key (
    id           BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    marked_since BIGINT NOT NULL,                        -- events from before carry no mark
    sealed       BYTEA  NOT NULL
);

-- One row is the seal of one batch. It stays when the rows of the batch are past their time.
CREATE TABLE event_seal (
    number      BIGINT NOT NULL PRIMARY KEY,
    sealed_at   BIGINT NOT NULL,
    newest      BIGINT NOT NULL,
    row_count   BIGINT NOT NULL,
    removed_at  BIGINT,
    digest      BYTEA  NOT NULL,
    mac         BYTEA  NOT NULL,
    removed_mac BYTEA,
    entries     BYTEA                                    -- id 16, tag 16, …; NULL once removed
);

-- The next batch whose rows may go.
CREATE INDEX event_seal_kept ON event_seal (newest) WHERE removed_at IS NULL;

-- How much may still be asked: all of a budget will have come back at full_at. What a crash takes away
-- of it is nobody's loss, so nothing of it is logged.
CREATE UNLOGGED TABLE budget (
    full_at BIGINT  NOT NULL,
    allowed BOOLEAN NOT NULL,                            -- whether who asked last was allowed to
    name    TEXT    COLLATE "C" NOT NULL PRIMARY KEY     -- keyed hash
);

CREATE INDEX budget_full_at ON budget (full_at);

-- What is needed to know a link in a mail by: never its secret. It refers to nothing: for an address
-- that nobody has one is written as well, for nobody.
CREATE TABLE mail_link (
    user_id UUID   NOT NULL,
    until   BIGINT NOT NULL,
    purpose TEXT   COLLATE "C" NOT NULL CHECK (purpose IN ('verification', 'reset', 'invitation')),
    email   TEXT   COLLATE "C" NOT NULL,                 -- where it was sent
    hash    BYTEA  NOT NULL CONSTRAINT mail_link_hash UNIQUE CHECK (length(hash) = 32),
    PRIMARY KEY (user_id, purpose)
);

CREATE INDEX mail_link_until ON mail_link (until);

-- Mails that wait to be sent, and for some days those that could not be.
CREATE TABLE outbox (
    id       UUID   NOT NULL PRIMARY KEY,
    made_at  BIGINT NOT NULL,
    until    BIGINT NOT NULL,                            -- of no use to anybody after that
    due_at   BIGINT,                                     -- NULL: given up
    attempts BIGINT NOT NULL,
    kind     TEXT   COLLATE "C" NOT NULL,
    failure  TEXT   COLLATE "C",
    sealed   BYTEA  NOT NULL                             -- under the master key: it may hold the secret of a link
);

CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (made_at) WHERE due_at IS NULL;

-- What was counted, for plots: one row a figure and quarter of an hour.
CREATE TABLE figure (
    at    BIGINT NOT NULL,                               -- when the quarter of an hour began
    count BIGINT NOT NULL,
    name  TEXT   COLLATE "C" NOT NULL,
    PRIMARY KEY (at, name)
) WITH (fillfactor = 50);
