"""Bring a database file up to this program's schema.

`migrations/NNNN_name.sql` are applied in order, each in a transaction together with the row that
says it is done (`applied_migrations`), so that a kill in the middle leaves the file at a whole
step. Which ones are done is kept one by one: changes made side by side may arrive in any order, and
a number may be missing. Files that have been released are never edited; a change is a new file.
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
    """The migrations in order; no number may be used twice."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        number, _, name = file.stem.partition("_")
        found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    if len({m.number for m in found}) != len(found):
        raise RuntimeError(f"two migrations in {folder} have the same number")
    return found


def migrate(connection: apsw.Connection, migrations: list[Migration]) -> None:
    """Apply what is missing. A file from a newer program is refused rather than guessed at."""
    applied = _applied(connection)
    unknown = applied - {migration.number for migration in migrations}
    if unknown:
        raise ConfigurationError(
            f"the database has schema {max(unknown)}, which this version of lambent does not know",
            code="SCHEMA_TOO_NEW",
            fix="use the newer lambent that wrote it, or another data_dir",
        )
    for migration in migrations:
        if migration.number in applied:
            continue
        with connection:
            connection.execute(migration.sql)
            connection.execute("INSERT INTO applied_migrations VALUES (?)", (migration.number,))
            connection.pragma("user_version", max(applied | {migration.number}))
        applied.add(migration.number)


def _applied(connection: apsw.Connection) -> set[int]:
    """The numbers that are done; a file from before they were kept has all up to its version."""
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS applied_migrations (number INTEGER PRIMARY KEY) STRICT"
        )
        applied = {number for (number,) in connection.execute("SELECT * FROM applied_migrations")}
        if not applied:
            applied = set(range(1, int(connection.pragma("user_version")) + 1))
            connection.executemany(
                "INSERT INTO applied_migrations VALUES (?)", [(number,) for number in applied]
            )
    return applied
