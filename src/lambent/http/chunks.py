"""The chunked transfer coding of requests.

Decoded strictly: a size is hexadecimal digits and an extension that is ignored, lines end in
CRLF, and everything else is refused, as a proxy in front might read it otherwise. `Chunks` takes
from the connection's `Inbox` and never looks past the body's end: what follows is the next
request. Trailers are kept apart from headers.
"""

from __future__ import annotations

import enum
import re

from lambent.http.faults import Refused
from lambent.http.headers import NO_HEADERS, Headers, split_fields
from lambent.http.inbox import BARE, Inbox
from lambent.http.limits import Limits

_MAX_SIZE_LINE = 256
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_SIZE_LINE_SO_FAR = re.compile(rb"[0-9A-Fa-f]{1,15}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class _Next(enum.Enum):
    """What a chunked body's next byte belongs to."""

    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()


class Chunks:
    """A chunked body; `done` once its end has been taken."""

    __slots__ = (
        "_chunk",
        "_inbox",
        "_limits",
        "_next",
        "_spent",
        "_trailer_lines",
        "done",
        "trailers",
    )

    def __init__(self, inbox: Inbox, limits: Limits) -> None:
        self._inbox = inbox
        self._limits = limits
        self.done = False
        self.trailers = NO_HEADERS
        self._next = _Next.SIZE
        self._chunk = 0
        self._spent = 0
        self._trailer_lines: list[bytes] = []

    def take(self) -> bytes:
        """All data that has arrived; raises `Refused` on a malformed chunk."""
        parts: list[bytes] = []
        while not self.done:
            if self._next is _Next.SIZE:
                going = self._take_size()
            elif self._next is _Next.DATA:
                going = self._take_data(parts)
            elif self._next is _Next.DATA_END:
                going = self._take_data_end()
            else:
                going = self._take_trailer()
            if not going:
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_size(self) -> bool:
        line = self._inbox.line(_MAX_SIZE_LINE)
        if line is None:
            so_far = self._inbox.peek(_MAX_SIZE_LINE)
            full = len(so_far) == _MAX_SIZE_LINE
            if full or (so_far and not _SIZE_LINE_SO_FAR.fullmatch(so_far)):
                raise Refused(400, "malformed chunk size")
            return False
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise Refused(400, "malformed chunk size")
        # Extensions are ignored, so a body of nothing else must not go on for ever.
        self._spent += len(line) - len(match[1])
        if self._spent > self._limits.header_bytes:
            raise Refused(400, "too many chunk extensions")
        self._chunk = int(match[1], 16)
        if self._chunk:
            self._next = _Next.DATA
        else:
            self._next = _Next.TRAILER
            self._spent = 0
        return True

    def _take_data(self, parts: list[bytes]) -> bool:
        part = self._inbox.take(self._chunk)
        if not part:
            return False
        parts.append(part)
        self._chunk -= len(part)
        if not self._chunk:
            self._next = _Next.DATA_END
        return True

    def _take_data_end(self) -> bool:
        end = self._inbox.peek(2)
        if not b"\r\n".startswith(end):
            raise Refused(400, "a chunk is longer than its size")
        if len(end) < 2:
            return False
        self._inbox.take(2)
        self._next = _Next.SIZE
        return True

    def _take_trailer(self) -> bool:
        room = self._limits.header_bytes - self._spent + 2
        line = self._inbox.line(room)
        if line is None:
            so_far = self._inbox.peek(room)
            if len(so_far) == room:
                raise Refused(431, "trailers too large")
            if BARE.search(so_far):
                raise Refused(400, "malformed trailer")
            return False
        if not line:
            self.trailers = Headers(split_fields(self._trailer_lines))
            self.done = True
            return True
        if not _TRAILER.fullmatch(line):
            raise Refused(400, "malformed trailer")
        self._trailer_lines.append(line)
        self._spent += len(line) + 2
        if len(self._trailer_lines) > self._limits.header_count:
            raise Refused(431, f"more than {self._limits.header_count} trailer fields")
        return True
