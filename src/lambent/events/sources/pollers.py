"""One poller per Enabled event source mapping: started, replaced and ended as mappings change.

`control/event_source_mappings` calls `changed`; what a poller does is its own file (`sqs`,
`streams`). A
poller that ends finishes the batches it has begun. Calls to AWS block, so they run in threads here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import structlog

from lambent.clock import Clock
from lambent.control.aws_clients import AwsClients
from lambent.control.bundle import Bundle
from lambent.control.event_source_mappings import EventSourceMappings
from lambent.control.names import Scope
from lambent.control.source_kinds import SQS, kind_of, stream_of
from lambent.events.delivery import Caller
from lambent.events.destinations import Destinations
from lambent.events.sources.sqs import QueuePoller
from lambent.events.sources.stream_api import api_of
from lambent.events.sources.streams import StreamPoller
from lambent.observe.metrics import Metrics
from lambent.store.event_outbox import Message
from lambent.store.records import EventSourceMapping

log = structlog.get_logger()

THREADS: Final = 64
"""Each poller has one of these busy while it waits for messages."""


class Poller(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


class _Book(NamedTuple):
    """What a stream's poller writes down of its mapping."""

    mappings: EventSourceMappings
    scope: Scope
    uuid: str

    async def processed(self, result: str) -> None:
        await self.mappings.processed(self.scope, self.uuid, result)

    async def reached(self, shard: str, position: str) -> None:
        await self.mappings.reached(self.scope, self.uuid, shard, position)

    async def forget(self, shards: AbstractSet[str]) -> None:
        await self.mappings.forget(self.scope, self.uuid, shards)

    def positions(self) -> dict[str, str]:
        mapping = self.mappings.shelf.get(self.scope, self.uuid)
        return {} if mapping is None else dict(mapping.positions)


class Pollers:
    """Lives between `start` and `close`, on one loop."""

    def __init__(
        self,
        mappings: EventSourceMappings,
        clients: AwsClients,
        caller: Caller,
        clock: Clock,
        metrics: Metrics,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        destinations: Destinations,
        find: Callable[[Scope, str], Bundle | None],
    ) -> None:
        """`find` tells a function as it is now."""
        self._mappings = mappings
        self._clients = clients
        self._caller = caller
        self._clock = clock
        self._metrics = metrics
        self._spawn = spawn
        self._destinations = destinations
        self._find = find
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lambent-source")
        self._running: dict[str, Poller] = {}
        self._latest: dict[str, asyncio.Task[None]] = {}
        """By mapping, while it lasts: a poller that was stopped ends a little later."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._mappings.on_change = self.changed
        for scope, mapping in self._mappings.shelf.everything():
            self.changed(scope, mapping, mapping.uuid)

    async def close(self, timeout_s: float) -> None:
        """Receive nothing more; wait for the batches under way."""
        for poller in self._running.values():
            poller.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def changed(self, scope: Scope, mapping: EventSourceMapping | None, uuid: str) -> None:
        """A mapping is now so, or gone; one that only changes its state keeps nobody from polling."""
        old = self._running.pop(uuid, None)
        if old is not None:
            old.stop()
        if mapping is None or mapping.state != "Enabled":
            return
        poller = self._poller(scope, mapping)
        if poller is None:
            return
        self._running[uuid] = poller
        self._latest[uuid] = task = self._spawn(poller.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(partial(self._ended, uuid))

    def _ended(self, uuid: str, task: asyncio.Task[None]) -> None:
        if self._latest.get(uuid) is task:
            del self._latest[uuid]

    def _poller(self, scope: Scope, mapping: EventSourceMapping) -> Poller | None:
        kind = kind_of(mapping.config)
        if not kind.polled:
            return None
        common = (self._call_aws, self._caller, self._clock, self._metrics)
        if kind is SQS:
            tell = partial(self._mappings.processed, scope, mapping.uuid)
            return QueuePoller(scope, mapping, *common, tell)
        return StreamPoller(
            scope,
            mapping,
            api_of(kind.name, stream_of(mapping.config["EventSourceArn"])),
            *common,
            _Book(self._mappings, scope, mapping.uuid),
            partial(self._role, scope, mapping.function),
            partial(self._send, scope, mapping),
            self._latest.get(mapping.uuid),
        )

    def _role(self, scope: Scope, function: str) -> str:
        bundle = self._find(scope, function)
        return "" if bundle is None else bundle.latest.configuration.role

    async def _send(
        self, scope: Scope, mapping: EventSourceMapping, target: str, body: str
    ) -> None:
        await self._destinations.send(
            Message(
                account=scope.account,
                region=scope.region,
                function=mapping.function,
                function_arn=scope.arn(mapping.function, mapping.qualifier),
                target=target,
                body=body,
                made_ms=self._clock.time_ms(),
            )
        )

    async def _call_aws(self, service: str, region: str, work: Callable[[Any], Any]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: work(self._clients.client(service, region))
        )
