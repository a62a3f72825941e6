"""Rows of functions. Every function here runs inside `Database.write` or `Database.read`."""

from __future__ import annotations

import apsw
import msgspec

from lambent.store.records import Function

_decode = msgspec.json.Decoder(Function).decode
_encode = msgspec.json.Encoder().encode


def put(connection: apsw.Connection, function: Function) -> None:
    """Insert or replace; also remembers the version number past the function's own life."""
    key = (function.account, function.region, function.name)
    connection.execute(
        "INSERT INTO functions VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (*key, _encode(function)),
    )
    if function.last_version:
        connection.execute(
            "INSERT INTO version_numbers VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
            (*key, function.last_version),
        )


def delete(connection: apsw.Connection, account: str, region: str, name: str) -> None:
    """Delete the function with its versions and aliases."""
    connection.execute(
        "DELETE FROM functions WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )


def load(connection: apsw.Connection) -> list[Function]:
    rows = connection.execute("SELECT document FROM functions ORDER BY account, region, name")
    return [_decode(document) for (document,) in rows]


def load_numbers(connection: apsw.Connection) -> dict[tuple[str, str, str], int]:
    """The highest number ever published by (account, region, name), deleted functions included."""
    rows = connection.execute("SELECT account, region, function, last FROM version_numbers")
    return {(account, region, name): last for account, region, name, last in rows}
