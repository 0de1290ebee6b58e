-- The first format.

-- The entries, oldest first. `number` is one more than that of the entry before: a missing number shows a loss.
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    -- Both are NULL in an entry whose content has expired, and of which only the position is needed.
    topic TEXT,
    fields BLOB,
    key TEXT,
    checksum INTEGER NOT NULL
);

-- The newest batch of each publisher, so that a batch that is sent again is not appended again.
CREATE TABLE publishers (
    publisher INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    -- In milliseconds since 1970.
    time INTEGER NOT NULL
);

-- The newest entry that was trimmed: one row.
CREATE TABLE trimmed (position INTEGER NOT NULL, number INTEGER NOT NULL);
INSERT INTO trimmed VALUES (0, 0);
