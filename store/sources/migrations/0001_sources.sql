CREATE TABLE sources (
    address       TEXT NOT NULL PRIMARY KEY,
    picture       TEXT NOT NULL,              -- sha256 hex
    etag          TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    checked_at    INTEGER NOT NULL            -- Unix milliseconds
) STRICT, WITHOUT ROWID;
