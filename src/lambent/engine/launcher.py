"""The cold path: from a version to a runtime process in a sandbox, with its transport and log pipe.

`place` makes the sandbox, `launch` starts a runtime in it (again after a reset). How a runtime is
started is the runtimes room's knowledge, what isolates it the sandbox room's; here they meet.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine.channel import Channel, RuntimeEvents
from lambent.engine.credentials import CredentialsSource, IssuedHere
from lambent.engine.file_systems import FileSystems
from lambent.engine.log_pipe import LogPipe
from lambent.engine.runtime_api import RuntimeApi
from lambent.observe.logs import LogStore
from lambent.runtimes import processor
from lambent.runtimes.frames import CHANNEL_FD
from lambent.runtimes.launch import Facts, Planner
from lambent.sandbox.spec import Egress, Process, ProcessSpec, Sandbox, SandboxHost, SandboxSpec

RUNTIME_API_PORT = 9001
LOG_FD = 4
"""The descriptor behind `_LAMBDA_TELEMETRY_LOG_FD`."""


class Transport(Protocol):
    """How invokes reach a runtime: the channel, or the Runtime API over HTTP."""

    def deliver(self, header: Sequence[str], payload: bytes) -> None: ...

    def drain(self) -> None: ...

    async def close(self) -> None: ...


class LogSink(RuntimeEvents, Protocol):
    """An environment: what its runtime says, and what it prints."""

    def on_message(self, time_us: int | None, message: bytes) -> None: ...


@dataclass(slots=True)
class Runtime:
    """One runtime process with what connects us to it."""

    process: Process
    transport: Transport
    pipe: LogPipe
    lifetime_s: float | None = None
    """Until its credentials end; None when they do not."""

    async def close(self) -> None:
        """Cut the connections; the process is ended by its sandbox."""
        await self.transport.close()
        self.pipe.close()


class Launcher:
    """Makes sandboxes and starts runtimes for the environments of one server."""

    def __init__(
        self,
        host: SandboxHost,
        planner: Planner,
        logs: LogStore,
        clock: Clock,
        egress: Egress,
        credentials: CredentialsSource | None = None,
        file_systems: FileSystems | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._host = host
        self._planner = planner
        self._egress: Egress = egress
        self._credentials = credentials or IssuedHere()
        self._file_systems = file_systems or FileSystems(None)
        self.logs = logs
        self.clock = clock
        self.new_id = new_id

    async def place(self, target: VersionTarget) -> Sandbox:
        """A sandbox for one environment; raises `SandboxError` or `InvalidRuntime`."""
        processor.check(target)
        ground = await asyncio.to_thread(self._planner.ground, target)
        return await self._host.create(
            SandboxSpec(
                id=self.new_id(),
                owner=target.function_arn,
                task_dir=self._planner.task_dir(target),
                layer_dirs=target.layer_paths,
                lang_dir=ground.lang_dir,
                runtime_dir=ground.runtime_dir,
                mounts=self._file_systems.mounts(target),
                memory_mb=target.memory_mb,
                reserved_mb=ground.reserved_mb,
                ephemeral_mb=target.ephemeral_mb,
                egress=self._egress,
                ports=(RUNTIME_API_PORT,) if ground.transport == "http" else (),
            )
        )

    async def launch(
        self,
        sandbox: Sandbox,
        target: VersionTarget,
        events: LogSink,
        log_stream: str,
        initialization: str = "on-demand",
    ) -> Runtime:
        """Start a runtime process; what it says goes to `events`."""
        listener = sandbox.listeners.get(RUNTIME_API_PORT)
        address = f"127.0.0.1:{listener.getsockname()[1]}" if listener else ""
        credentials = await self._credentials.issue(target)
        plan = self._planner.plan(
            target,
            Facts(
                log_stream=log_stream,
                runtime_api=address,
                access_key_id=credentials.access_key_id,
                secret_access_key=credentials.secret_access_key,
                session_token=credentials.session_token,
                log_fd=LOG_FD,
                initialization_type=initialization,
            ),
        )
        loop = asyncio.get_running_loop()
        pipe = LogPipe(events.on_message, loop)
        fds = {1: pipe.write_end, 2: pipe.write_end, LOG_FD: pipe.write_end}
        transport: Channel | RuntimeApi
        if plan.transport == "channel":
            transport = channel = Channel(events, loop)
            fds[CHANNEL_FD] = channel.runtime_end.fileno()
        else:
            assert listener is not None
            transport = RuntimeApi(events, listener, self.clock)
            await transport.open()
        try:
            process = await sandbox.start(
                ProcessSpec(argv=plan.argv, env=plan.env, cwd=plan.cwd, fds=fds)
            )
        except BaseException:
            await transport.close()
            pipe.close()
            raise
        pipe.release_write_end()
        if isinstance(transport, Channel):
            transport.runtime_end.close()
        return Runtime(process, transport, pipe, credentials.lifetime_s)
