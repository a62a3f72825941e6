"""One runtime as its environment sees it: a process, the way invokes reach it, its output.

`Launcher` makes them, and `SharedHost` where several share one environment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from lambent.engine.channel import RuntimeEvents
from lambent.engine.log_pipe import LogPipe
from lambent.runtimes.launch import LaunchPlan
from lambent.sandbox.spec import Process, ProcessSpec, Sandbox

RUNTIME_API_PORT: Final = 9001
LOG_FD: Final = 4
"""The descriptor behind `_LAMBDA_TELEMETRY_LOG_FD`."""


class Transport(Protocol):
    """How invokes reach a runtime: the channel, or the Runtime API over HTTP."""

    def deliver(self, header: Sequence[str], payload: bytes) -> None: ...

    def drain(self) -> None: ...

    async def close(self) -> None: ...


class LogSink(RuntimeEvents, Protocol):
    """An environment: what its runtime says, and what it prints."""

    def on_message(self, time_us: int | None, message: bytes) -> None: ...


class Pipe(Protocol):
    """Where its output arrives."""

    def drain(self, *, partial: bool = False) -> None: ...

    def close(self) -> None: ...


class Closable(Protocol):
    async def close(self) -> None: ...


@dataclass(slots=True)
class Runtime:
    """One runtime process with what connects us to it."""

    process: Process
    transport: Transport
    pipe: Pipe
    lifetime_s: float | None = None
    """Until its credentials end; None when they do not."""
    endpoint: Closable | None = None
    """Where a fork of a snapshot fetches its credentials."""
    restored_from: float = 0.0
    """When such a fork was let go; monotonic seconds."""

    def kill(self) -> None:
        """End the process alone; the others of its sandbox go on."""
        if not self.process.exited.done():
            with suppress(OSError):
                os.kill(self.process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Cut the connections; the process is ended by its sandbox."""
        if self.endpoint is not None:
            await self.endpoint.close()
        await self.transport.close()
        self.pipe.close()


async def start_process(
    sandbox: Sandbox, plan: LaunchPlan, pipe: LogPipe, fds: Mapping[int, int]
) -> Process:
    """Start it with its output going to `pipe`, of which only the process keeps the write end."""
    end = pipe.write_end
    process = await sandbox.start(
        ProcessSpec(
            argv=plan.argv, env=plan.env, cwd=plan.cwd, fds={1: end, 2: end, LOG_FD: end, **fds}
        )
    )
    pipe.release_write_end()
    return process
