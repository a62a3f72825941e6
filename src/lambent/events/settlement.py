"""What became of an event: gone, or back to wait on disk. Written in batches, after the fact.

A server that is killed before a batch is written delivers its events once more, which asynchronous
invokes allow. While the disk refuses, the batch is tried again; nothing is forgotten. `queue`
decides what happened, this writes it down, and tells `queue` when a retry has begun to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import apsw
import structlog

from lambent.clock import Clock
from lambent.events.batch import Batch
from lambent.events.function_queue import QueuedEvent, back_off_s
from lambent.events.kept_payloads import KeptPayloads
from lambent.events.policy import PolicyOf, default_policy
from lambent.events.records import SUCCESS, Ending, messages
from lambent.observe.metrics import Metrics
from lambent.store import event_outbox
from lambent.store import event_queue as table
from lambent.store.database import Database
from lambent.store.event_queue import QueueKey, Retry

log = structlog.get_logger()


def nobody() -> None:
    """Where no destination can be told."""


class _Ended(NamedTuple):
    key: QueueKey
    event: int
    retry: Retry | None
    """Back to waiting; None deletes it."""
    ending: Ending | None = None
    """What its destinations are told, if there are any."""


class Settlement:
    """`on_waiting(key, due_ms)` is called when a retry's row says that it waits."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        metrics: Metrics,
        kept: KeptPayloads,
        on_waiting: Callable[[QueueKey, int], None],
        policy: PolicyOf = default_policy,
        on_message: Callable[[], None] = nobody,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._kept = kept
        self._on_waiting = on_waiting
        self._policy = policy
        self._on_message = on_message
        self._ends: Batch[_Ended] = Batch(self._write, spawn)
        self.oldest_ms: int | None = None
        """When the event that has waited longest was accepted, as of the last batch."""
        self.stopping = False

    async def drained(self) -> None:
        """Until everything said so far is written (or, once stopping, given up)."""
        await self._ends.drained()

    def end(self, key: QueueKey, event: QueuedEvent, condition: str = SUCCESS) -> None:
        """It has succeeded, or will not be tried again; its destinations are told of it."""
        self._kept.forget(event)
        ending = Ending(
            key,
            event.request_id,
            condition,
            event.attempts + (condition == SUCCESS),
            self._clock.time_ms(),
            event.outcome,
            self._policy(key),
        )
        self._ends.add(_Ended(key, event.id, None, ending if ending.wanted else None))

    def drop(self, key: QueueKey, event: QueuedEvent, condition: str) -> None:
        """It ends without success; `condition` in the words of destination records."""
        self._metrics.count(f"events.dropped.{condition}")
        log.warning(
            "events.dropped",
            function=key.name,
            account=key.account,
            region=key.region,
            request_id=event.request_id,
            condition=condition,
            invoke_count=event.attempts,
        )
        self.end(key, event, condition)

    def retry(self, key: QueueKey, event: QueuedEvent, delay_s: float, age_limit_s: int) -> None:
        """Try again later, unless it will be too old by then."""
        due_ms = self._clock.time_ms() + int(delay_s * 1000)
        if due_ms - event.accepted_ms >= age_limit_s * 1000:
            self.drop(key, event, "EventAgeExceeded")
            return
        self._kept.forget(event)
        event.outcome = None
        self._metrics.count("events.retried")
        retry = Retry(event.id, due_ms, event.attempts, event.faults)
        self._ends.add(_Ended(key, event.id, retry))

    async def _write(self, items: list[_Ended]) -> None:
        ended = [item.event for item in items if item.retry is None]
        retries = [item.retry for item in items if item.retry is not None]
        endings = [(item.event, item.ending) for item in items if item.ending is not None]
        failures = 0
        while True:
            try:
                self.oldest_ms = await self._database.write(
                    lambda connection: _settle(connection, ended, retries, endings)
                )
                break
            except apsw.Error as error:
                failures += 1
                log.error("events.cannot_settle", events=len(items), reason=str(error))
                if self.stopping:
                    return  # their leases end with this process: they are delivered once more
                await self._clock.sleep(back_off_s(failures))
        if endings:
            self._on_message()
        # Only from here on does a retry wait on disk; a load that came before would have missed it.
        for item in items:
            if item.retry is not None:
                self._on_waiting(item.key, item.retry.due_ms)


def _settle(
    connection: apsw.Connection,
    ended: list[int],
    retries: list[Retry],
    endings: list[tuple[int, Ending]],
) -> int | None:
    """Events end in the transaction in which their messages come to be."""
    for event, ending in endings:
        found = table.payload(connection, event)
        if found is not None:
            event_outbox.put(connection, messages(ending, found))
    return table.settle(connection, ended, retries)
