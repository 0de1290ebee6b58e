-- What the third format also adds: up to which time positions may have been given, in milliseconds since 1970. One row;
-- 0 if the log was closed.
CREATE TABLE reserved (time INTEGER NOT NULL);
INSERT INTO reserved VALUES (0);
