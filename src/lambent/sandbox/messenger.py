"""The server's end of a socket to the spawner or to a pid 1: `wire` messages on the event loop.

Sending never blocks: what the kernel does not take at once waits here, its descriptors duplicated,
so that callers may close theirs when `send` returns.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from lambent.errors import SandboxError
from lambent.sandbox import wire


class Messenger:
    """One SEQPACKET socket; `on_message` gets every message, `on_gone` the end, once."""

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[wire.Message], None],
        on_gone: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._on_message = on_message
        self._on_gone = on_gone
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._open = True
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @staticmethod
    def pair(*, credentials: bool = False) -> tuple[socket.socket, socket.socket]:
        """(ours, theirs); with `credentials` each message received says which process sent it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if credentials:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return ours, theirs

    @property
    def open(self) -> bool:
        return self._open

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        if not self._open:
            raise SandboxError("the sandbox is gone", code="SANDBOX_GONE")
        if len(data) >= wire.MESSAGE_BYTES:
            raise SandboxError(
                f"arguments and environment of {len(data)} bytes do not fit in "
                f"{wire.MESSAGE_BYTES}",
                code="SANDBOX_REQUEST_TOO_LARGE",
            )
        if not self._waiting and self._sent(data, fds):
            return
        self._waiting.append((data, [os.dup(fd) for fd in fds]))
        self._loop.add_writer(self._sock.fileno(), self._writable)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        while self._waiting:
            _close_all(self._waiting.popleft()[1])
        self._sock.close()

    def _sent(self, data: bytes, fds: Sequence[int]) -> bool:
        try:
            wire.send(self._sock, data, fds)
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reader sees the end and tells
        return True

    def _writable(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            if not self._sent(data, fds):
                return
            self._waiting.popleft()
            _close_all(fds)
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        while self._open:
            try:
                message = wire.receive(self._sock)
            except BlockingIOError:
                return
            if not message.kind:
                self.close()
                self._on_gone()
                return
            self._on_message(message)


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
