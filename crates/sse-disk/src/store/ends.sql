-- What the third format adds: the entries that end a topic or open it again.

CREATE TABLE ends (position INTEGER PRIMARY KEY);
-- Commands were kept without a list of them. Those that end the streams of a client are passed over by readers of it.
INSERT INTO ends SELECT position FROM entries WHERE substr(fields, 1, 9) = CAST('control: ' AS BLOB);
