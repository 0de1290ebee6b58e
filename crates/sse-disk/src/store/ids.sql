-- What the second format adds: the ids that publishers give.

-- What became of each message of a batch in which messages have ids; NULL if all were appended.
ALTER TABLE publishers ADD COLUMN outcomes BLOB;

-- The ids, oldest first. A number is at least one more than that of the id before.
CREATE TABLE ids (
    number INTEGER PRIMARY KEY,
    -- A hash of the topic and of the id, of 16 bytes.
    hash BLOB NOT NULL UNIQUE,
    -- Of the message.
    position INTEGER NOT NULL,
    -- A hash of the message.
    fingerprint INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);

-- The key of these hashes: one row. Without it, nobody can make two ids with one hash.
CREATE TABLE secret (key BLOB NOT NULL);
INSERT INTO secret VALUES (randomblob(16));
