-- CloudWatch Logs: what is known of log groups besides their events, which are files
-- (observe/log_files.py). Documents are msgspec JSON (store/log_groups.py).
CREATE TABLE log_groups (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    name         TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID, STRICT;

-- Streams made by CreateLogStream; those of environments exist by their files alone.
CREATE TABLE log_streams (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    log_group    TEXT NOT NULL,
    name         TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    PRIMARY KEY (account, region, log_group, name),
    FOREIGN KEY (account, region, log_group) REFERENCES log_groups ON DELETE CASCADE
) WITHOUT ROWID, STRICT;
