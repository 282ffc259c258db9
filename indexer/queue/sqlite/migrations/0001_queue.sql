CREATE TABLE jobs (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- the order within a key
    id           TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    grp          TEXT    NOT NULL,
    dedupe       TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    not_before   INTEGER NOT NULL,              -- times are Unix milliseconds, 0 for none
    max_attempts INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'leased', 'done', 'superseded', 'dead')),
    attempt      INTEGER NOT NULL DEFAULT 0,
    created      INTEGER NOT NULL,
    changed      INTEGER NOT NULL,
    outcome      TEXT    NOT NULL DEFAULT '',
    worker       TEXT    NOT NULL DEFAULT '',
    stage        TEXT    NOT NULL DEFAULT '',
    reason       TEXT    NOT NULL DEFAULT '',
    token        TEXT    NOT NULL DEFAULT '',   -- of the last lease, '' after it expired
    until        INTEGER NOT NULL DEFAULT 0,    -- its end
    ended        TEXT    NOT NULL DEFAULT '',   -- what ended it: '', 'done', 'failed' or 'released'
    ready        INTEGER                        -- from when a waiting job may run; NULL behind its key's earlier job
) STRICT;
CREATE INDEX jobs_ready ON jobs (ready, seq) WHERE ready IS NOT NULL;
CREATE INDEX jobs_until ON jobs (until) WHERE state = 'leased';
CREATE INDEX jobs_key   ON jobs (key, seq) WHERE state = 'waiting' AND key <> '';
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_group ON jobs (grp, state, id) WHERE grp <> '';
CREATE INDEX jobs_ended ON jobs (changed) WHERE state IN ('done', 'superseded');
CREATE INDEX jobs_dead  ON jobs (changed) WHERE state = 'dead';

-- Beside the jobs, because SQLite writes a row anew with every change of it.
CREATE TABLE payloads (
    seq     INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
) STRICT;

-- Keys of jobs that are kept.
CREATE TABLE keys (
    key     TEXT    NOT NULL PRIMARY KEY,
    jobs    INTEGER NOT NULL,                   -- how many
    version INTEGER NOT NULL,                   -- the newest, and the job that brought it
    seq     INTEGER NOT NULL,
    leased  INTEGER NOT NULL                    -- a worker has one of them
) STRICT, WITHOUT ROWID;

CREATE TABLE dedupe (
    id    TEXT    NOT NULL PRIMARY KEY,
    job   TEXT    NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_until ON dedupe (until);

CREATE TABLE counts (
    grp   TEXT    NOT NULL,                     -- '' for all jobs
    state TEXT    NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (grp, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    time    INTEGER NOT NULL,
    job     TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    grp     TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    attempt INTEGER NOT NULL,
    outcome TEXT    NOT NULL,
    stage   TEXT    NOT NULL,
    reason  TEXT    NOT NULL
) STRICT;

-- Triggers, so that no change of a state can be made without its count and its
-- event.
CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO counts VALUES ('', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO counts SELECT NEW.grp, NEW.state, 1 WHERE NEW.grp <> '' ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO events (time, job, kind, key, grp, state, attempt, outcome, stage, reason)
        VALUES (NEW.changed, NEW.id, NEW.kind, NEW.key, NEW.grp, NEW.state, NEW.attempt, NEW.outcome, NEW.stage, NEW.reason);
END;
CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
    UPDATE counts SET n = n - 1 WHERE state = OLD.state AND grp IN ('', NEW.grp);
    INSERT INTO counts VALUES ('', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO counts SELECT NEW.grp, NEW.state, 1 WHERE NEW.grp <> '' ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO events (time, job, kind, key, grp, state, attempt, outcome, stage, reason)
        VALUES (NEW.changed, NEW.id, NEW.kind, NEW.key, NEW.grp, NEW.state, NEW.attempt, NEW.outcome, NEW.stage, NEW.reason);
END;
CREATE TRIGGER jobs_forgotten AFTER DELETE ON jobs BEGIN
    UPDATE counts SET n = n - 1 WHERE state = OLD.state AND grp IN ('', OLD.grp);
    DELETE FROM counts WHERE n = 0 AND state = OLD.state AND grp IN ('', OLD.grp);
    DELETE FROM payloads WHERE seq = OLD.seq;
    UPDATE keys SET jobs = jobs - 1 WHERE key = OLD.key;
    DELETE FROM keys WHERE key = OLD.key AND jobs = 0;
END;
