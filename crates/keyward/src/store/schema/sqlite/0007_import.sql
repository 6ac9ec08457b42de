-- What the work of verifying a hash depends on: the beginning of the hash, without its salt. The
-- costliest that is stored says how long a failed login takes.
ALTER TABLE account ADD COLUMN cost_class TEXT NOT NULL DEFAULT '';

-- Until now every hash was of the form $argon2id$v=19$m=…,t=…,p=…$salt$output.
UPDATE account SET cost_class = substr(password, 1, 14 + instr(substr(password, 16), '$'));

CREATE INDEX account_cost_class ON account (cost_class);

-- What an imported account came with, so that a line of an import is known again when the hash has
-- been made anew: a digest of the hash in that line.
CREATE TABLE imported (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    digest  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
