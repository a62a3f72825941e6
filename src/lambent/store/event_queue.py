"""The durable half of asynchronous invokes: plain functions over a connection.

A row is an event that was accepted and has not ended. `lease` names the server process that has it
in memory; a row without one waits for its `due_ms`. A database belongs to one server at a time
(`Database` locks it), so whatever a new server finds leased was left by a dead one, and `recover`
takes it back: nothing accepted is lost, everything is delivered at least once. `events.queue` calls
these through `Database.write` and `Database.read`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import apsw


class QueueKey(NamedTuple):
    """Events that are delivered in order, and wait for each other's throttles."""

    account: str
    region: str
    name: str
    qualifier: str
    """Empty when the caller gave none."""


class NewEvent(NamedTuple):
    """What was accepted."""

    key: QueueKey
    request_id: str
    payload: bytes
    client_context: bytes | None
    trace_header: str
    accepted_ms: int
    lease: str | None
    tenant_id: str = ""


class Row(NamedTuple):
    """An event without its payload."""

    id: int
    request_id: str
    size: int
    accepted_ms: int
    attempts: int
    faults: int


class Payload(NamedTuple):
    payload: bytes
    client_context: bytes | None
    trace_header: str
    tenant_id: str = ""


class Retry(NamedTuple):
    """Back to waiting, with what has happened to it."""

    id: int
    due_ms: int
    attempts: int
    faults: int


class Waiting(NamedTuple):
    """Events of one queue that are not in memory."""

    key: QueueKey
    events: int
    next_due_ms: int


def insert(connection: apsw.Connection, events: Sequence[NewEvent]) -> list[int]:
    """Store events; their ids in the same order."""
    ids = []
    for event in events:
        connection.execute(
            "INSERT INTO event_queue (account, region, name, qualifier, request_id, size,"
            " accepted_ms, due_ms, attempts, faults, lease) VALUES (?,?,?,?,?,?,?,?,0,0,?)",
            (
                *event.key,
                event.request_id,
                len(event.payload),
                event.accepted_ms,
                event.accepted_ms,
                event.lease,
            ),
        )
        row = connection.last_insert_rowid()
        connection.execute(
            "INSERT INTO event_payload (id, payload, client_context, trace_header, tenant_id)"
            " VALUES (?,?,?,?,?)",
            (row, event.payload, event.client_context, event.trace_header, event.tenant_id),
        )
        ids.append(row)
    return ids


def claim(
    connection: apsw.Connection, lease: str, key: QueueKey, now_ms: int, limit: int
) -> tuple[list[Row], int | None]:
    """Lease the events of a queue that are due, longest due first; and when the next one is."""
    rows = [
        Row(*row)
        for row in connection.execute(
            "SELECT id, request_id, size, accepted_ms, attempts, faults FROM event_queue"
            " WHERE lease IS NULL AND account=? AND region=? AND name=? AND qualifier=?"
            " AND due_ms<=? ORDER BY due_ms, id LIMIT ?",
            (*key, now_ms, limit),
        )
    ]
    connection.executemany(
        "UPDATE event_queue SET lease=? WHERE id=?", [(lease, row.id) for row in rows]
    )
    return rows, connection.execute(
        "SELECT min(due_ms) FROM event_queue"
        " WHERE lease IS NULL AND account=? AND region=? AND name=? AND qualifier=?",
        key,
    ).get


def settle(
    connection: apsw.Connection, ended: Iterable[int], retries: Iterable[Retry]
) -> int | None:
    """Forget events that ended, send others back to wait; when the oldest left was accepted."""
    connection.executemany("DELETE FROM event_queue WHERE id=?", [(row,) for row in ended])
    connection.executemany(
        "UPDATE event_queue SET due_ms=?, attempts=?, faults=?, lease=NULL WHERE id=?",
        [(retry.due_ms, retry.attempts, retry.faults, retry.id) for retry in retries],
    )
    return oldest_ms(connection)


def release(connection: apsw.Connection, lease: str) -> None:
    """A server lets go of everything it has in memory."""
    connection.execute("UPDATE event_queue SET lease=NULL WHERE lease=?", (lease,))


def recover(connection: apsw.Connection) -> list[Waiting]:
    """Void the leases of dead servers; what waits, by queue."""
    connection.execute("UPDATE event_queue SET lease=NULL WHERE lease IS NOT NULL")
    return [
        Waiting(QueueKey(*row[:4]), row[4], row[5])
        for row in connection.execute(
            "SELECT account, region, name, qualifier, count(*), min(due_ms) FROM event_queue"
            " WHERE lease IS NULL GROUP BY account, region, name, qualifier"
        )
    ]


def payload(connection: apsw.Connection, event: int) -> Payload | None:
    row = connection.execute(
        "SELECT payload, client_context, trace_header, tenant_id FROM event_payload WHERE id=?",
        (event,),
    ).fetchone()
    return None if row is None else Payload(*row)


def oldest_ms(connection: apsw.Connection) -> int | None:
    """When the event that has waited longest was accepted (ids grow with time)."""
    found: int | None = connection.execute(
        "SELECT accepted_ms FROM event_queue ORDER BY id LIMIT 1"
    ).get
    return found
