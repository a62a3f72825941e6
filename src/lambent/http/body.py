"""Where a request's body ends, and what of it has arrived.

A `Body` takes from the connection's `Inbox` and never looks past its own end: what follows is
the next request. Chunked bodies are decoded here, strictly: a size is hexadecimal digits and an
extension that is ignored, lines end in CRLF, and everything else is refused. Trailers are kept
apart from headers.
"""

from __future__ import annotations

import enum
import re

from lambent.http.faults import Refused
from lambent.http.head import CHUNKED
from lambent.http.headers import NO_HEADERS, Field, Headers
from lambent.http.inbox import Inbox
from lambent.http.limits import Limits

_MAX_SIZE_LINE = 256
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")
_SIZE_LINE_SO_FAR = re.compile(rb"[0-9A-Fa-f]{1,15}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?")
_TRAILER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")


class _Next(enum.Enum):
    """What a chunked body's next byte belongs to."""

    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()


class Body:
    """The rest of one request's body; `done` once its end has been taken."""

    __slots__ = ("_fields", "_inbox", "_left", "_limits", "_next", "_spent", "done", "trailers")

    def __init__(self, inbox: Inbox, length: int, limits: Limits) -> None:
        self._inbox = inbox
        self._limits = limits
        self._left = 0 if length == CHUNKED else length
        self._next: _Next | None = _Next.SIZE if length == CHUNKED else None
        self._spent = 0
        self._fields: list[Field] = []
        self.trailers = NO_HEADERS
        self.done = length == 0

    def remaining(self) -> int | None:
        """Bytes still to be taken, or None when only the client knows."""
        return self._left if self._next is None else None

    def take(self) -> bytes:
        """Everything of the body that has arrived; raises `Refused` on a malformed chunk."""
        if self._next is not None:
            return self._take_chunks()
        part = self._inbox.take(self._left)
        self._left -= len(part)
        if not self._left:
            self.done = True
        return part

    def _take_chunks(self) -> bytes:
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
            if len(so_far) == _MAX_SIZE_LINE or (
                so_far and not _SIZE_LINE_SO_FAR.fullmatch(so_far)
            ):
                raise Refused(400, "malformed chunk size")
            return False
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise Refused(400, "malformed chunk size")
        self._spend(len(line) - len(match[1]))
        self._left = int(match[1], 16)
        self._next = _Next.DATA if self._left else _Next.TRAILER
        self._spent = self._spent if self._left else 0
        return True

    def _take_data(self, parts: list[bytes]) -> bool:
        part = self._inbox.take(self._left)
        if not part:
            return False
        parts.append(part)
        self._left -= len(part)
        if not self._left:
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
            if _BARE.search(so_far):
                raise Refused(400, "malformed trailer")
            return False
        if not line:
            self.trailers = Headers(self._fields)
            self.done = True
            return True
        match = _TRAILER.fullmatch(line)
        if match is None:
            raise Refused(400, "malformed trailer")
        self._fields.append((match[1].lower(), match[2].rstrip(b" \t")))
        self._spent += len(line) + 2
        if len(self._fields) > self._limits.header_count:
            raise Refused(431, f"more than {self._limits.header_count} trailer fields")
        return True

    def _spend(self, count: int) -> None:
        """Extensions are ignored, so a body of nothing else must not go on for ever."""
        self._spent += count
        if self._spent > self._limits.header_bytes:
            raise Refused(400, "too many chunk extensions")
