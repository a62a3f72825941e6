-- What exists beside functions: code signing configs and event source mappings. Documents are
-- msgspec JSON (store/records.py).
CREATE TABLE resources (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    id           TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, kind, id)
) WITHOUT ROWID, STRICT;
