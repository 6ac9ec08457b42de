-- What is needed to know a link in a mail by: never its secret. One for each purpose and account:
-- a newer one takes the place of the older. It refers to nothing: for an address that nobody has
-- one is written as well, for nobody, so that asking for a mail takes as long.
CREATE TABLE mail_link (
    user_id BLOB    NOT NULL CHECK (length(user_id) = 16),
    purpose TEXT    NOT NULL CHECK (purpose IN ('verification', 'reset', 'invitation')),
    hash    BLOB    NOT NULL CONSTRAINT mail_link_hash UNIQUE CHECK (length(hash) = 32),
    email   TEXT    NOT NULL,                            -- where it was sent
    until   INTEGER NOT NULL,
    PRIMARY KEY (user_id, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX mail_link_until ON mail_link (until);

-- Mails that wait to be sent, and for some days those that could not be.
CREATE TABLE outbox (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind     TEXT    NOT NULL,
    sealed   BLOB    NOT NULL,                           -- under the master key: it may hold the secret of a link
    made_at  INTEGER NOT NULL,
    until    INTEGER NOT NULL,                           -- of no use to anybody after that
    due_at   INTEGER,                                    -- NULL: given up
    attempts INTEGER NOT NULL,
    failure  TEXT
) STRICT;

CREATE INDEX outbox_due ON outbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (made_at) WHERE due_at IS NULL;
