"""Where stacks are worked on: one change of a stack at a time, each in a thread, told as events.

`preview` says what a change would do, `start` does it; every event is on disk before the work goes
on. `runner` is what runs in the thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from lambent.clock import Clock
from lambent.stacks import parameters
from lambent.stacks.book import StackBook
from lambent.stacks.document import Template
from lambent.stacks.kinds import Kinds, all_kinds
from lambent.stacks.kinds.kind import World
from lambent.stacks.own_clients import OwnClients
from lambent.stacks.plan import Change, plan
from lambent.stacks.runner import Runner
from lambent.stacks.stack import ChangeSet, Stack
from lambent.stacks.values import UNKNOWN, Resolver

log = structlog.get_logger()

T = TypeVar("T")


class Workshop:
    """Plans and works for one server."""

    def __init__(self, book: StackBook, clock: Clock, clients: OwnClients) -> None:
        self._book = book
        self._clock = clock
        self._clients = clients
        self._kinds: Kinds | None = None
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="lambent-stack")
        self._running: set[asyncio.Future[None]] = set()
        self._cancelled: dict[str, threading.Event] = {}
        """By stack id, while it is worked on."""

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Wait for what runs: what is half made has an owner only until then."""
        if self._running:
            await asyncio.wait(self._running)
        self._threads.shutdown()

    async def run(self, work: Callable[[], T]) -> T:
        """What blocks, in one of our threads."""
        return await self._loop.run_in_executor(self._threads, work)

    def preview(self, stack: Stack, template: Template) -> list[Change]:
        """The changes, as far as they are known; raises what makes them impossible."""

        def attribute(logical_id: str, name: str | None) -> Any:
            template.resources[logical_id]  # a name that the template lacks is a mistake in it
            made = stack.made.get(logical_id)
            if made is None:
                return UNKNOWN
            return made.physical_id if name is None else made.attributes.get(name, UNKNOWN)

        values = parameters.values(template, stack.parameters)
        resolver = Resolver(template, values, stack.pseudo, attribute, self.exports(stack))
        return plan(template, resolver, stack.made, self._known_kinds())

    def exports(self, stack: Stack) -> dict[str, str]:
        """What other stacks of the same place export."""
        found = self._book.exports(stack.account, stack.region)
        return {name: value for name, (value, _) in found.items()}

    def cancel(self, stack: Stack) -> None:
        """The change under way is taken back as soon as its current resource is done."""
        if flag := self._cancelled.get(stack.stack_id):
            flag.set()

    def start(
        self, stack: Stack, work: Callable[[Runner], None], change_set: ChangeSet | None = None
    ) -> None:
        """Do `work` in a thread; the stack tells how it goes."""
        flag = self._cancelled[stack.stack_id] = threading.Event()
        runner = Runner(stack, self._known_kinds(), self._world(stack), self._teller(stack), flag)

        def run() -> None:
            try:
                work(runner)
                if change_set is not None:
                    failed = not stack.status.endswith("_COMPLETE") or "ROLLBACK" in stack.status
                    change_set.execution = "EXECUTE_FAILED" if failed else "EXECUTE_COMPLETE"
                if stack.status == "DELETE_COMPLETE":
                    stack.deleted_ms = self._clock.time_ms()
            except Exception as error:  # a mistake of ours: the stack says so, and can be deleted
                log.exception("stack.run_failed", stack=stack.stack_id)
                stack.status = stack.status.replace("_IN_PROGRESS", "_FAILED")
                stack.reason = f"Internal Failure: {type(error).__name__}"
            self._save_from_thread(stack)

        future = self._loop.run_in_executor(self._threads, run)
        self._running.add(future)
        future.add_done_callback(self._running.discard)

    def _world(self, stack: Stack) -> World:
        return World(
            account=stack.account,
            region=stack.region,
            stack_name=stack.name,
            stack_id=stack.stack_id,
            client=lambda service: self._clients.client(
                service, stack.account, stack.region, stack.access_key
            ),
            page=lambda method, path, document: self._clients.page(
                stack.account, stack.region, stack.access_key, method, path, document
            ),
            tags=dict(stack.tags),
            tails=stack.making,
        )

    def _teller(self, stack: Stack) -> Callable[[str, str, str, str, str], None]:
        def tell(logical_id: str, physical_id: str, kind: str, status: str, reason: str) -> None:
            """In the stack's thread: an event, and all of it on disk."""
            stack.tell(self._clock.time_ms(), logical_id, physical_id, kind, status, reason)
            self._save_from_thread(stack)

        return tell

    def _save_from_thread(self, stack: Stack) -> None:
        asyncio.run_coroutine_threadsafe(self._book.save(stack), self._loop).result()

    def _known_kinds(self) -> Kinds:
        if self._kinds is None:
            self._kinds = all_kinds(delegates=self._clients.has_endpoint("cloudcontrol"))
        return self._kinds
