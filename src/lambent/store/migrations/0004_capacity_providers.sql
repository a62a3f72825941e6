-- Capacity providers: where functions with several invokes per environment run.
-- Documents are msgspec JSON (store/capacity_providers.py).
CREATE TABLE capacity_providers (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    name         TEXT NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID, STRICT;
