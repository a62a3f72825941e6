"""The server's end of the channel to a managed runtime (`runtimes/frames.py` has the frames).

Reads and writes go straight to the socket: an echo costs one `send` and one `recv` here. What the
runtime says is handed to a `RuntimeEvents`, usually the environment.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol

from lambent.engine.states import InvalidStateTransition
from lambent.engine.streaming import Flow
from lambent.runtimes import frames

READ_SIZE = 256 * 1024
FRAME_LIMIT = 16 * 1024 * 1024
"""A frame longer than this is no runtime of ours; its own limit is 6 MB."""


class RuntimeEvents(Protocol):
    """What a transport reports of its runtime."""

    def on_ready(self) -> None: ...

    def on_restore_next(self) -> None:
        """Init is over where a snapshot would be taken; what follows until READY is its restore."""
        ...

    def on_init_error(self, document: bytes) -> None: ...

    def on_response(self, payload: bytes) -> None: ...

    def on_error(self, document: bytes) -> None: ...

    def on_next(self) -> None: ...

    def on_stream(self, content_type: str, flow: Flow) -> None: ...

    def on_chunk(self, data: bytes) -> None: ...

    def on_stream_end(self, error: bytes) -> None: ...

    def on_protocol_error(self, why: str) -> None: ...


class Channel:
    """One socket pair; `runtime_end` goes to the runtime process."""

    def __init__(self, events: RuntimeEvents, loop: asyncio.AbstractEventLoop) -> None:
        self._events = events
        self._loop = loop
        self._socket, self.runtime_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._fd = self._socket.fileno()
        self._read = b""
        self._parts: list[bytes] = []
        self._missing = 0
        self._unsent: memoryview | None = None
        self._open = True
        loop.add_reader(self._fd, self._readable)

    def deliver(self, header: Sequence[str], payload: bytes) -> None:
        """Hand an invoke to the runtime; what the socket does not take at once follows."""
        frame = frames.encode_invoke("\n".join(header).encode(), payload)
        try:
            sent = self._socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the runtime is gone; its exit is reported by the sandbox
        if sent < len(frame):
            self._unsent = memoryview(frame)[sent:]
            self._loop.add_writer(self._fd, self._writable)

    def tell(self, kind: int, body: bytes) -> None:
        """One small frame before any invoke."""
        try:
            self._socket.send(frames.encode(kind, body))
        except OSError:
            return  # the runtime is gone; its exit is reported by the sandbox

    def _writable(self) -> None:
        assert self._unsent is not None
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unsent = None
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._fd)
            return
        self._feed(data)

    def drain(self) -> None:
        """Read what a runtime that has just exited still said."""
        while self._open:
            try:
                data = self._socket.recv(READ_SIZE)
            except OSError:
                return
            if not data:
                return
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        if self._missing:  # in the middle of a frame that is longer than one read
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._parts)
            self._parts.clear()
            self._missing = 0
        elif self._read:
            data = self._read + data
            self._read = b""
        while self._open and len(data) >= 5:
            end = 4 + int.from_bytes(data[:4], "big")
            if end > FRAME_LIMIT or end < 5:
                self._events.on_protocol_error("a frame of an impossible length")
                return
            if len(data) < end:
                self._parts = [data]
                self._missing = end - len(data)
                return
            body = data[5:end]
            kind = data[4]
            data = data[end:] if len(data) > end else b""
            self._dispatch(kind, body)
        self._read = data

    def _dispatch(self, kind: int, body: bytes) -> None:
        events = self._events
        try:
            if kind == frames.RESPONSE:
                events.on_response(body)
                if self._open:
                    events.on_next()
            elif kind == frames.ERROR:
                events.on_error(body)
                if self._open:
                    events.on_next()
            elif kind == frames.CHUNK:
                events.on_chunk(body)
            else:
                self._dispatch_rarer(kind, body)
        except InvalidStateTransition as error:  # a frame out of turn: no runtime of ours
            events.on_protocol_error(str(error))

    def _dispatch_rarer(self, kind: int, body: bytes) -> None:
        events = self._events
        if kind == frames.READY:
            events.on_ready()
        elif kind == frames.RESTORE_NEXT:
            events.on_restore_next()
        elif kind == frames.INIT_ERROR:
            events.on_init_error(body)
        elif kind == frames.FATAL:
            events.on_error(body)
        elif kind == frames.STREAM:
            events.on_stream(body.decode("utf-8", "replace"), self)
        elif kind == frames.STREAM_END:
            events.on_stream_end(body)
            if self._open:
                events.on_next()
        else:
            events.on_protocol_error(f"frame kind {kind}")

    # A channel is the flow of its own streams: what is not read stops the runtime's writes.

    def pause(self) -> None:
        if self._open:
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._fd, self._readable)

    async def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._socket.close()
            self.runtime_end.close()
