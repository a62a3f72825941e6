"""Rows of what exists beside functions. Every function here runs inside `Database.write` or `read`."""

from __future__ import annotations

from collections.abc import Iterator

import apsw


def put(
    connection: apsw.Connection, account: str, region: str, kind: str, key: str, document: bytes
) -> None:
    connection.execute(
        "INSERT INTO resources VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, kind, key, document),
    )


def delete(connection: apsw.Connection, account: str, region: str, kind: str, key: str) -> None:
    connection.execute(
        "DELETE FROM resources WHERE account = ? AND region = ? AND kind = ? AND id = ?",
        (account, region, kind, key),
    )


def load(connection: apsw.Connection, kind: str) -> Iterator[tuple[str, str, str, bytes]]:
    """(account, region, id, document) of one kind."""
    yield from connection.execute(
        "SELECT account, region, id, document FROM resources WHERE kind = ?", (kind,)
    )
