-- What the fourth format adds: bounds for each topic.

-- How many entries between this one and the one before were removed. They told of evicted messages, and a later entry
-- tells of the same topic.
ALTER TABLE entries ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- How many of the entries after the trimmed one were removed.
ALTER TABLE trimmed ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;

-- How many messages each topic has, and how many bytes their fields have. Empty, unless there are bounds for a topic.
CREATE TABLE topics (
    topic TEXT PRIMARY KEY,
    messages INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
