"""Rows of stacks: one document each, rewritten whenever something of it changes.

Every function here runs inside `Database.write` or `Database.read`.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw


def put(
    connection: apsw.Connection, account: str, region: str, stack_id: str, document: bytes
) -> None:
    connection.execute(
        "INSERT INTO stacks VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET document = excluded.document",
        (account, region, stack_id, document),
    )


def forget(connection: apsw.Connection, stack_id: str) -> None:
    connection.execute("DELETE FROM stacks WHERE stack_id = ?", (stack_id,))


def load(connection: apsw.Connection) -> Iterator[bytes]:
    """The documents of all stacks."""
    for (document,) in connection.execute("SELECT document FROM stacks ORDER BY rowid"):
        yield document
