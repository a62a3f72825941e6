"""Asynchronous invokes: accepted on disk, then handed to the engine until they have ended.

`accept` answers once the event is durable. From there AWS's rules hold: an error of the function is
retried twice (after about one and two minutes, with the same request id); throttles and system
errors are retried with growing delays; and an event that has become too old is dropped. Memory
holds a window per function, disk the rest, and functions take turns, so that one that is throttled
or slow holds up no other. A killed server's events are delivered by the next one: at least once,
never zero times. `intake` stores what is accepted, `settlement` what became of it;
`delivery` is one attempt, `function_queue` is the state of one function, `store.event_queue` the SQL.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import apsw
import structlog

from lambent.clock import Clock
from lambent.errors import ServiceException
from lambent.events.alarm import Alarm
from lambent.events.delivery import Caller, Delivery
from lambent.events.function_queue import FunctionQueue, QueuedEvent
from lambent.events.intake import Intake
from lambent.events.kept_payloads import KeptPayloads
from lambent.events.policy import PolicyOf, default_policy
from lambent.events.settlement import Settlement, nobody
from lambent.observe.metrics import Metrics
from lambent.store import event_queue as table
from lambent.store.database import Database
from lambent.store.event_queue import NewEvent, Payload, QueueKey

log = structlog.get_logger()

WINDOW: Final = 64
"""Events of one function that are in memory and not under way."""
FLYING_BYTES: Final = 128 * 1024 * 1024


class EventQueue:
    """All functions' asynchronous invokes. Lives between `start` and `drain`, on one loop."""

    def __init__(
        self,
        database: Database,
        caller: Caller,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        policy: PolicyOf = default_policy,
        on_message: Callable[[], None] = nobody,
        metrics: Metrics | None = None,
        retry_delays_s: tuple[float, float] = (60.0, 120.0),
        max_in_flight: int = 256,
        max_in_flight_per_function: int = 128,
    ) -> None:
        self._database = database
        self._clock = clock
        self._spawn = spawn
        self._policy = policy
        self._metrics = metrics or Metrics()
        self._most = max_in_flight
        self._most_per_function = max_in_flight_per_function
        self._lease = os.urandom(8).hex()
        self._queues: dict[QueueKey, FunctionQueue] = {}
        self._round: deque[FunctionQueue] = deque()
        self._alarm = Alarm(clock)
        self._kept = KeptPayloads()
        self._intake = Intake(database, spawn, self._leased, self._stored)
        self._settlement = Settlement(
            database, clock, spawn, self._metrics, self._kept, self._waits, policy, on_message
        )
        self._delivery = Delivery(
            caller,
            database,
            self._settlement,
            clock,
            policy,
            self._metrics,
            retry_delays_s,
            max_in_flight_per_function,
        )
        self._flying = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._landed = asyncio.Event()
        self._flying_bytes = 0
        self._stopping = False
        self._keeping_time = False

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Take over what a predecessor left, and begin to deliver."""
        for key, count, next_due_ms in await self._database.write(table.recover):
            queue = self._queue(key)
            queue.waiting, queue.next_due_ms = count, next_due_ms
        self._settlement.oldest_ms = await self._database.read(table.oldest_ms)
        self._metrics.gauge("events.depth", lambda: self.depth)
        self._metrics.gauge("events.in_flight", lambda: self._flying)
        self._metrics.gauge("events.oldest_age_s", lambda: self.oldest_age_s)
        if self.depth:
            log.info("events.recovered", events=self.depth, functions=len(self._queues))
        self._spawn(self._keep_time())
        self._look_at_all()

    async def drain(self, timeout_s: float) -> None:
        """Start nothing new; wait for what is under way, give the rest back to the disk."""
        self._stopping = self._settlement.stopping = True
        self._alarm.at(0)
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_landed()
        except TimeoutError:
            for task in self._flights:
                task.cancel()
            await self._all_landed()
        await self._intake.drained()
        await self._settlement.drained()
        await self._database.write(lambda connection: table.release(connection, self._lease))

    async def check(self) -> None:
        """Returns when events are accepted and delivered; raises `ServiceException` saying why not."""
        if self._stopping:
            raise ServiceException("the queue delivers nothing new")
        if not self._keeping_time:
            raise ServiceException("nothing looks after delayed events; see the server's log")

    async def _all_landed(self) -> None:
        while self._flying:
            self._landed.clear()
            await self._landed.wait()

    @property
    def depth(self) -> int:
        """Events that were accepted and have not ended."""
        return sum(q.waiting + len(q.ready) + q.in_flight for q in self._queues.values())

    @property
    def oldest_age_s(self) -> float:
        if self._settlement.oldest_ms is None:
            return 0.0
        return max(0, self._clock.time_ms() - self._settlement.oldest_ms) / 1000

    # ── accepting ────────────────────────────────────────────────────────────────────────────

    async def accept(
        self,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        request_id: str,
        *,
        client_context: bytes | None = None,
        trace_header: str = "",
        tenant_id: str = "",
    ) -> None:
        """Returns once the event is on disk: whatever happens then, it will be delivered.

        Raises `RequestTooLarge` past 1 MB, `ServiceException` when it cannot be stored.
        """
        key = QueueKey(account, region, name, qualifier or "")
        now_ms = self._clock.time_ms()
        await self._intake.accept(
            NewEvent(
                key, request_id, payload, client_context, trace_header, now_ms, None, tenant_id
            )
        )

    def _leased(self, events: list[NewEvent]) -> list[NewEvent]:
        """Events with this process's lease where they come next, and without where others wait."""
        room: dict[QueueKey, int] = {}
        leased = []
        for event in events:
            queue = self._queue(event.key)
            if event.key not in room:
                behind = self._stopping or queue.loading or queue.behind(self._clock.time_ms())
                room[event.key] = 0 if behind else WINDOW - len(queue.ready)
            room[event.key] -= 1
            leased.append(event._replace(lease=self._lease) if room[event.key] >= 0 else event)
        return leased

    def _stored(self, event: NewEvent, row: int | None) -> None:
        """An event has its row; None, it could not be stored."""
        queue = self._queue(event.key)
        if row is not None:
            if self._settlement.oldest_ms is None:
                self._settlement.oldest_ms = event.accepted_ms
            if event.lease is None:
                queue.returned_to_disk(event.accepted_ms)
            else:
                size = len(event.payload)
                queued = QueuedEvent(row, event.request_id, size, event.accepted_ms)
                payload = Payload(
                    event.payload, event.client_context, event.trace_header, event.tenant_id
                )
                self._kept.keep(queued, payload)
                queue.ready.append(queued)
        self._look_at(queue)
        self._deliver_next()

    def _waits(self, key: QueueKey, due_ms: int) -> None:
        """A retry has begun to wait on disk."""
        queue = self._queue(key)
        queue.returned_to_disk(due_ms)
        self._look_at(queue)

    # ── choosing what to deliver ─────────────────────────────────────────────────────────────

    async def _keep_time(self) -> None:
        """Look again when a pause or a delay is over."""
        self._keeping_time = True
        try:
            while not self._stopping:
                await self._alarm.wait()
                self._look_at_all()
        finally:
            self._keeping_time = False

    def _look_at_all(self) -> None:
        for queue in list(self._queues.values()):
            self._look_at(queue)
        self._deliver_next()

    def _look_at(self, queue: FunctionQueue) -> None:
        """Put a queue into the round, fetch more of it, or see when to look again."""
        if self._stopping:
            return
        now = self._clock.monotonic()
        if queue.deliverable(now) and not queue.listed:
            queue.listed = True
            self._round.append(queue)
        if now < queue.paused_until:
            self._alarm.at(queue.paused_until)
        elif queue.waiting and not queue.loading and len(queue.ready) <= WINDOW // 2:
            left_ms = (queue.next_due_ms or 0) - self._clock.time_ms()
            if left_ms > 0:
                self._alarm.at(now + left_ms / 1000)
            else:
                queue.loading = True
                self._spawn(self._load(queue))
        if queue.empty and self._queues.get(queue.key) is queue:
            del self._queues[queue.key]

    async def _load(self, queue: FunctionQueue) -> None:
        """Take the next events of a queue from disk into its window."""
        if self._stopping:
            queue.loading = False
            return
        now_ms, room = self._clock.time_ms(), WINDOW - len(queue.ready)
        try:
            rows, queue.next_due_ms = await self._database.write(
                lambda connection: table.claim(connection, self._lease, queue.key, now_ms, room)
            )
        except apsw.Error as error:
            log.error("events.cannot_load", function=queue.key.name, reason=str(error))
            queue.pause(self._clock.monotonic())
            rows = []
        queue.loading = False
        queue.waiting = max(0, queue.waiting - len(rows)) if queue.next_due_ms is not None else 0
        for row in rows:
            queue.ready.append(QueuedEvent(*row))
        self._look_at(queue)
        self._deliver_next()

    def _deliver_next(self) -> None:
        """Functions in turns, one event each, as long as there is room."""
        passed = 0
        while passed < len(self._round) and not self._stopping:
            queue = self._round.popleft()
            if not queue.deliverable(self._clock.monotonic()):
                queue.listed = False
                self._look_at(queue)
            elif self._has_room(queue):
                passed = 0
                self._round.append(queue)
                self._take_first(queue)
            else:
                passed += 1
                self._round.append(queue)

    def _has_room(self, queue: FunctionQueue) -> bool:
        """Whether one more may be under way; a queue's only one is let through when others fill up."""
        share = 2 if queue.in_flight == 0 else 1
        return self._flying < share * self._most and self._flying_bytes < share * FLYING_BYTES

    def _take_first(self, queue: FunctionQueue) -> None:
        event = queue.ready.popleft()
        policy = self._policy(queue.key)
        if policy.reserved_concurrency == 0:
            self._settlement.drop(queue.key, event, "ZeroReservedConcurrency")
        elif self._clock.time_ms() - event.accepted_ms > policy.maximum_event_age_s * 1000:
            self._settlement.drop(queue.key, event, "EventAgeExceeded")
        else:
            queue.in_flight += 1
            self._flying += 1
            self._flying_bytes += event.size
            self._spawn(self._deliver(queue, event))
            return
        self._look_at(queue)

    # ── under way ────────────────────────────────────────────────────────────────────────────

    async def _deliver(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """One attempt at one event."""
        task = asyncio.current_task()
        assert task is not None
        self._flights.add(task)
        try:
            # Once we are stopping, its lease is given back with the others.
            if not self._stopping:
                await self._delivery.attempt(queue, event)
        except asyncio.CancelledError:
            # By `drain`, or with the whole server: either way nothing new may start.
            self._stopping = True
            raise
        finally:
            self._flights.discard(task)
            self._flying -= 1
            self._flying_bytes -= event.size
            self._landed.set()
            self._look_at(queue)
            self._deliver_next()

    def _queue(self, key: QueueKey) -> FunctionQueue:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = FunctionQueue(key, float(self._most_per_function))
        return queue
