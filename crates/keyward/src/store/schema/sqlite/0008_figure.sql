-- What was counted, for plots: one row a figure and quarter of an hour, gone when it is past
-- events.retention, however much there was to count.
CREATE TABLE figure (
    at    INTEGER NOT NULL,                              -- when the quarter of an hour began
    name  TEXT    NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (at, name)
) STRICT, WITHOUT ROWID;

-- Sessions of everybody, from an address and by when they ended. A refresh writes none of it.
CREATE INDEX session_by_ip ON session (ip, id);
CREATE INDEX session_by_end ON session (ended_at, id) WHERE ended_at IS NOT NULL;
