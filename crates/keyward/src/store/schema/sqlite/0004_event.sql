-- Filters, findings and the hash chain of the audit trail.

ALTER TABLE event ADD COLUMN name TEXT;                  -- keyed hash of a name that was tried and has no account
ALTER TABLE event ADD COLUMN last_at INTEGER;            -- of those that are counted into this row
ALTER TABLE event ADD COLUMN mark BLOB;                  -- shows that Keyward wrote the row
ALTER TABLE event ADD COLUMN batch INTEGER;              -- which it was sealed in

-- Each ends with the id, by which a list is in order of time: one filter is one range of one index.
CREATE INDEX event_by_user ON event (user_id, id);
CREATE INDEX event_by_network ON event (network, id);
CREATE INDEX event_by_type ON event (type, id);
CREATE INDEX event_by_success ON event (success, id);
CREATE INDEX event_by_batch ON event (batch, id);
DROP INDEX event_of_session;
CREATE INDEX event_by_session ON event (session_id, id) WHERE session_id IS NOT NULL;

-- What the findings are counted from, without a look at the rows. The type is written so that no
-- engine takes the index of that alone.
CREATE INDEX event_login_failed ON event (type, id, network, user_id, name, count, at, last_at)
    WHERE type = 'login_failed';
CREATE INDEX event_account_tried ON event (id, network, user_id, name, at, last_at, type)
    WHERE coalesce(type, '') IN ('login', 'login_failed', 'signup');

CREATE TABLE event_key (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    marked_since INTEGER NOT NULL,                       -- events from before carry no mark
    sealed       BLOB    NOT NULL
) STRICT;

-- One row is the seal of one batch. It stays when the rows of the batch are past their time.
CREATE TABLE event_seal (
    number      INTEGER NOT NULL PRIMARY KEY,
    sealed_at   INTEGER NOT NULL,
    newest      INTEGER NOT NULL,
    row_count   INTEGER NOT NULL,
    digest      BLOB    NOT NULL,
    entries     BLOB,                                    -- id 16, tag 16, …; NULL once removed
    mac         BLOB    NOT NULL,
    removed_at  INTEGER,
    removed_mac BLOB
) STRICT;

-- The next batch whose rows may go.
CREATE INDEX event_seal_kept ON event_seal (newest) WHERE removed_at IS NULL;
