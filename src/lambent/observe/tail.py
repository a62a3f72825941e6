"""The end of an invoke's log, for callers that ask with `LogType=Tail`.

The front door sends it base64-coded in `X-Amz-Log-Result`; Lambda keeps the last 4 KB.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Reversible

TAIL_BYTES = 4096


class LogTail:
    """The end of a log that is still being written: holds little more than the 4 KB."""

    __slots__ = ("_messages", "_size")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._size = 0

    def append(self, message: bytes) -> None:
        self._messages.append(message)
        self._size += len(message) + 1
        while self._size - len(self._messages[0]) - 1 >= TAIL_BYTES:
            self._size -= len(self._messages.popleft()) + 1

    def text(self) -> bytes:
        return tail_of(self._messages)


def tail_of(messages: Reversible[bytes]) -> bytes:
    """The last 4 KB of an invoke's events, each ended by a newline, as one text.

    Walks from the end, so a million lines cost no more than the few that fit.
    """
    kept: list[bytes] = []
    size = 0
    for message in reversed(messages):
        kept.append(message)
        size += len(message) + 1
        if size >= TAIL_BYTES:
            break
    text = b"".join(message + b"\n" for message in reversed(kept))
    if len(text) <= TAIL_BYTES:
        return text
    return _from_character(text[-TAIL_BYTES:])


def _from_character(text: bytes) -> bytes:
    """Leave out the rest of a UTF-8 character that the cut went through (at most three bytes)."""
    start = 0
    while start < 3 and text[start] & 0xC0 == 0x80:
        start += 1
    return text[start:]
