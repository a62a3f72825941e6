"""Rows of versions. Every function here runs inside `Database.write` or `Database.read`.

Environment variables are in them, so they are sealed (`sealing`).
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from lambent.store.records import Version

_decode = msgspec.json.Decoder(Version).decode
_encode = msgspec.json.Encoder().encode


def put(
    connection: apsw.Connection, account: str, region: str, function: str, version: Version
) -> None:
    connection.execute(
        "INSERT INTO versions VALUES (?, ?, ?, ?, sealed(?))"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, function, version.number, _encode(version)),
    )


def delete(
    connection: apsw.Connection, account: str, region: str, function: str, number: int
) -> None:
    connection.execute(
        "DELETE FROM versions WHERE account = ? AND region = ? AND function = ? AND number = ?",
        (account, region, function, number),
    )


def load(connection: apsw.Connection) -> Iterator[tuple[str, str, str, Version]]:
    """(account, region, function, version), each function's in order of their numbers."""
    rows = connection.execute(
        "SELECT account, region, function, opened(document) FROM versions"
        " ORDER BY account, region, function, number"
    )
    for account, region, function, document in rows:
        yield account, region, function, _decode(document)
