"""Rows of log groups and of the streams that were made by hand.

Every function here runs inside `Database.write` or `Database.read`.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import msgspec


class LogGroup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One log group; its events are files."""

    name: str
    created_ms: int
    retention_days: int | None = None
    tags: dict[str, str] = {}
    log_class: str = "STANDARD"
    kms_key_id: str | None = None
    protected: bool = False
    """DeleteLogGroup is refused."""


_decode = msgspec.json.Decoder(LogGroup).decode
_encode = msgspec.json.Encoder().encode


def put(connection: apsw.Connection, account: str, region: str, group: LogGroup) -> None:
    connection.execute(
        "INSERT INTO log_groups VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, group.name, _encode(group)),
    )


def delete(connection: apsw.Connection, account: str, region: str, name: str) -> None:
    connection.execute(
        "DELETE FROM log_groups WHERE account = ? AND region = ? AND name = ?",
        (account, region, name),
    )


def load(connection: apsw.Connection) -> Iterator[tuple[str, str, LogGroup]]:
    """(account, region, group) of all."""
    rows = connection.execute("SELECT account, region, document FROM log_groups")
    for account, region, document in rows:
        yield account, region, _decode(document)


def add_stream(
    connection: apsw.Connection, account: str, region: str, group: str, name: str, created_ms: int
) -> bool:
    """False when there is one of that name."""
    connection.execute(
        "INSERT OR IGNORE INTO log_streams VALUES (?, ?, ?, ?, ?)",
        (account, region, group, name, created_ms),
    )
    return connection.changes() == 1


def delete_stream(
    connection: apsw.Connection, account: str, region: str, group: str, name: str
) -> bool:
    """False when there was none."""
    connection.execute(
        "DELETE FROM log_streams WHERE account = ? AND region = ? AND log_group = ? AND name = ?",
        (account, region, group, name),
    )
    return connection.changes() == 1


def streams(connection: apsw.Connection, account: str, region: str, group: str) -> dict[str, int]:
    """Name → when it was made."""
    rows = connection.execute(
        "SELECT name, created_ms FROM log_streams"
        " WHERE account = ? AND region = ? AND log_group = ?",
        (account, region, group),
    )
    return dict(rows)


def stream(
    connection: apsw.Connection, account: str, region: str, group: str, name: str
) -> int | None:
    """When that stream was made; None when there is none."""
    row = connection.execute(
        "SELECT created_ms FROM log_streams"
        " WHERE account = ? AND region = ? AND log_group = ? AND name = ?",
        (account, region, group, name),
    ).fetchone()
    return None if row is None else row[0]
