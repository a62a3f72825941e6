"""Frames in and out of descriptor 3, and log records into the log pipe.

The layout is runtimes/frames.py's, which this process cannot import. Reads go into one buffer
that is kept: an invoke of usual size costs one `readv` and one `writev`.
"""

import os
import sys
import time

from .state import STATE

INVOKE = 1
READY = 16
INIT_ERROR = 17
RESPONSE = 18
ERROR = 19
STREAM = 20
CHUNK = 21
STREAM_END = 22
LOG_MAGIC = b"\xa5\x5a\x00\x03"

BUFFER_BYTES = 65536


class ChannelClosed(Exception):  # noqa: N818  an end, not a failure
    """The server is gone, or this process may no longer speak for the function."""


class Reader:
    """Reads one INVOKE at a time; the buffer grows for a large one and shrinks again."""

    def __init__(self) -> None:
        self._allocate(BUFFER_BYTES)

    def _allocate(self, size: int) -> None:
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)

    def read_invoke(self):
        """(header text, payload bytes or view) of the next INVOKE; raises ChannelClosed at the end.

        The payload is valid until the next call. The protocol is lock-step, so nothing follows a
        frame before its answer.
        """
        if len(self.view) > BUFFER_BYTES:
            self._allocate(BUFFER_BYTES)  # gives a 6 MB buffer back
        fd, view = STATE.channel_fd, self.view
        try:
            got = os.readv(fd, (view,))
            while got < 7:
                more = os.readv(fd, (view[got:],)) if got else 0
                if not more:
                    raise ChannelClosed
                got += more
            end = 4 + int.from_bytes(view[:4], "big")
            if got < end:
                view = self._read_rest(fd, got, end)
        except OSError:
            raise ChannelClosed from None
        if view[4] != INVOKE:
            raise ChannelClosed
        body = 7 + int.from_bytes(view[5:7], "big")
        return str(view[7:body], "utf-8"), view[body:end]

    def _read_rest(self, fd, got, end):
        if end > len(self.buffer):
            start = self.view[:got]
            self._allocate(end)
            self.view[:got] = start
        while got < end:
            more = os.readv(fd, (self.view[got:end],))
            if not more:
                raise ChannelClosed
            got += more
        return self.view


def send(kind: int, body: bytes) -> None:
    """One frame; raises ChannelClosed when nobody listens (or in a forked child)."""
    prefix = (len(body) + 1).to_bytes(4, "big") + bytes((kind,))
    try:
        sent = os.writev(STATE.channel_fd, (prefix, body))
        total = len(body) + 5
        if sent < total:
            _send_rest(prefix + body, sent)
    except OSError:
        raise ChannelClosed from None


def _send_rest(data, sent):
    view = memoryview(data)
    while sent < len(view):
        sent += os.write(STATE.channel_fd, view[sent:])


def flush() -> None:
    """Hand over what the function has printed; a stream it closed or broke is its own affair."""
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105  contextlib would have to be imported
            stream.flush()
        except Exception:  # noqa: PERF203  one stream must not hide the other
            pass


def write_record(text: str) -> None:
    """One log event, however many lines; printed output before it stays before it."""
    flush()
    data = text.encode("utf-8", "backslashreplace")
    if STATE.log_fd < 0:
        data += b"\n"
        fd = 1
    else:
        now_us = time.time_ns() // 1000
        data = LOG_MAGIC + len(data).to_bytes(4, "big") + now_us.to_bytes(8, "big") + data
        fd = STATE.log_fd
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])
