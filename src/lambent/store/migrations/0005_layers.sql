-- Layers and their versions. A layer's row outlives its versions: numbers are never used again.
CREATE TABLE layers (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    name         TEXT NOT NULL,
    last         INTEGER NOT NULL,  -- the highest version ever published
    PRIMARY KEY (account, region, name)
) WITHOUT ROWID, STRICT;

-- Documents are msgspec JSON (store/layers.py).
CREATE TABLE layer_versions (
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    layer        TEXT NOT NULL,
    number       INTEGER NOT NULL,
    document     BLOB NOT NULL,
    PRIMARY KEY (account, region, layer, number)
) WITHOUT ROWID, STRICT;
