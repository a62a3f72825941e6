"""The server's side of a nest: asks for places below one template, and holds on to their pid 1s.

`host` opens one with the first place that a template needs, and closes it with the template's sandbox.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

from lambent.errors import SandboxError
from lambent.sandbox import forks, wire
from lambent.sandbox.messenger import Messenger
from lambent.sandbox.place_steps import LABELS
from lambent.sandbox.spawner_link import refusal
from lambent.sandbox.steps import FAILURE


class NestLink:
    """One nest."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self.pid = 0
        """On the host, once it is known."""
        self._numbers = itertools.count(1)
        self._asked: dict[bytes, asyncio.Future[NestedPid1]] = {}
        self.up: asyncio.Future[None] = self._loop.create_future()
        """Once it can make places; or why not."""
        self._messenger = Messenger(sock, self._on_message, self._on_gone)

    @property
    def alive(self) -> bool:
        return self._messenger.open

    async def place(self, fds: Sequence[int]) -> NestedPid1:
        """A new pid 1; `fds`: its control socket, and a disk for /tmp if there is one."""
        number = b"%d" % next(self._numbers)
        answer: asyncio.Future[NestedPid1] = self._loop.create_future()
        self._messenger.send(wire.encode(wire.CREATE, number), fds)
        self._asked[number] = answer
        try:
            return await answer
        except asyncio.CancelledError:
            answer.add_done_callback(_end_unwanted)
            raise

    def close(self) -> None:
        """It ends; the places that it made stay."""
        self._messenger.close()
        self._on_gone()

    def _on_message(self, message: wire.Message) -> None:
        if message.kind == wire.UP:
            if not self.up.done():
                self.up.set_result(None)
        elif message.kind == wire.CREATED:
            self._created(message)
        elif message.kind == wire.REFUSED:
            number, code, text = message.fields
            error = refusal(int(code), text.decode(errors="replace"))
            answer = self._asked.pop(number, None)
            if answer is None and not self.up.done():
                self.up.set_exception(error)
            elif answer is not None and not answer.done():
                answer.set_exception(error)

    def _created(self, message: wire.Message) -> None:
        answer = self._asked.pop(message.fields[0], None)
        pid1 = NestedPid1(self._loop, message.fds[0])
        if answer is not None and not answer.done():
            answer.set_result(pid1)
        else:
            pid1.end()

    def _on_gone(self) -> None:
        gone = SandboxError("what makes the places of a template ended", code="SANDBOX_UNAVAILABLE")
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(gone)
        self._asked.clear()
        if not self.up.done():
            self.up.set_exception(gone)
            self.up.exception()  # seen, whether somebody waits or not


class NestedPid1:
    """The pid 1 of a place; the kernel tells its end, and with it that of all in its namespace."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pidfd: int) -> None:
        """Takes over `pidfd`."""
        self._loop = loop
        self._pidfd = pidfd
        self._pid = 0
        self.gone: asyncio.Future[None] = loop.create_future()
        loop.add_reader(pidfd, self._ended)

    @property
    def pid(self) -> int:
        """On the host, which is rarely asked for; 0 if it ended before it was."""
        if not self._pid and not self.gone.done():
            with suppress(SandboxError):
                self._pid = forks.host_pid(self._pidfd)
        return self._pid

    def end(self) -> None:
        if not self.gone.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def forget(self) -> None:
        """Nothing is left to tell."""

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if not self.gone.done():
            self.gone.set_result(None)


def failed_step(field: bytes) -> SandboxError:
    """Why a place could not be made: which of its steps the kernel refused."""
    label, error = FAILURE.unpack(field)
    code = -error
    step = LABELS[label] if 0 <= label < len(LABELS) else "a step"
    return refusal(code, f"{step}: {os.strerror(code)}")


def _end_unwanted(answer: asyncio.Future[NestedPid1]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        answer.result().end()
