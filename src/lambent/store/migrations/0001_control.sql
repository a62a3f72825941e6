-- What exists: functions, their versions and their aliases. Documents are msgspec JSON
-- (store/records.py); the columns beside them are what SQL needs to find and order rows.

CREATE TABLE functions (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    name         TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID, STRICT;

CREATE TABLE versions (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    function     TEXT NOT NULL,
    number       INTEGER NOT NULL,  -- 0 is $LATEST
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, function, number),
    FOREIGN KEY (account, region, function) REFERENCES functions ON DELETE CASCADE
) WITHOUT ROWID, STRICT;

CREATE TABLE aliases (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    function     TEXT NOT NULL,
    name         TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, function, name),
    FOREIGN KEY (account, region, function) REFERENCES functions ON DELETE CASCADE
) WITHOUT ROWID, STRICT;

-- The highest number ever published under a name. It outlives the function, because AWS reuses no
-- version number, even for a function that is deleted and made again.
CREATE TABLE version_numbers (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    function     TEXT NOT NULL,
    last         INTEGER NOT NULL,
    PRIMARY KEY (account, region, function)
) WITHOUT ROWID, STRICT;
