"""A server around the queue: the real database and clock-driven queue, a callee the test scripts."""

import asyncio
import contextlib

import pytest

from lambent.clock import ManualClock
from lambent.engine.invocation import Outcome
from lambent.errors import TooManyRequests
from lambent.events.queue import EventQueue
from lambent.observe.metrics import Metrics
from lambent.store.database import Database

LIMIT_S = 60


class Callee:
    """Runs functions as a test says; remembers what it was asked, and when."""

    def __init__(self, clock):
        self.clock = clock
        self.calls = []
        self.answers = {}
        self.running = {}
        self.most_running = {}
        self._changed = asyncio.Event()

    async def call(self, **call):
        name = call["name"]
        self.calls.append((name, call["request_id"], round(self.clock.monotonic(), 3), call))
        self._changed.set()
        self.running[name] = self.running.get(name, 0) + 1
        self.most_running[name] = max(self.most_running.get(name, 0), self.running[name])
        try:
            answer = self.answers.get(name)
            result = answer(call) if callable(answer) else answer
            if asyncio.iscoroutine(result):
                result = await result
            if isinstance(result, Exception):
                raise result
            return result or Outcome(b"null", "$LATEST")
        finally:
            self.running[name] -= 1
            self._changed.set()

    def of(self, name):
        return [(request, at) for called, request, at, _ in self.calls if called == name]

    async def until(self, condition):
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Server:
    def __init__(self, path, clock, **options):
        self.clock = clock
        self.database = Database(path)
        self.callee = Callee(clock)
        self.metrics = Metrics()
        self.options = options

    @contextlib.asynccontextmanager
    async def running(self, *, drain_s=LIMIT_S):
        await self.database.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                self.queue = EventQueue(
                    self.database,
                    self.callee,
                    self.clock,
                    tasks.create_task,
                    metrics=self.metrics,
                    **self.options,
                )
                await self.queue.start()
                try:
                    yield self
                finally:
                    await self.queue.drain(drain_s)
        finally:
            await self.database.close()

    async def accept(self, request, name="f", payload=b"{}", **more):
        qualifier = more.pop("qualifier", None)
        await self.queue.accept(
            "123456789012", "us-east-1", name, qualifier, payload, request, **more
        )

    async def rows(self, query="SELECT count(*) FROM event_queue"):
        """After everything that was said before is written."""
        await self.queue._settlement.drained()
        return await self.database.read(lambda connection: connection.execute(query).fetchall())

    async def empty(self):
        async with asyncio.timeout(LIMIT_S):
            while await self.rows() != [(0,)]:
                await asyncio.sleep(0.005)


@pytest.fixture
def server(tmp_path):
    """Makes servers over one data folder, with a clock that the test turns."""
    clock = ManualClock()

    def make(**options):
        return Server(tmp_path / "lambent.db", options.pop("clock", clock), **options)

    return make


@pytest.fixture
def failed():
    return Outcome(b'{"errorMessage":"x"}', "$LATEST", function_error="Unhandled")


@pytest.fixture
def throttle():
    return TooManyRequests(
        "Rate Exceeded.", reason="ReservedFunctionConcurrentInvocationLimitExceeded"
    )
