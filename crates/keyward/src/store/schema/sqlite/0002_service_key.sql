CREATE TABLE service_key (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name         TEXT    NOT NULL CONSTRAINT service_key_name UNIQUE,
    hash         BLOB    NOT NULL CONSTRAINT service_key_hash UNIQUE CHECK (length(hash) = 32),
    scopes       TEXT    NOT NULL,                       -- names, sorted, separated by commas
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

-- Rises with every key that is made or revoked, so that a node knows when to read them again.
INSERT INTO counter (name, value) VALUES ('service_keys_version', 0);
