"""Accepting events: durable before the caller hears of it, many in one write.

`queue` decides just before each write which events it takes into memory (their row then has its
lease), and hears of each event once it is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

import apsw
import structlog

from lambent.errors import RequestTooLarge, ServiceException
from lambent.events.batch import Batch
from lambent.store import event_queue as table
from lambent.store.database import Database
from lambent.store.event_queue import NewEvent

log = structlog.get_logger()

MAX_PAYLOAD: Final = 1024 * 1024


class _Accepted(NamedTuple):
    event: NewEvent
    stored: asyncio.Future[None]


class Intake:
    """`lease` sets the leases of a batch; `on_stored` gets each event with its row, or None."""

    def __init__(
        self,
        database: Database,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        lease: Callable[[list[NewEvent]], list[NewEvent]],
        on_stored: Callable[[NewEvent, int | None], None],
    ) -> None:
        self._database = database
        self._lease = lease
        self._on_stored = on_stored
        self._accepts: Batch[_Accepted] = Batch(self._write, spawn, _size)

    async def drained(self) -> None:
        await self._accepts.drained()

    async def accept(self, event: NewEvent) -> None:
        """Returns once the event is on disk.

        Raises `RequestTooLarge` past 1 MB, `ServiceException` when it cannot be stored.
        """
        if len(event.payload) > MAX_PAYLOAD:
            raise RequestTooLarge(
                f"{len(event.payload)} byte payload is too large for the Event invocation type "
                f"(limit {MAX_PAYLOAD} bytes)"
            )
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._accepts.add(_Accepted(event, stored))
        # A caller that leaves while it waits does not take the event back.
        await stored

    async def _write(self, accepted: list[_Accepted]) -> None:
        events = self._lease([item.event for item in accepted])
        try:
            rows = await self._database.write(lambda connection: table.insert(connection, events))
        except apsw.Error as error:
            log.error("events.cannot_store", events=len(events), reason=str(error))
            for item in accepted:
                self._on_stored(item.event, None)
                if not item.stored.done():
                    item.stored.set_exception(
                        ServiceException("The event could not be stored. Try again later.")
                    )
            return
        for item, event, row in zip(accepted, events, rows, strict=True):
            self._on_stored(event, row)
            if not item.stored.done():
                item.stored.set_result(None)


def _size(accepted: _Accepted) -> int:
    return len(accepted.event.payload)
