"""One poller per Enabled event source mapping: started, replaced and ended as mappings change.

`control/event_source_mappings` calls `changed`; what a poller does is its own file (`sqs`). A
poller that ends finishes the batches it has begun. Calls to AWS block, so they run in threads here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from lambent.clock import Clock
from lambent.control.aws_clients import AwsClients
from lambent.control.event_source_mappings import EventSourceMappings
from lambent.control.names import Scope
from lambent.control.source_kinds import SQS, kind_of
from lambent.events.delivery import Caller
from lambent.events.sources.sqs import QueuePoller
from lambent.observe.metrics import Metrics
from lambent.store.records import EventSourceMapping

log = structlog.get_logger()

THREADS: Final = 64
"""Each poller has one of these busy while it waits for messages."""


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
    ) -> None:
        self._mappings = mappings
        self._clients = clients
        self._caller = caller
        self._clock = clock
        self._metrics = metrics
        self._spawn = spawn
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lambent-source")
        self._running: dict[str, QueuePoller] = {}
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
        if mapping is None or mapping.state != "Enabled" or kind_of(mapping.config) is not SQS:
            return

        async def tell(problem: str | None) -> None:
            await self._mappings.processed(scope, uuid, problem)

        poller = QueuePoller(
            scope, mapping, self._call_aws, self._caller, self._clock, self._metrics, tell
        )
        self._running[uuid] = poller
        task = self._spawn(poller.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call_aws(self, service: str, region: str, work: Callable[[Any], Any]) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: work(self._clients.client(service, region))
        )
