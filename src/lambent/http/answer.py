"""The bytes of an answer's head.

Status lines are built once, the Date line once per second (by the server's sweep). What frames a
message belongs to the server alone: Content-Length, Transfer-Encoding, Connection and Date that
a handler passes are left out, and a CR or LF in a field is an error, so that no function can
split an answer in two.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

Fields = Sequence[tuple[bytes, bytes]]

STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
    if status >= 200
}
BODILESS: Final = frozenset({204, 304})
"""Answers that end with their head, whatever their fields say (RFC 9110, 6.4.1)."""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
OURS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"date"}
)
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


class CommonLines:
    """Date and Connection, ready to append; `turn` renews them when the second has changed."""

    __slots__ = ("_second", "close", "keep_alive")

    def __init__(self, time_ms: int) -> None:
        self._second = -1
        self.turn(time_ms)

    def turn(self, time_ms: int) -> None:
        second = time_ms // 1000
        if second == self._second:
            return
        self._second = second
        date = b"Date: " + http_date(second)
        self.keep_alive = date + b"\r\nConnection: keep-alive\r\n"
        self.close = date + b"\r\nConnection: close\r\n"


def http_date(second: int) -> bytes:
    """IMF-fixdate, whatever the locale: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    t = time.gmtime(second)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return (
        f"{day}, {t.tm_mday:02} {month} {t.tm_year} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} GMT"
    ).encode("ascii")


def field_lines(fields: Fields) -> bytes:
    """The fields as lines, without those that are the server's to say."""
    kept = [b": ".join(field) for field in fields if field[0] in _known or _ask(field[0])]
    if not kept:
        return b""
    kept.append(b"")
    lines = b"\r\n".join(kept)
    if lines.count(b"\n") != len(kept) - 1 or lines.count(b"\r") != len(kept) - 1:
        raise ValueError("a header field contains CR or LF")
    return lines


_known: set[bytes] = set()
"""Names that handlers may set, as they spell them: asked once each."""
_MAX_KNOWN: Final = 1024


def _ask(name: bytes) -> bool:
    """Whether a handler may set the field `name`; raises ValueError if it is no name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a header field")
    allowed = name.lower() not in OURS
    if allowed and len(_known) < _MAX_KNOWN:
        _known.add(name)
    return allowed


def status_line(status: int) -> bytes:
    """Raises ValueError for what cannot end an exchange."""
    line = STATUS_LINES.get(status)
    if line is None:
        if not 200 <= status <= 999:
            raise ValueError(f"{status} is not the status of a final answer")
        line = b"HTTP/1.1 %d Unknown\r\n" % status
    return line


def answer_head(status: int, fields: Fields, common: bytes, length: int) -> bytes:
    """The head of an answer that is complete; `common` is one of `CommonLines`."""
    line = STATUS_LINES.get(status) or status_line(status)
    if status in BODILESS:
        return b"%b%b%b\r\n" % (line, field_lines(fields), common)
    return b"%b%b%bContent-Length: %d\r\n\r\n" % (line, field_lines(fields), common, length)


def error_answer(status: int, reason: str) -> tuple[int, Fields, bytes]:
    """What the server itself says, in plain text: it knows nothing of what it serves."""
    text = STATUS_LINES[status][9:-2] + (f": {reason}".encode() if reason else b"") + b"\n"
    return status, [(b"Content-Type", b"text/plain; charset=utf-8")], text
