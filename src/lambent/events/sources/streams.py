"""Polls one stream: each shard in order, parents before children, from where it was left.

A shard's records come in batches (BatchSize, or what came when the batching window is over), those
that filters want go to the function, and only when all of them are done or given up (`stream_batch`)
the shard's position is written down. A server that is killed begins behind the last position: at
least once. With ParallelizationFactor the records of different keys run side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol
from zlib import crc32

import msgspec
import structlog

from lambent.clock import Clock, new_uuid
from lambent.control import filter_patterns
from lambent.control.names import Scope
from lambent.control.source_kinds import stream_of
from lambent.engine.invocation import Outcome
from lambent.errors import ResourceNotFound, TooManyRequests
from lambent.events.delivery import Caller
from lambent.events.function_queue import back_off_s
from lambent.events.sources.stream_api import Position, Record, Shard, StreamApi
from lambent.events.sources.stream_batch import BatchRules, BatchRun
from lambent.events.sources.stream_losses import Losses
from lambent.observe.metrics import Metrics
from lambent.store.records import SHARD_END, EventSourceMapping

log = structlog.get_logger()

LOOK_S: Final = 10.0
"""Between two looks for new shards; one that ends is a reason to look at once."""
BATCH_BYTES: Final = 6 * 1024 * 1024 - 512 * 1024
LONGEST_PAUSE_S: Final = 60.0

CallAws = Callable[[str, str, Callable[[Any], Any]], Awaitable[Any]]


class Book(Protocol):
    """Where a mapping's state is kept; `control/event_source_mappings`, for one mapping."""

    async def processed(self, result: str) -> None: ...

    async def reached(self, shard: str, position: str) -> None: ...

    async def forget(self, shards: AbstractSet[str]) -> None: ...

    def positions(self) -> dict[str, str]: ...


class StreamPoller:
    """`run` belongs to one task; `stop` lets the trials under way end."""

    def __init__(
        self,
        scope: Scope,
        mapping: EventSourceMapping,
        api: StreamApi,
        call_aws: CallAws,
        caller: Caller,
        clock: Clock,
        metrics: Metrics,
        book: Book,
        role: Callable[[], str],
        send: Callable[[str, str], Coroutine[Any, Any, None]],
        before: asyncio.Task[None] | None,
    ) -> None:
        """`send(target, body)` tells a queue or a topic; `before` polls for the mapping as it was."""
        config = mapping.config
        self._scope = scope
        self._mapping = mapping
        self._api = api
        self._call_aws = call_aws
        self._caller = caller
        self._clock = clock
        self._metrics = metrics
        self._book = book
        self._role = role
        # A consumer with enhanced fan-out gets what its stream has, by polling like any other.
        self._arn: str = stream_of(config["EventSourceArn"])
        self._region = self._arn.split(":")[3]
        self._size: int = config.get("BatchSize") or 100
        self._window_s: int = config.get("MaximumBatchingWindowInSeconds") or 0
        self._side_by_side: int = config.get("ParallelizationFactor") or 1
        self._rules = BatchRules(config)
        filters = (config.get("FilterCriteria") or {}).get("Filters") or ()
        self._patterns = [msgspec.json.decode(each["Pattern"]) for each in filters]
        self._losses = Losses(
            scope, mapping, api.service, self._arn, self._event, send, call_aws, clock, metrics,
            self._pause,
        )  # fmt: skip
        self._since_s = _since_s(mapping)
        self._before = before
        self._positions: dict[str, str] = {}
        self._known: set[str] = set()
        self._stopping = asyncio.Event()
        self._looking = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()
        self._looking.set()

    async def run(self) -> None:
        if self._before is not None:
            await asyncio.wait([self._before])  # two at once would mix up a shard's order
        self._positions = self._book.positions()
        async with asyncio.TaskGroup() as readers:
            first, failures = True, 0
            while not self._stopping.is_set():
                shards = await self._aws(self._api.shards)
                failures = failures + 1 if shards is None else 0
                if shards is None:
                    await self._pause(failures)
                    continue
                for shard in self._ready(shards):
                    position = self._start(shard, first=first)
                    self._known.add(shard.id)
                    readers.create_task(self._follow(shard.id, position))
                first = False
                await self._forget({shard.id for shard in shards})
                await self._look_later()

    async def _forget(self, present: AbstractSet[str]) -> None:
        """Streams give up old shards every few hours; a mapping may live for years."""
        gone = {n for n, at in self._positions.items() if at == SHARD_END} - present
        if gone:
            await self._book.forget(gone)
            for name in gone:
                del self._positions[name]
            self._known -= gone

    def _ready(self, shards: Sequence[Shard]) -> list[Shard]:
        """Unread shards whose parents are done, or gone."""
        present = {shard.id for shard in shards}
        done = {name for name, position in self._positions.items() if position == SHARD_END}
        return [
            shard
            for shard in shards
            if shard.id not in self._known | done
            and all(parent in done or parent not in present for parent in shard.parents)
        ]

    def _start(self, shard: Shard, *, first: bool) -> Position:
        reached = self._positions.get(shard.id)
        if reached is not None:
            return Position("AFTER_SEQUENCE_NUMBER", reached)
        if not self._since_s or not first:
            return Position("TRIM_HORIZON")
        return Position("AT_TIMESTAMP", time_s=self._since_s)

    async def _look_later(self) -> None:
        self._looking.clear()
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(LOOK_S):
                await self._looking.wait()
        except TimeoutError:
            return

    # ── one shard ────────────────────────────────────────────────────────────────────────────

    async def _follow(self, shard: str, position: Position) -> None:
        """A mistake of ours with one shard stops no other; the shard is taken up again."""
        try:
            await self._read(shard, position)
        except Exception:
            log.exception("sources.shard_failed", mapping=self._mapping.uuid, shard=shard)
            await self._book.processed("PROBLEM: internal error, which the server's log tells of")
            await self._pause(3)
            self._known.discard(shard)
            self._looking.set()

    async def _read(self, shard: str, position: Position) -> None:
        iterator: str | None = None
        failures = 0
        while not self._stopping.is_set():
            if iterator is None:
                iterator = await self._iterator(shard, position)
            found = None if iterator is None else await self._gather(shard, iterator)
            failures = failures + 1 if found is None else 0
            if found is None:
                iterator = None  # it may have expired
                await self._pause(failures)
                continue
            records, iterator = found
            if not await self._finish(shard, records):
                return
            if records:
                position = Position("AFTER_SEQUENCE_NUMBER", records[-1].sequence)
                await self._reached(shard, position.sequence)
            if iterator is None:
                await self._reached(shard, SHARD_END)
                self._looking.set()
                return

    async def _iterator(self, shard: str, position: Position) -> str | None:
        found: str | None = await self._aws(lambda c: self._api.iterator(c, shard, position))
        return found

    async def _gather(self, shard: str, iterator: str) -> tuple[list[Record], str | None] | None:
        """A batch for each side; what came when the window is over. None after a failure."""
        gathered: list[Record] = []
        size, most = 0, self._size * self._side_by_side
        end = 0.0
        at: str | None = iterator
        while at is not None and len(gathered) < most and size < BATCH_BYTES:
            page = await self._page(shard, at, most - len(gathered))
            if page is None:
                return None
            at = page.next_iterator
            if page.records and not gathered:
                end = self._clock.monotonic() + self._window_s
            gathered.extend(page.records)
            size += sum(each.size for each in page.records)
            if self._stopping.is_set() or (gathered and self._clock.monotonic() >= end):
                break
            if not page.records and at is not None:
                await self._wait(self._api.idle_s)
                if self._stopping.is_set():
                    break
        return gathered, at

    async def _page(self, shard: str, iterator: str, limit: int) -> Any:
        return await self._aws(lambda client: self._api.read(client, shard, iterator, limit))

    async def _finish(self, shard: str, records: list[Record]) -> bool:
        """Every wanted record done or given up; False when stopped before."""
        wanted = [
            each
            for each in records
            if _is_since(each, self._since_s) and filter_patterns.matches(self._patterns, each.seen)
        ]
        run = BatchRun(
            self._rules, shard, self._trial, self._losses.tell, self._pause,
            self._stopping.is_set, self._clock,
        )  # fmt: skip
        lanes: dict[int, list[Record]] = {}
        for each in wanted:
            lane = crc32(each.key.encode()) % self._side_by_side
            lanes.setdefault(lane, []).append(each)

        async def follow(lane: list[Record]) -> bool:
            for start in range(0, len(lane), self._size):
                if not await run.finish(lane[start : start + self._size]):
                    return False
            return True

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follow(lane)) for lane in lanes.values()]
        return all(task.result() for task in tasks)

    async def _reached(self, shard: str, position: str) -> None:
        self._positions[shard] = position
        await self._book.reached(shard, position)

    # ── the function ─────────────────────────────────────────────────────────────────────────

    async def _trial(self, records: Sequence[Record]) -> tuple[str, Outcome] | None:
        request_id = new_uuid()
        try:
            outcome = await self._caller.call(
                request_id=request_id,
                account=self._scope.account,
                region=self._scope.region,
                name=self._mapping.function,
                qualifier=self._mapping.qualifier,
                payload=self._event(records),
                client_context=None,
                trace_header="",
                tenant_id="",
            )
        except TooManyRequests:
            self._metrics.count("sources.throttled")
            await self._pause(1)
            return None
        except ResourceNotFound:
            await self._problem("PROBLEM: Function not found.")
            await self._pause(3)
            return None
        except Exception as error:  # noqa: BLE001  whatever it is, the records stay in the stream
            log.warning("sources.system_error", mapping=self._mapping.uuid, reason=str(error))
            await self._pause(2)
            return None
        failed = outcome.function_error is not None
        self._metrics.count("sources.failed_batches" if failed else "sources.batches")
        await self._book.processed("PROBLEM: Function call failed" if failed else "OK")
        return request_id, outcome

    def _event(self, records: Sequence[Record]) -> bytes:
        more: Mapping[str, str] = {"eventSourceARN": self._arn}
        if self._api.service == "kinesis":
            more = {"invokeIdentityArn": self._role(), "awsRegion": self._region, **more}
        return msgspec.json.encode({"Records": [{**each.event, **more} for each in records]})

    # ── trouble ──────────────────────────────────────────────────────────────────────────────

    async def _aws(self, work: Callable[[Any], Any]) -> Any:
        """What AWS answers; None after a failure, which the mapping tells of."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await self._call_aws(self._api.service, self._region, work)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _PASSING:
                await self._problem(f"PROBLEM: {error}")
        except BotoCoreError as error:
            await self._problem(f"PROBLEM: {error}")
        return None

    async def _problem(self, problem: str) -> None:
        log.warning("sources.problem", mapping=self._mapping.uuid, source=self._arn, reason=problem)
        await self._book.processed(problem)

    async def _pause(self, times: int) -> None:
        """Longer each time in a row."""
        await self._wait(min(LONGEST_PAUSE_S, back_off_s(times)))

    async def _wait(self, seconds: float) -> None:
        """Ends early when stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


_PASSING: Final = frozenset(
    {
        "ExpiredIteratorException",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "TrimmedDataAccessException",
    }
)
"""Waited out, with a new iterator."""


def _since_s(mapping: EventSourceMapping) -> float:
    """From when on records are wanted; 0 means all that are there.

    LATEST means since the mapping was made, also for a server that was away meanwhile.
    """
    start = mapping.config["StartingPosition"]
    if start == "AT_TIMESTAMP":
        return float(mapping.config["StartingPositionTimestamp"])
    return mapping.started_ms / 1000 if start == "LATEST" else 0.0


def _is_since(record: Record, since_s: float) -> bool:
    """Times in whole seconds are as good as any in that second."""
    arrived_s = record.arrived_s
    return not since_s or arrived_s + (1 if arrived_s == int(arrived_s) else 0) > since_s
