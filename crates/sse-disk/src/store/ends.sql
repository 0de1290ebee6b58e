-- What the third format adds: the topics that have ended, each with its first end since it was last opened.

CREATE TABLE ends (
    -- Of the end. Its entry may have been trimmed.
    position INTEGER PRIMARY KEY,
    topic TEXT NOT NULL UNIQUE,
    -- As in its entry.
    fields BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
