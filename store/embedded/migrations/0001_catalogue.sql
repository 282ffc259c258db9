-- What the index was made with. One row; no other table may be read before
-- its fingerprint was compared.
CREATE TABLE catalogue (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    fingerprint TEXT    NOT NULL,
    dim         INTEGER NOT NULL CHECK (dim > 0),
    generation  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE items (
    id           TEXT    NOT NULL PRIMARY KEY,
    item         TEXT    NOT NULL,              -- store.Item as JSON, version included
    picture      TEXT    NOT NULL,              -- sha256 hex or ''
    content_hash TEXT    NOT NULL,
    embedding    BLOB    NOT NULL               -- dim little-endian float32
) STRICT;

-- Deleted items, so that a late write of an older version does not bring one
-- back. Emptied after a full sync.
CREATE TABLE tombstones (
    id         TEXT    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL,
    deleted_at INTEGER NOT NULL                 -- Unix milliseconds
) STRICT;
