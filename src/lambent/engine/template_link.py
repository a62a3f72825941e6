"""The server's end of the channel to a template that forks workers (`runtimes/frames.py`).

Orders go there with descriptors; back come READY or INIT_ERROR, and how each worker ended. What it
says is the function's word like any other: numbers that are not known are ignored, and nothing
is received but bytes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final, Protocol

from lambent.errors import SandboxError
from lambent.runtimes import frames
from lambent.sandbox.spec import Exit

READ_SIZE: Final = 64 * 1024
FRAME_LIMIT: Final = 1024 * 1024
"""An error document is the longest that a template sends."""


class TemplateEvents(Protocol):
    """What a template reports."""

    def on_ready(self) -> None: ...

    def on_init_error(self, document: bytes) -> None: ...

    def on_worker_exited(self, number: int, exit_: Exit) -> None: ...


class TemplateLink:
    """One socket pair; `runtime_end` goes to the template."""

    def __init__(self, events: TemplateEvents, loop: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._loop = loop
        self._socket, self.runtime_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._read = bytearray()
        self.init_document = b""
        """Why Init failed, once that is known."""
        loop.add_reader(self._socket.fileno(), self._readable)

    def fork(self, number: int, log_stream: str, channel_fd: int, log_fd: int) -> None:
        """Order a worker; it may be waiting behind Init, or find nobody any more."""
        frame = frames.encode_order(frames.FORK, number, log_stream.encode())
        try:
            sent = socket.send_fds(self._socket, [frame], [channel_fd, log_fd])
        except BlockingIOError:
            raise SandboxError("the runtime takes no more orders to fork") from None
        except OSError:
            return  # it is gone; its exit is reported by the sandbox
        if sent < len(frame):
            raise SandboxError("the runtime takes no more orders to fork")

    def signal(self, number: int, signum: int) -> None:
        frame = frames.encode_order(frames.SIGNAL, number, signum.to_bytes(4, "big"))
        try:
            self._socket.send(frame)
        except OSError:
            return  # gone, or stuck: whoever wanted it to end looks whether it did

    def drain(self) -> None:
        """Read what a template that has just exited still said."""
        while self._socket.fileno() >= 0:
            try:
                data = self._socket.recv(READ_SIZE)
            except OSError:
                return
            if not data:
                return
            self._feed(data)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        self.runtime_end.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._feed(data)
        else:
            self._loop.remove_reader(self._socket.fileno())

    def _feed(self, data: bytes) -> None:
        self._read += data
        read = self._read
        while len(read) >= 5:
            end = 4 + int.from_bytes(read[:4], "big")
            if not 5 <= end <= FRAME_LIMIT:
                read.clear()  # no template of ours
                return
            if len(read) < end:
                return
            kind, body = read[4], bytes(read[5:end])
            del read[:end]
            self._tell(kind, body)

    def _tell(self, kind: int, body: bytes) -> None:
        if kind == frames.READY:
            self._events.on_ready()
        elif kind == frames.INIT_ERROR:
            self.init_document = body
            self._events.on_init_error(body)
        elif kind == frames.EXITED and len(body) == 8:
            number, status = struct.unpack(">II", body)
            self._events.on_worker_exited(number, _exit(status))


def _exit(status: int) -> Exit:
    try:
        code = os.waitstatus_to_exitcode(status & 0xFFFF)
    except ValueError:
        return Exit(None)
    return Exit(None, signal=-code) if code < 0 else Exit(code)
