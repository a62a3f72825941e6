"""Rows of aliases. Every function here runs inside `Database.write` or `Database.read`."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec

from lambent.store.records import Alias

_decode = msgspec.json.Decoder(Alias).decode
_encode = msgspec.json.Encoder().encode


def put(
    connection: apsw.Connection, account: str, region: str, function: str, alias: Alias
) -> None:
    connection.execute(
        "INSERT INTO aliases VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, function, alias.name, _encode(alias)),
    )


def delete(
    connection: apsw.Connection, account: str, region: str, function: str, name: str
) -> None:
    connection.execute(
        "DELETE FROM aliases WHERE account = ? AND region = ? AND function = ? AND name = ?",
        (account, region, function, name),
    )


def load(connection: apsw.Connection) -> Iterator[tuple[str, str, str, Alias]]:
    """(account, region, function, alias), each function's in order of their names."""
    rows = connection.execute(
        "SELECT account, region, function, document FROM aliases"
        " ORDER BY account, region, function, name"
    )
    for account, region, function, document in rows:
        yield account, region, function, _decode(document)
