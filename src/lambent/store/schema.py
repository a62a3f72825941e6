"""Bring a database file up to this program's schema.

`migrations/NNNN_name.sql` are applied in order, each in a transaction together with the number
that says it is done (`PRAGMA user_version`), so that a kill in the middle leaves the file at a
whole step. Files that have been released are never edited; a change is a new file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import apsw

from lambent.errors import ConfigurationError

FOLDER = Path(__file__).with_name("migrations")


class Migration(NamedTuple):
    number: int
    name: str
    sql: str


def load(folder: Path = FOLDER) -> list[Migration]:
    """The migrations in order; numbers must run 1, 2, 3 … without a gap."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        number, _, name = file.stem.partition("_")
        found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise RuntimeError(f"migrations in {folder} are not numbered 1, 2, 3 …")
    return found


def migrate(connection: apsw.Connection, migrations: list[Migration]) -> None:
    """Apply what is missing. A file from a newer program is refused rather than guessed at."""
    current = int(connection.pragma("user_version"))
    if current > len(migrations):
        raise ConfigurationError(
            f"the database has schema {current}, this version of lambent knows up to {len(migrations)}",
            code="SCHEMA_TOO_NEW",
            fix="use the newer lambent that wrote it, or another data_dir",
        )
    for migration in migrations[current:]:
        with connection:
            connection.execute(migration.sql)
            connection.pragma("user_version", migration.number)
