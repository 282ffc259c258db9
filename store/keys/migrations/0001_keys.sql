CREATE TABLE keys (
    id           TEXT NOT NULL PRIMARY KEY,  -- the first 12 hex digits of the hash
    hash         BLOB NOT NULL,              -- SHA-256 of the key
    session      BLOB NOT NULL,              -- SHA-256 of the session value that follows from the key
    name         TEXT NOT NULL,
    scopes       INTEGER NOT NULL,           -- bits of keys.Scopes
    created_at   INTEGER NOT NULL,           -- Unix seconds, as all times here
    expires_at   INTEGER NOT NULL DEFAULT 0, -- 0: never
    revoked_at   INTEGER NOT NULL DEFAULT 0, -- 0: not revoked
    last_used_at INTEGER NOT NULL DEFAULT 0  -- 0: never; to some minutes
) STRICT, WITHOUT ROWID;
