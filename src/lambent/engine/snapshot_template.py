"""The template of a version: one initialised process, from which environments are forked.

    make      run Init once, in a place of its own
    launch    an environment's process, as a fork into that environment's place
    retire    the version is gone or long unused: its memory is given back

`Snapshots` keeps them; the process itself is `runtimes/python/lambent_runtime/template.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lambent.control.targets import VersionTarget
from lambent.engine import faults
from lambent.engine.channel import Channel
from lambent.engine.credentials import Credentials
from lambent.engine.credentials_endpoint import OF_TEMPLATE_S, CredentialsEndpoint, CredentialsPage
from lambent.engine.credentials_endpoint import PATH as CREDENTIALS
from lambent.engine.extensions import Extensions, names
from lambent.engine.faults import Fault
from lambent.engine.forked_programs import ForkedPrograms
from lambent.engine.journal import Journal
from lambent.engine.launcher import Launcher
from lambent.engine.log_pipe import LogPipe
from lambent.engine.owner import SNAP_START, Spawn
from lambent.engine.runtime import RUNTIME_API_PORT, LogSink, Runtime, start_process
from lambent.engine.snapshot_link import InitFailed, SnapshotLink, TemplateGone
from lambent.engine.snapshot_outcomes import Standby, failed
from lambent.runtimes import frames
from lambent.runtimes.frames import CHANNEL_FD
from lambent.sandbox.namespaces import SPACES
from lambent.sandbox.spec import ForkingSandbox, Process
from lambent.sandbox.spec import Template as Origin

INIT_LIMIT_S: Final = 130.0
LONGEST_INIT_S: Final = 900.0
"""AWS: 130 s, or the function's time limit if that is more, up to 15 minutes."""


class Report(msgspec.Struct):
    """What a template found of itself."""

    threads: list[str] = []
    connections: list[str] = []
    unsupported: str = ""


class Template:
    """One initialised process, and the place that it lives in."""

    def __init__(
        self,
        target: VersionTarget,
        launcher: Launcher,
        spawn: Spawn,
        idle_s: float,
        unused: Callable[[], None],
    ) -> None:
        """`unused` is called when no environment has stood below it for `idle_s`."""
        self.target = target
        self._idle_s = idle_s
        self._unused = unused
        self._idle: asyncio.TimerHandle | None = None
        self._rests_since = 0.0
        self.shared_mb = 0
        self.report = Report()
        self.extensions: tuple[str, ...] = ()
        """External ones, which every environment starts for itself, after its fork."""
        self.users = 0
        """Environments that stand below its namespaces: its place stays until they are gone."""
        self._launcher = launcher
        self._spawn = spawn
        self._sandbox: ForkingSandbox | None = None
        self._link: SnapshotLink | None = None
        self._process: Process | None = None
        self._pipe: LogPipe | None = None
        self._endpoint: CredentialsEndpoint | None = None
        self._retired = False
        self._journal = Journal(target, launcher.logs, launcher.clock, SNAP_START)

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return not self._retired and self._process is not None and not self._process.exited.done()

    async def make(self) -> None:
        """Run Init; raises `Failed`, `Standby`, or what hinders the host."""
        try:
            self.extensions = await asyncio.to_thread(names, self.target)
            await self._start()
            await self._await_init()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        launcher, target, loop = self._launcher, self.target, asyncio.get_running_loop()
        place = await launcher.create(target, forkable=True)
        self._sandbox = sandbox = cast(ForkingSandbox, place)
        self._endpoint = CredentialsEndpoint(
            sandbox.listeners[RUNTIME_API_PORT],
            lambda: launcher.credentials(target),
            launcher.clock,
            self._spawn,
            longest_s=OF_TEMPLATE_S,
            otherwise=partial(launcher.call_api, target),
        )
        plan = launcher.plan_template(
            target, self._journal.stream_name, self._endpoint.page.url, self._endpoint.page.token
        )
        self._pipe = pipe = LogPipe(self._journal.on_message, loop)
        self._link = link = SnapshotLink(loop)
        sandbox.limit_cpu(False)
        self._journal.init_started()
        plan = replace(plan, env={**plan.env, "_LAMBENT_TEMPLATE": "1"})
        fds = {CHANNEL_FD: link.runtime_end.fileno()}
        self._process = await start_process(sandbox, plan, pipe, fds)
        link.runtime_end.close()

    async def _await_init(self) -> None:
        assert self._link is not None
        assert self._process is not None
        assert self._pipe is not None
        clock = self._launcher.clock
        started = clock.monotonic()
        limit_s = min(max(INIT_LIMIT_S, self.target.timeout_s), LONGEST_INIT_S)
        waiting: set[asyncio.Future[Any]] = {self._link.ready, self._process.exited}
        await asyncio.wait(waiting, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        self._link.drain()
        self._pipe.drain(partial=True)
        init_ms = (clock.monotonic() - started) * 1000
        fault, document = self._init_fault(limit_s)
        self._journal.init_done(init_ms, fault)
        if fault is not None:
            raise failed(fault, document)
        self.report = msgspec.json.decode(self._link.ready.result(), type=Report)
        if self.report.unsupported:
            raise Standby(self.report.unsupported)
        if self.report.threads:
            raise Standby("it starts threads in Init: " + ", ".join(self.report.threads))
        self.shared_mb = await asyncio.to_thread(_anonymous_mb, self._process.pid)
        assert self._sandbox is not None
        self._sandbox.settle()

    def _init_fault(self, limit_s: float) -> tuple[Fault | None, bytes]:
        assert self._link is not None
        assert self._process is not None
        if self._link.ready.done():
            error = self._link.ready.exception()
            if isinstance(error, InitFailed):
                kind = faults.error_type(error.document)
                return Fault(kind or "Runtime.ExitError", ""), error.document
            return None, b""
        if self._process.exited.done():
            return faults.exited(self._process.exited.result()), b""
        return faults.timed_out(limit_s), b""

    # ── environments ─────────────────────────────────────────────────────────────────────────

    @property
    def origin(self) -> Origin:
        """What a place for a fork needs to know."""
        assert self._sandbox is not None
        return Origin(self._sandbox, self.shared_mb)

    def enter(self) -> None:
        """An environment is about to stand below it."""
        self.users += 1
        self._disarm()

    def leave(self) -> None:
        self.users -= 1
        if self._retired and not self.users:
            self._spawn(self.close())
        elif not self.users:
            self.rest()

    def rest(self) -> None:
        """Nobody uses it now."""
        self._disarm()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_s, self._unused)
        self._rests_since = loop.time()

    @property
    def unused_s(self) -> float:
        """How long no environment has stood below it; 0 while one does."""
        if self.users or self._idle is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._rests_since

    def _disarm(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    async def launch(
        self,
        place: ForkingSandbox,
        events: LogSink,
        log_stream: str,
        extensions: Extensions | None = None,
    ) -> Runtime | None:
        """Fork a process into an environment's place; it says READY when it may be given work.

        Its extensions are there before it. None when one failed, of which the environment has heard.
        """
        if self._link is None or self._sandbox is None:
            raise TemplateGone
        launcher = self._launcher
        listener = place.listeners[RUNTIME_API_PORT]
        endpoint: CredentialsEndpoint | None = None
        if extensions is None:
            endpoint = CredentialsEndpoint(
                listener,
                self._issue,
                launcher.clock,
                self._spawn,
                otherwise=partial(launcher.call_api, self.target),
            )
            page = endpoint.page
        else:
            port = listener.getsockname()[1]
            page = CredentialsPage(port, self._issue, launcher.clock, self._spawn)
            extensions.door.route(CREDENTIALS, page.handle)
            await extensions.door.open()
            plan = launcher.plan_template(self.target, log_stream, page.url, page.token)
            programs = ForkedPrograms(self._link, place, self._sandbox)
            if not await extensions.start(programs, self.extensions, plan.env):
                return None
        return await self._fork(place, events, page, endpoint, log_stream)

    async def _issue(self) -> Credentials:
        return await self._launcher.credentials(self.target)

    async def _fork(
        self,
        place: ForkingSandbox,
        events: LogSink,
        page: CredentialsPage,
        endpoint: CredentialsEndpoint | None,
        log_stream: str,
    ) -> Runtime:
        """The runtime; `endpoint` is its own, where the page does not stand at the extensions' door."""
        loop = asyncio.get_running_loop()
        pipe, channel = LogPipe(events.on_message, loop), Channel(events, loop)
        runtime = None
        try:
            if self._link is None or self._sandbox is None:
                raise TemplateGone
            fds = (*place.spaces, channel.runtime_end.fileno(), pipe.write_end)
            forked = await self._link.fork([kind for _, kind in SPACES], fds)
            try:
                process = await place.adopt(forked.pidfd, forked.pid, self._sandbox)
            finally:
                os.close(forked.pidfd)
            runtime = Runtime(process, channel, pipe, endpoint=endpoint)
        finally:
            if runtime is None:
                if endpoint is not None:
                    await endpoint.close()
                await channel.close()
                pipe.close()
        pipe.release_write_end()
        channel.runtime_end.close()
        runtime.restored_from = self._launcher.clock.monotonic()
        channel.tell(frames.RESTORE, msgspec.json.encode(_variables(page, log_stream)))
        return runtime

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    async def retire(self) -> None:
        """End the process, whose memory is given back; its place goes with the last environment."""
        if self._retired:
            return
        self._retired = True
        await self._cut()
        if not self.users:
            await self.close()
        elif self._process is not None and not self._process.exited.done():
            await asyncio.wait([self._process.exited], timeout=1.0)

    async def _cut(self) -> None:
        """A template that is cut off ends by itself."""
        self._disarm()
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._endpoint is not None:
            endpoint, self._endpoint = self._endpoint, None
            await endpoint.close()
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    async def close(self) -> None:
        self._retired = True
        await self._cut()
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.close()


def _anonymous_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) // 1024
    return 0


def _variables(page: CredentialsPage, log_stream: str) -> dict[str, str]:
    """What is a fork's own of its environment variables."""
    return {
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": page.url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": page.token,
    }
