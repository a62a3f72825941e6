"""A seat in an environment that several invokes share: to the engine, a sandbox of its own.

The state machine of an environment, its deadline, its log and its pool know nothing of sharing:
each runs in a `Seat`, whose `kill` ends one worker and whose `close` leaves the others alone. The
place itself is `shared_host.SharedHost`'s.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from lambent.sandbox.spec import Exit, Process, ProcessSpec

if TYPE_CHECKING:
    from lambent.engine.runtime import LogSink, Runtime
    from lambent.engine.shared_host import SharedHost

KILL_S: Final = 5.0
"""How long a template may take to end a worker; after that the whole environment is ended."""


class Worker:
    """A process that the template has forked; what is known of it comes from there."""

    def __init__(self, number: int, template: Process) -> None:
        self.number = number
        self._template = template
        self.exited: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """The template's: a worker's own host pid is not known."""
        return self._template.pid

    def ended(self, exit_: Exit) -> None:
        if not self.exited.done():
            self.exited.set_result(exit_)


class Seat:
    """A `Sandbox` for one worker at a time."""

    def __init__(self, host: SharedHost) -> None:
        self._host = host
        self.process: Process | None = None
        self.events: LogSink | None = None
        self._left = False

    @property
    def id(self) -> str:
        return self._host.sandbox.id

    @property
    def listeners(self) -> Mapping[int, socket.socket]:
        return self._host.sandbox.listeners

    async def launch(self, events: LogSink, log_stream: str) -> Runtime:
        """Get a worker, or a place in a runtime that takes several invokes."""
        self.events = events
        runtime = await self._host.launch(self, events, log_stream)
        self.process = runtime.process
        return runtime

    async def start(self, process: ProcessSpec) -> Process:
        return await self._host.sandbox.start(process)

    async def open_socket(self, kind: Literal["tcp", "udp"], port: int = 0) -> socket.socket:
        return await self._host.sandbox.open_socket(kind, port)

    async def kill(self) -> None:
        """End this seat's worker. A runtime that serves several is left to finish."""
        worker, self.process = self.process, None
        if not isinstance(worker, Worker) or worker.exited.done():
            return
        self._host.signal(worker, signal.SIGKILL)
        await asyncio.wait([worker.exited], timeout=KILL_S)
        if not worker.exited.done():
            await self._host.sandbox.kill()

    def terminate(self) -> None:
        if isinstance(self.process, Worker):
            self._host.signal(self.process, signal.SIGTERM)

    def limit_cpu(self, limited: bool) -> None:  # noqa: FBT001  the protocol's
        """Init alone is not limited; a second Init beside running invokes is."""
        if limited or not self._host.ready:
            self._host.sandbox.limit_cpu(limited)

    def freeze(self) -> None:
        """Environments of a capacity provider are not frozen, on AWS neither."""

    def thaw(self) -> None:
        """Nothing was frozen."""

    def memory_mb(self) -> int:
        """This seat's share of what all take together."""
        return -(-self._host.sandbox.memory_mb() // max(len(self._host.seats), 1))

    async def close(self) -> None:
        """Leave; whoever is last closes the place."""
        if not self._left:
            self._left = True
            await self._host.leave(self)
