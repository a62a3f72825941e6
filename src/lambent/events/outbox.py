"""Sends what asynchronous invokes owe their destinations, until the target has it.

Messages are on disk when their event ends (`settlement`); this takes the due ones, a few at a time,
and tries each again with growing delays. What could not be sent for six hours is dropped and
counted, as on AWS (DestinationDeliveryFailures). How a message is sent is `destinations`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import apsw
import structlog

from lambent.clock import Clock
from lambent.events.alarm import Alarm
from lambent.events.function_queue import back_off_s
from lambent.observe.metrics import Metrics
from lambent.store import event_outbox as table
from lambent.store.database import Database
from lambent.store.event_outbox import Message, Row

log = structlog.get_logger()

AT_ONCE: Final = 16
LONGEST_MS: Final = 6 * 3_600_000


class Outbox:
    """`run` belongs to one task of the server; `wake` says that there may be something to send."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._send = send
        self._alarm = Alarm(clock)

    def wake(self) -> None:
        self._alarm.at(self._clock.monotonic())

    async def run(self) -> None:
        """Until cancelled; what is under way then is sent once more by the next server."""
        self.wake()
        while True:
            await self._alarm.wait()
            try:
                wait_ms = await self._send_due()
            except apsw.Error as error:
                log.error("destinations.cannot_store", reason=str(error))
                wait_ms = 1000
            if wait_ms is not None:
                self._alarm.at(self._clock.monotonic() + wait_ms / 1000)

    async def _send_due(self) -> int | None:
        """Send all that is due; how long until something else is."""
        while True:
            now_ms = self._clock.time_ms()
            rows, next_ms = await self._database.read(
                lambda c, now_ms=now_ms: table.due(c, now_ms, AT_ONCE)  # type: ignore[misc]
            )
            if not rows:
                return None if next_ms is None else max(0, next_ms - now_ms)
            again_ms = await asyncio.gather(*map(self._try, rows))
            sent = [row.id for row, ms in zip(rows, again_ms, strict=True) if ms is None]
            later = [(row.id, ms) for row, ms in zip(rows, again_ms, strict=True) if ms is not None]
            await self._database.write(
                lambda c, sent=sent, later=later: table.settle(c, sent, later)  # type: ignore[misc]
            )

    async def _try(self, row: Row) -> int | None:
        """When to try again; None when it is done with."""
        message = row.message
        try:
            await self._send(message)
        except Exception as error:  # noqa: BLE001  whatever refuses it, the message is kept
            now_ms = self._clock.time_ms()
            gone = now_ms - message.made_ms > LONGEST_MS
            self._metrics.count("events.destination_failures")
            log.warning(
                "destinations.dropped" if gone else "destinations.not_sent",
                function=message.function,
                target=message.target,
                attempts=row.attempts + 1,
                reason=f"{type(error).__name__}: {error}",
            )
            return None if gone else now_ms + int(back_off_s(row.attempts + 1) * 1000)
        self._metrics.count("events.destination_deliveries")
        return None
