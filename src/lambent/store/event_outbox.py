"""Messages that asynchronous invokes owe: plain functions over a connection.

A row is written in the transaction that ends its event and deleted once the target has it, so a
killed server's messages are sent by the next one: at least once. `events.outbox` calls these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import apsw
import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one target."""

    account: str
    region: str
    function: str
    function_arn: str
    """With a qualifier."""
    target: str
    """An ARN."""
    body: str
    made_ms: int
    succeeded: bool = False
    attributes: dict[str, tuple[str, str]] = {}
    """Message attributes: name → (type, value). A dead letter has some."""
    trace_header: str = ""


class Row(NamedTuple):
    id: int
    attempts: int
    message: Message


_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def put(connection: apsw.Connection, messages: Iterable[Message]) -> None:
    connection.executemany(
        "INSERT INTO event_outbox (due_ms, attempts, document) VALUES (?, 0, ?)",
        [(message.made_ms, _encode(message)) for message in messages],
    )


def due(connection: apsw.Connection, now_ms: int, limit: int) -> tuple[list[Row], int | None]:
    """What is due, longest due first; and when the next one is, if none is now."""
    rows = [
        Row(row, attempts, _decode(document))
        for row, attempts, document in connection.execute(
            "SELECT id, attempts, document FROM event_outbox WHERE due_ms <= ?"
            " ORDER BY due_ms, id LIMIT ?",
            (now_ms, limit),
        )
    ]
    return rows, connection.execute("SELECT min(due_ms) FROM event_outbox").get


def settle(
    connection: apsw.Connection, sent: Iterable[int], again: Iterable[tuple[int, int]]
) -> None:
    """Forget what was sent; `again` is (id, due_ms) of what was not."""
    connection.executemany("DELETE FROM event_outbox WHERE id = ?", [(row,) for row in sent])
    connection.executemany(
        "UPDATE event_outbox SET due_ms = ?, attempts = attempts + 1 WHERE id = ?",
        [(due_ms, row) for row, due_ms in again],
    )
