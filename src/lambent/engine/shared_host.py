"""Environments that take several invokes at once: one sandbox, one Init, many seats.

For managed Python the runtime is a template that forks a worker per seat, so that a model loaded
in Init is in memory once (`TemplateLink`). A runtime behind HTTP calls for several `next` itself
(`RuntimeLanes`). `Launcher` asks for a seat where it would make a sandbox, and the fullest
environment that has one free gives it, so that others can go idle and be given back.
(AWS Lambda developer guide, "Lambda Managed Instances".)
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from lambent.control.targets import VersionTarget
from lambent.engine.channel import Channel
from lambent.engine.log_pipe import LogPipe
from lambent.engine.runtime import RUNTIME_API_PORT, LogSink, Runtime, start_process
from lambent.engine.runtime_lanes import RuntimeLanes, SharedPipe
from lambent.engine.shared_seat import Seat, Worker
from lambent.engine.template_link import TemplateLink
from lambent.errors import LambentError
from lambent.runtimes.frames import CHANNEL_FD
from lambent.sandbox.spec import Exit, Process, Sandbox

if TYPE_CHECKING:
    from lambent.engine.launcher import Launcher

INITIALIZATION = "lambda-managed-instances"
Key = tuple[str, str]
"""Qualified ARN and generation."""


class SharedHosts:
    """All environments with seats, by the version that they run."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._hosts: dict[Key, list[SharedHost]] = {}

    async def seat(self, target: VersionTarget, transport: Literal["channel", "http"]) -> Seat:
        """A free seat, in a new environment if there is none."""
        hosts = self._hosts.setdefault((target.arn, target.generation), [])
        free = [host for host in hosts if len(host.seats) < target.max_concurrency]
        if free:
            host = max(free, key=lambda found: len(found.seats))
        else:
            host = SharedHost(self, self._launcher, target, transport)
            hosts.append(host)
        return await host.take_seat()

    def forget(self, host: SharedHost) -> None:
        """No new seats in it."""
        key = (host.target.arn, host.target.generation)
        hosts = self._hosts.get(key, [])
        if host in hosts:
            hosts.remove(host)
        if not hosts:
            self._hosts.pop(key, None)


class SharedHost:
    """One of them."""

    sandbox: Sandbox

    def __init__(
        self,
        owner: SharedHosts,
        launcher: Launcher,
        target: VersionTarget,
        transport: Literal["channel", "http"],
    ) -> None:
        self.target = target
        self._owner = owner
        self._launcher = launcher
        self._transport = transport
        self.seats: set[Seat] = set()
        self.ready = False
        """Init of the present process is over."""
        self._made: asyncio.Future[None] | None = None
        self._starting = asyncio.Lock()
        self._process: Process | None = None
        self._link: TemplateLink | None = None
        self._lanes: RuntimeLanes | None = None
        self._pipe: LogPipe | None = None
        self._lifetime_s: float | None = None
        self._workers: dict[int, Worker] = {}
        self._next_number = 1

    # ── seats ────────────────────────────────────────────────────────────────────────────────

    async def take_seat(self) -> Seat:
        seat = Seat(self)
        self.seats.add(seat)
        try:
            await self._make()
        except BaseException:
            self.seats.discard(seat)
            self._owner.forget(self)
            raise
        return seat

    async def _make(self) -> None:
        """The sandbox, made by whoever comes first; the others wait for it."""
        if self._made is not None:
            await asyncio.shield(self._made)
            return
        self._made = made = asyncio.get_running_loop().create_future()
        try:
            self.sandbox = await self._launcher.create(self.target)
        except BaseException as error:
            told = error if isinstance(error, (LambentError, OSError)) else OSError("cancelled")
            made.set_exception(told)
            made.exception()  # whoever else waits is told; nobody may
            raise
        made.set_result(None)

    async def leave(self, seat: Seat) -> None:
        if len(self.seats) > 1:
            await seat.kill()
        self.seats.discard(seat)
        if not self.seats:
            self._owner.forget(self)
            await self._disconnect()
            await self.sandbox.close()

    def signal(self, worker: Worker, signum: int) -> None:
        if self._link is not None:
            self._link.signal(worker.number, signum)

    # ── runtimes ─────────────────────────────────────────────────────────────────────────────

    async def launch(self, seat: Seat, events: LogSink, log_stream: str) -> Runtime:
        """A worker for a seat, or a lane of the one runtime; starts that when there is none."""
        async with self._starting:
            if self._process is None:
                await self._start(events, log_stream)
        process = self._process
        assert process is not None
        if self._lanes is not None:
            lane = self._lanes.lane(events)
            assert self._pipe is not None
            return Runtime(process, lane, SharedPipe(self._pipe), self._lifetime_s)
        return self._fork(seat, process, events, log_stream)

    def _fork(self, seat: Seat, template: Process, events: LogSink, log_stream: str) -> Runtime:
        loop = asyncio.get_running_loop()
        number, self._next_number = self._next_number, self._next_number + 1
        worker = self._workers[number] = Worker(number, template)
        seat.process = worker
        channel, pipe = Channel(events, loop), LogPipe(events.on_message, loop)
        assert self._link is not None
        if self._link.init_document:
            events.on_init_error(self._link.init_document)
        self._link.fork(number, log_stream, channel.runtime_end.fileno(), pipe.write_end)
        channel.runtime_end.close()
        pipe.release_write_end()
        if template.exited.done():
            worker.ended(template.exited.result())
        return Runtime(worker, channel, pipe, self._lifetime_s)

    async def _start(self, events: LogSink, log_stream: str) -> None:
        """Start the one process; what it prints in Init stands in the log of who asked first."""
        await self.sandbox.kill()  # workers whose template is gone
        loop = asyncio.get_running_loop()
        plan, self._lifetime_s = await self._launcher.plan(
            self.sandbox, self.target, log_stream, INITIALIZATION
        )
        self.ready = False
        self._pipe = pipe = LogPipe(events.on_message, loop)
        fds: dict[int, int] = {}
        if self._transport == "channel":
            self._link = link = TemplateLink(self, loop)
            fds[CHANNEL_FD] = link.runtime_end.fileno()
        elif self._lanes is None:
            listener = self.sandbox.listeners[RUNTIME_API_PORT]
            self._lanes = RuntimeLanes(self, listener, self._launcher.clock)
            await self._lanes.open()
        try:
            process = await start_process(self.sandbox, plan, pipe, fds)
        except BaseException:
            await self._disconnect()
            raise
        if self._link is not None:
            self._link.runtime_end.close()
        self._process = process
        process.exited.add_done_callback(lambda done: self._process_exited(process, done))

    def _process_exited(self, process: Process, done: asyncio.Future[Exit]) -> None:
        """All seats lose their runtime; the next `launch` starts another."""
        if process is not self._process or done.cancelled():
            return
        link, pipe = self._link, self._pipe
        if link is not None:
            link.drain()
            link.close()
        if pipe is not None:
            pipe.close()
        if self._lanes is not None:
            self._lanes.reset()
        self._process = self._link = self._pipe = None
        self.ready = False
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.ended(done.result())

    async def _disconnect(self) -> None:
        self._process = None
        link, self._link = self._link, None
        if link is not None:
            link.close()
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            await lanes.close()
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.ended(Exit(None, signal=9))

    # ── what the runtime says ────────────────────────────────────────────────────────────────

    def on_ready(self) -> None:
        self.ready = True

    def on_init_error(self, document: bytes) -> None:
        """Told to everybody who waits for this Init; its exit comes next."""
        for seat in self.seats:
            if seat.events is not None:
                seat.events.on_init_error(document)

    def on_worker_exited(self, number: int, exit_: Exit) -> None:
        worker = self._workers.pop(number, None)
        if worker is not None:
            worker.ended(exit_)
