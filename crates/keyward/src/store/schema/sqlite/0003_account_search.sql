-- Who has which role: by role for searching, and for whether anybody is left to administer.
-- account.roles says the same for who loads one account; every statement that writes one of them
-- stands beside one that writes the other.
CREATE TABLE account_role (
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    PRIMARY KEY (user_id, role)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_of_role ON account_role (role, user_id);

INSERT INTO account_role (user_id, role)
    SELECT a.id, r.name FROM account a JOIN role r
    ON replace(',' || a.roles || ',', ',' || r.name || ',', '') <> ',' || a.roles || ',';

-- Few of many accounts are not active.
CREATE INDEX account_inactive ON account (id) WHERE is_active = FALSE;

-- Who changes who administers takes this row first, so that two who do it at once wait for one
-- another on every engine.
INSERT INTO counter (name, value) VALUES ('administrators', 0);
