"""The sandbox of one environment and what runs in it: the runtime, extensions, X-Ray's daemon.

`place` makes the sandbox, `launch` starts or forks a runtime in it, `stop` ends all processes and
keeps the sandbox, `shut_down` gives back everything. When each of them happens is the environment's
to know; nothing here looks at its state.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from lambent.control.targets import VersionTarget
from lambent.engine.door import Door
from lambent.engine.extension_api import ExtensionApi
from lambent.engine.extensions import Extensions, Home, may_have
from lambent.engine.journal import Journal
from lambent.engine.launcher import Launcher
from lambent.engine.owner import Initialization, Spawn
from lambent.engine.runtime import RUNTIME_API_PORT, LogSink, Runtime
from lambent.engine.shared_seat import Seat
from lambent.engine.telemetry import Telemetry
from lambent.engine.telemetry_api import TelemetryApi
from lambent.engine.xray import Tracer
from lambent.sandbox.spec import ForkingSandbox, Sandbox

if TYPE_CHECKING:
    from lambent.engine.snapshot import Snapshots
    from lambent.engine.snapshot_template import Template

SHUTDOWN_S: Final = 0.3
"""Lambda's Shutdown phase for a runtime without extensions."""
TELEMETRY_END_S: Final = 0.5
"""The last delivery of telemetry, before SHUTDOWN."""


class Events(LogSink, Home, Protocol):
    """An environment: it hears what its runtime and its extensions say."""


class Processes:
    """What one environment has on the host."""

    __slots__ = (
        "_initialization", "_journal", "_launcher", "_snapshots", "_spawn", "_target",
        "extensions", "frozen", "runtime", "sandbox", "template", "tracer",
    )  # fmt: skip

    def __init__(
        self,
        target: VersionTarget,
        launcher: Launcher,
        journal: Journal,
        spawn: Spawn,
        *,
        snapshots: Snapshots | None,
        initialization: Initialization,
        tracer: Tracer | None,
    ) -> None:
        self._target = target
        self._launcher = launcher
        self._journal = journal
        self._spawn = spawn
        self._snapshots = snapshots
        self._initialization = initialization
        self.tracer = tracer
        self.sandbox: Sandbox | None = None
        self.runtime: Runtime | None = None
        self.extensions: Extensions | None = None
        """There from a launch to the end of its processes."""
        self.template: Template | None = None
        """What it is forked from."""
        self.frozen = False

    # ── the beginning ────────────────────────────────────────────────────────────────────────

    async def place(self) -> Sandbox:
        """Make the sandbox: below the version's template, if it has one."""
        if self._snapshots is not None:
            self.template = await self._snapshots.find(self._target)
        if self.template is None:
            self.sandbox = await self._launcher.place(self._target)
        else:
            self.template.enter()
            self.sandbox = await self._launcher.place(self._target, template=self.template.origin)
        return self.sandbox

    async def move(self) -> None:
        """Leave the place below a template that is gone, for one below its successor."""
        await self.leave_place()
        await self.place()

    async def leave_place(self) -> None:
        """Give back a place in which nothing runs."""
        sandbox, self.sandbox = self.sandbox, None
        if sandbox is not None:
            await sandbox.close()
        self.leave_template()

    def open(self, home: Home) -> Extensions | None:
        """Let extensions register from now on. Nobody may ever; then it is a watched descriptor.

        Environments that several invokes share have none. Forks have external ones alone: threads
        of the function's own were in its template, before there was an environment.
        """
        sandbox = self.sandbox
        assert sandbox is not None
        self.extensions = None
        if isinstance(sandbox, Seat) or (self.template and not self.template.extensions):
            return None
        door = Door(sandbox.listeners[RUNTIME_API_PORT], self._launcher.clock, self._spawn)
        door.otherwise = partial(self._launcher.call_api, self._target)
        extensions = self.extensions = Extensions(self._target, home, self._launcher.clock, door)
        ExtensionApi(extensions, door)
        telemetry = partial(self._telemetry, sandbox)
        TelemetryApi(extensions, telemetry, door)
        if may_have(self._target):  # an extension wants to hear of Init from its start
            telemetry()
        return extensions

    def _telemetry(self, sandbox: Sandbox) -> Telemetry:
        if self._journal.telemetry is None:
            self._journal.telemetry = Telemetry(
                self._launcher.clock, self._spawn, partial(sandbox.open_socket, "tcp")
            )
        return self._journal.telemetry

    async def launch(self, events: Events) -> Runtime | None:
        """A runtime process, forked or started; the caller keeps it.

        None when an extension failed, of which the environment has heard.
        """
        assert self.sandbox is not None
        log_stream = self._journal.stream_name
        if self.template is not None:
            return await self.template.launch(
                cast(ForkingSandbox, self.sandbox), events, log_stream, self.extensions
            )
        extensions = self.extensions
        daemon = ""
        if self.tracer is not None and (self.tracer.active or self.tracer.wants_socket):
            daemon = await self.tracer.open(self.sandbox)
        return await self._launcher.launch(
            self.sandbox,
            self._target,
            events,
            log_stream,
            self._initialization,
            extensions,
            daemon,
        )

    # ── between invokes ──────────────────────────────────────────────────────────────────────

    def freeze(self) -> None:
        if self.sandbox is not None and not self.frozen:
            self.sandbox.freeze()
            self.frozen = True

    def thaw(self) -> None:
        if self.frozen and self.sandbox is not None:
            self.sandbox.thaw()
            self.frozen = False

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    async def stop(self, reason: str) -> None:
        """End all processes at once; the sandbox stays, for others."""
        runtime, self.runtime = self.runtime, None
        self.thaw()
        await self._end_extensions(reason, runtime)
        if runtime is not None:
            await runtime.close()
        if self.sandbox is not None:
            await self.sandbox.kill()

    async def shut_down(self) -> None:
        """SIGTERM, a moment, SIGKILL; then the sandbox is given back."""
        sandbox, runtime = self.sandbox, self.runtime
        self.thaw()
        if await self._end_extensions("spindown", runtime):
            pass
        elif sandbox is not None and runtime is not None:
            sandbox.terminate()
            await asyncio.wait([runtime.process.exited], timeout=SHUTDOWN_S)
        if runtime is not None:
            await runtime.close()
        if sandbox is not None:
            await sandbox.close()

    def forget(self) -> None:
        """All of it has been given back, or cannot be."""
        if self.tracer is not None:
            self.tracer.close()
        self.sandbox = self.runtime = None
        self.leave_template()

    def leave_template(self) -> None:
        template, self.template = self.template, None
        if template is not None:
            template.leave()

    async def _end_extensions(self, reason: str, runtime: Runtime | None) -> bool:
        """Their Shutdown phase; False when there is none, and so no Shutdown phase of theirs."""
        extensions, self.extensions = self.extensions, None
        telemetry, self._journal.telemetry = self._journal.telemetry, None
        if extensions is None:
            return False
        if extensions.members:
            if telemetry is not None:
                await telemetry.flush(TELEMETRY_END_S)
            await extensions.shut_down(reason, runtime.process if runtime else None)
        if telemetry is not None:
            telemetry.close()
        await extensions.close()
        return bool(extensions.members)
