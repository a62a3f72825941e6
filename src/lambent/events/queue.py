"""Asynchronous invokes: accepted on disk, then handed to the engine until they have ended.

`accept` answers once the event is durable. From there AWS's rules hold: an error of the function is
retried twice (after about one and two minutes, with the same request id); throttles and system
errors are retried with growing delays; and an event that has become too old is dropped. Memory
holds a window per function, disk the rest, and functions take turns, so that one that is throttled
or slow holds up no other. A killed server's events are delivered by the next one: at least once,
never zero times. `function_queue` has the state of one function, `store.event_queue` the SQL.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol

import apsw
import structlog

from lambent.clock import Clock
from lambent.engine.invocation import Outcome
from lambent.errors import RequestTooLarge, ResourceNotFound, ServiceException, TooManyRequests
from lambent.events.alarm import Alarm
from lambent.events.batch import Batch
from lambent.events.function_queue import FunctionQueue, QueuedEvent, back_off_s
from lambent.events.policy import PolicyOf, default_policy
from lambent.observe.metrics import Metrics
from lambent.store import event_queue as table
from lambent.store.database import Database
from lambent.store.event_queue import NewEvent, Payload, QueueKey, Retry

log = structlog.get_logger()

MAX_PAYLOAD: Final = 1024 * 1024
WINDOW: Final = 64
"""Events of one function in memory and not under way; without payloads, once these take
`KEPT_BYTES` together."""
KEPT_BYTES: Final = 32 * 1024 * 1024
FLYING_BYTES: Final = 128 * 1024 * 1024


class Caller(Protocol):
    """`engine.dispatcher.Dispatcher`, or whatever else runs functions."""

    async def call(
        self,
        *,
        request_id: str,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        client_context: bytes | None,
        trace_header: str,
    ) -> Outcome: ...


class _Accepted(NamedTuple):
    event: NewEvent
    stored: asyncio.Future[None]


class _Ended(NamedTuple):
    key: QueueKey
    event: int
    retry: Retry | None
    """Back to waiting; None deletes it."""


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
        metrics: Metrics | None = None,
        retry_delays_s: tuple[float, float] = (60.0, 120.0),
        max_in_flight: int = 256,
        max_in_flight_per_function: int = 128,
    ) -> None:
        self._database = database
        self._caller = caller
        self._clock = clock
        self._spawn = spawn
        self._policy = policy
        self._metrics = metrics or Metrics()
        self._retry_delays_s = retry_delays_s
        self._most = max_in_flight
        self._most_per_function = max_in_flight_per_function
        self._lease = os.urandom(8).hex()
        self._queues: dict[QueueKey, FunctionQueue] = {}
        self._round: deque[FunctionQueue] = deque()
        self._alarm = Alarm(clock)
        self._accepts: Batch[_Accepted] = Batch(self._store, spawn, lambda a: len(a.event.payload))
        self._ends: Batch[_Ended] = Batch(self._settle, spawn)
        self._flying = 0
        self._flights: set[asyncio.Task[None]] = set()
        self._landed = asyncio.Event()
        self._flying_bytes = 0
        self._kept_bytes = 0
        self._oldest_ms: int | None = None
        self._stopping = False
        self._timer: asyncio.Task[None] | None = None

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Take over what a predecessor left, and begin to deliver."""
        for key, count, next_due_ms in await self._database.write(table.recover):
            queue = self._queue(key)
            queue.waiting, queue.next_due_ms = count, next_due_ms
        self._oldest_ms = await self._database.read(table.oldest_ms)
        self._metrics.gauge("events.depth", lambda: self.depth)
        self._metrics.gauge("events.in_flight", lambda: self._flying)
        self._metrics.gauge("events.oldest_age_s", lambda: self.oldest_age_s)
        if self.depth:
            log.info("events.recovered", events=self.depth, functions=len(self._queues))
        self._spawn(self._keep_time())
        self._look_at_all()

    async def drain(self, timeout_s: float) -> None:
        """Start nothing new; wait for what is under way, give the rest back to the disk."""
        self._stopping = True
        self._alarm.at(0)
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_landed()
        except TimeoutError:
            for task in self._flights:
                task.cancel()
            await self._all_landed()
        await self._accepts.drained()
        await self._ends.drained()
        await self._database.write(lambda connection: table.release(connection, self._lease))

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
        if self._oldest_ms is None:
            return 0.0
        return max(0, self._clock.time_ms() - self._oldest_ms) / 1000

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
    ) -> None:
        """Returns once the event is on disk: whatever happens then, it will be delivered.

        Raises `RequestTooLarge` past 1 MB, `ServiceException` when it cannot be stored.
        """
        if len(payload) > MAX_PAYLOAD:
            raise RequestTooLarge(
                f"{len(payload)} byte payload is too large for the Event invocation type "
                f"(limit {MAX_PAYLOAD} bytes)"
            )
        key = QueueKey(account, region, name, qualifier or "")
        now_ms = self._clock.time_ms()
        # The lease is decided when the row is written: only then is it known what stands before.
        event = NewEvent(key, request_id, payload, client_context, trace_header, now_ms, None)
        stored = asyncio.get_running_loop().create_future()
        self._accepts.add(_Accepted(event, stored))
        # A caller that leaves while it waits does not take the event back.
        await stored

    async def _store(self, accepted: list[_Accepted]) -> None:
        """Write accepted events, and take those into memory that stand at the front."""
        events = self._leased([item.event for item in accepted])
        try:
            ids = await self._database.write(lambda connection: table.insert(connection, events))
        except apsw.Error as error:
            log.error("events.cannot_store", events=len(events), reason=str(error))
            for item in accepted:
                if not item.stored.done():
                    item.stored.set_exception(
                        ServiceException("The event could not be stored. Try again later.")
                    )
                self._look_at(self._queue(item.event.key))
            return
        for item, event, row in zip(accepted, events, ids, strict=True):
            self._stored(event, row)
            if not item.stored.done():
                item.stored.set_result(None)
        self._deliver_next()

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

    def _stored(self, event: NewEvent, row: int) -> None:
        queue = self._queue(event.key)
        if self._oldest_ms is None:
            self._oldest_ms = event.accepted_ms
        if event.lease is None:
            queue.returned_to_disk(event.accepted_ms)
        else:
            size = len(event.payload)
            queued = QueuedEvent(row, event.request_id, size, event.accepted_ms)
            if self._kept_bytes + size <= KEPT_BYTES:
                self._kept_bytes += size
                queued.kept = Payload(event.payload, event.client_context, event.trace_header)
            queue.ready.append(queued)
        self._look_at(queue)

    # ── choosing what to deliver ─────────────────────────────────────────────────────────────

    async def _keep_time(self) -> None:
        """Look again when a pause or a delay is over."""
        while not self._stopping:
            await self._alarm.wait()
            self._look_at_all()

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
            assert queue.next_due_ms is not None
            left_ms = queue.next_due_ms - self._clock.time_ms()
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
        queue.waiting -= len(rows)
        for row in rows:
            queue.ready.append(QueuedEvent(*row))
        self._look_at(queue)
        self._deliver_next()

    def _deliver_next(self) -> None:
        """Functions in turns, one event each, as long as there is room."""
        passed = 0
        now = self._clock.monotonic()
        while passed < len(self._round) and not self._stopping:
            queue = self._round.popleft()
            if not queue.deliverable(now):
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
            self._drop(queue, event, "ZeroReservedConcurrency")
        elif self._clock.time_ms() - event.accepted_ms > policy.maximum_event_age_s * 1000:
            self._drop(queue, event, "EventAgeExceeded")
        else:
            queue.in_flight += 1
            self._flying += 1
            self._flying_bytes += event.size
            self._spawn(self._deliver(queue, event))
            return
        self._look_at(queue)

    # ── delivering ───────────────────────────────────────────────────────────────────────────

    async def _deliver(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """One attempt at one event."""
        task = asyncio.current_task()
        assert task is not None
        self._flights.add(task)
        try:
            # Once we are stopping, its lease is given back with the others.
            if not self._stopping:
                await self._attempt(queue, event)
        finally:
            self._flights.discard(task)
            self._flying -= 1
            self._flying_bytes -= event.size
            self._landed.set()
            self._look_at(queue)
            self._deliver_next()

    async def _attempt(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        settle: Callable[[FunctionQueue, QueuedEvent], None]
        try:
            outcome = await self._run(queue.key, event)
        except ResourceNotFound:
            settle = self._deleted
        except TooManyRequests:
            settle = self._throttled
        except Exception as error:  # noqa: BLE001  whatever it is, the event is kept and tried again
            self._log_system_error(queue, event, error)
            settle = self._system_error
        else:
            queue.ran(self._most_per_function)
            failed = outcome is not None and outcome.function_error is not None
            settle = self._function_error if failed else self._end
        finally:
            queue.in_flight -= 1
        settle(queue, event)

    async def _run(self, key: QueueKey, event: QueuedEvent) -> Outcome | None:
        """Hand the event to the engine; None if it has no row any more."""
        found = event.kept
        if found is None:
            found = await self._database.read(
                lambda connection: table.payload(connection, event.id)
            )
            if found is None:
                return None
        return await self._caller.call(
            request_id=event.request_id,
            account=key.account,
            region=key.region,
            name=key.name,
            qualifier=key.qualifier or None,
            payload=found.payload,
            client_context=found.client_context,
            trace_header=found.trace_header,
        )

    # ── what came of it ──────────────────────────────────────────────────────────────────────

    def _function_error(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        event.attempts += 1
        if event.attempts > self._policy(queue.key).maximum_retry_attempts:
            self._drop(queue, event, "RetriesExhausted")
        else:
            delays = self._retry_delays_s
            self._retry(queue, event, delays[min(event.attempts, len(delays)) - 1])

    def _throttled(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        """It stays first, and the queue waits until there is capacity."""
        queue.ready.appendleft(event)
        queue.throttled(self._clock.monotonic())
        self._metrics.count("events.throttled")

    def _deleted(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        self._drop(queue, event, "FunctionDeleted")

    def _system_error(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        event.faults += 1
        queue.failed(self._clock.monotonic())
        self._metrics.count("events.system_errors")
        self._retry(queue, event, back_off_s(event.faults))

    def _retry(self, queue: FunctionQueue, event: QueuedEvent, delay_s: float) -> None:
        due_ms = self._clock.time_ms() + int(delay_s * 1000)
        age_ms = self._policy(queue.key).maximum_event_age_s * 1000
        if due_ms - event.accepted_ms >= age_ms:
            self._drop(queue, event, "EventAgeExceeded")
            return
        self._forget_payload(event)
        self._metrics.count("events.retried")
        retry = Retry(event.id, due_ms, event.attempts, event.faults)
        self._ends.add(_Ended(queue.key, event.id, retry))

    def _drop(self, queue: FunctionQueue, event: QueuedEvent, condition: str) -> None:
        """The event ends without success; `condition` in the words of destination records."""
        self._metrics.count(f"events.dropped.{condition}")
        log.warning(
            "events.dropped",
            function=queue.key.name,
            account=queue.key.account,
            region=queue.key.region,
            request_id=event.request_id,
            condition=condition,
            invoke_count=event.attempts,
        )
        self._end(queue, event)

    def _log_system_error(self, queue: FunctionQueue, event: QueuedEvent, error: Exception) -> None:
        log.warning(
            "events.system_error",
            function=queue.key.name,
            request_id=event.request_id,
            reason=f"{type(error).__name__}: {error}",
        )

    def _end(self, queue: FunctionQueue, event: QueuedEvent) -> None:
        self._forget_payload(event)
        self._ends.add(_Ended(queue.key, event.id, None))

    def _forget_payload(self, event: QueuedEvent) -> None:
        if event.kept is not None:
            event.kept = None
            self._kept_bytes -= event.size

    async def _settle(self, items: list[_Ended]) -> None:
        """Delete what has ended and send retries back to disk, many at once."""
        ended = [item.event for item in items if item.retry is None]
        retries = [item.retry for item in items if item.retry is not None]
        failures = 0
        while True:
            try:
                self._oldest_ms = await self._database.write(
                    lambda connection: table.settle(connection, ended, retries)
                )
                break
            except apsw.Error as error:
                failures += 1
                log.error("events.cannot_settle", events=len(items), reason=str(error))
                if self._stopping:
                    return  # their leases end with this process: they are delivered once more
                await self._clock.sleep(back_off_s(failures))
        # A retry waits on disk only from here on; a load that came before would have missed it.
        for item in items:
            if item.retry is not None:
                queue = self._queue(item.key)
                queue.returned_to_disk(item.retry.due_ms)
                self._look_at(queue)

    def _queue(self, key: QueueKey) -> FunctionQueue:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = FunctionQueue(key, float(self._most_per_function))
        return queue
