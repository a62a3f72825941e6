-- What exists: functions, their published versions and their aliases. Documents are msgspec JSON
-- (store/records.py); the columns beside them are what SQL needs to find and order rows.

CREATE TABLE functions (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    name         TEXT NOT NULL,
    last_version INTEGER NOT NULL,  -- the highest number ever published; numbers are never reused
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    function     TEXT NOT NULL,
    number       INTEGER NOT NULL,  -- 0 is $LATEST
    code_sha256  TEXT NOT NULL,     -- hexadecimal; which packages are still needed
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, function, number),
    FOREIGN KEY (account, region, function) REFERENCES functions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_by_code ON versions (code_sha256);

CREATE TABLE aliases (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    function     TEXT NOT NULL,
    name         TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, function, name),
    FOREIGN KEY (account, region, function) REFERENCES functions ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
