"""What a connection has received and nobody has taken yet.

One buffer per connection, with a position: the common case (one whole request in one read)
copies nothing but the parts that are handed out. `connection.py` pauses the transport when too
much of it waits.
"""

from __future__ import annotations

import re

from lambent.http.faults import Refused
from lambent.http.head import refuse_oversized
from lambent.http.limits import Limits

BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
"""A CR or LF that is not part of a CRLF; a CR at the very end may still become one."""


class Inbox:
    """Received bytes in order; taken from the front. `size` is how many wait."""

    __slots__ = ("_at", "_data", "_scanned", "size")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._at = 0
        self._scanned = 0
        """Up to here there is no end of a head."""
        self.size = 0

    def append(self, data: bytes) -> None:
        if not self.size:
            self._data = data
            self._at = self._scanned = 0
            self.size = len(data)
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        if self._at:
            del self._data[: self._at]
            self._scanned = max(0, self._scanned - self._at)
            self._at = 0
        self._data += data
        self.size += len(data)

    def clear(self) -> None:
        self._data = b""
        self._at = self._scanned = self.size = 0

    def take(self, count: int) -> bytes:
        """Up to `count` bytes, as many as are there."""
        start = self._at
        count = min(count, self.size)
        self.size -= count
        self._at = end = start + count
        part = self._data[start:end]
        return part if type(part) is bytes else bytes(part)

    def peek(self, count: int) -> bytes:
        return bytes(self._data[self._at : self._at + count])

    def line(self, room: int) -> bytes | None:
        """The next line without its CRLF, taken; None while it is incomplete within `room`."""
        end = self._data.find(b"\r\n", self._at, self._at + room)
        if end < 0:
            return None
        line = self.take(end - self._at)
        self.take(2)
        return line

    def head(self, limits: Limits) -> bytes | None:
        """The next request head, taken; None while it is incomplete. Raises `Refused`."""
        data = self._data
        if data[self._at] == 0x0D:
            self._skip_empty_lines()
        start = self._at
        end = data.find(b"\r\n\r\n", max(start, self._scanned - 3))
        if end < 0:
            self._judge_incomplete(limits)
            return None
        count = end + 4 - start
        if count > limits.target_bytes or count > limits.header_bytes:
            refuse_oversized(bytes(data[start : end + 4]), 0, limits)
        self._at = start + count
        self.size -= count
        raw = data[start : start + count]
        return raw if type(raw) is bytes else bytes(raw)

    def _skip_empty_lines(self) -> None:
        """RFC 9112, 2.2: empty lines before a request line are ignored."""
        while self._data[self._at : self._at + 2] == b"\r\n":
            self._at += 2
            self.size -= 2

    def _judge_incomplete(self, limits: Limits) -> None:
        """Refuse now what no further byte can mend, rather than wait for the time limit."""
        if not self.size:
            return
        data, start = self._data, self._at
        if data[start] != 0x0D and not 0x21 <= data[start] <= 0x7E:
            raise Refused(400, "this is not HTTP")
        refuse_oversized(data, start, limits)
        if BARE.search(data, max(start, self._scanned - 1)):
            raise Refused(400, "lines end in CR LF")
        self._scanned = len(data)
