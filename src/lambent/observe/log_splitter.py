"""From the bytes of an environment's log pipe to log events.

What a function prints is split at newlines. A record of several lines is one event when it is
framed: a magic number, its length, its time, its text (the format of AWS's own runtime client;
`lambent.runtimes.frames` describes it, and a test holds the two magic numbers together). Events
longer than Lambda's 256 KB are split; so nothing here grows with what a function prints. The
engine's `log_pipe` feeds this and hands the events to `logs.LogStream`.
"""

from __future__ import annotations

import struct
from typing import Final

LOG_MAGIC: Final = b"\xa5\x5a\x00\x03"
MAX_EVENT_BYTES: Final = 256 * 1024

_PREFIX = LOG_MAGIC[:3]
"""The fourth byte tells the record's level and format; AWS's client uses about eight of them."""
_HEAD = struct.Struct(">4sIQ")

Event = tuple[int | None, bytes]
"""Microseconds since the epoch if the writer said so, and the text without its last newline."""


class LogSplitter:
    """Incremental: `feed` returns the events that are complete; the rest waits for more."""

    __slots__ = ("_chunks", "_frame_left", "_frame_time_us", "_held_bytes", "_suspect")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        """A line without its end, a frame without its end, or half a frame's head, as it came."""
        self._held_bytes = 0
        self._suspect = False
        """The held line has a byte in it that may begin a frame."""
        self._frame_left = 0
        """Bytes of the current frame that have not been handed on; 0 outside of frames."""
        self._frame_time_us = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order."""
        size = self._held_bytes + len(data)
        if self._frame_left:
            if size < min(self._frame_left, MAX_EVENT_BYTES):
                self._hold(data)
                return []
        elif LOG_MAGIC[0] not in data and not self._suspect:
            if size <= MAX_EVENT_BYTES and b"\n" not in data:
                self._hold(data)
                return []
            return self._split_lines(self._release(data))
        events: list[Event] = []
        rest = self._release(data)
        while rest:
            rest = (self._take_frame if self._frame_left else self._take_lines)(rest, events)
        return events

    def flush(self) -> list[Event]:
        """What is held, as an event: the invoke is over, or the pipe is closed.

        Also leaves a frame that has not ended, so that a false length costs one invoke's log only.
        """
        held = self._release(b"")
        time_us = self._frame_time_us if self._frame_left else None
        self._frame_left = 0
        events: list[Event] = []
        if held:
            _append(events, time_us, held)
        return events

    def _hold(self, data: bytes) -> None:
        """Keep `data` as a chunk: joining at once would make a byte-wise writer quadratic."""
        if data:
            self._chunks.append(data)
            self._held_bytes += len(data)
            self._suspect = self._suspect or (not self._frame_left and LOG_MAGIC[0] in data)

    def _release(self, data: bytes) -> bytes:
        """All that was held, and `data` after it."""
        if not self._chunks:
            return data
        self._chunks.append(data)
        joined = b"".join(self._chunks)
        self._chunks, self._held_bytes, self._suspect = [], 0, False
        return joined

    def _split_lines(self, data: bytes) -> list[Event]:
        """The common case: nothing but lines."""
        *lines, last = data.split(b"\n")
        events: list[Event] = []
        for line in lines:
            if len(line) <= MAX_EVENT_BYTES:
                events.append((None, line))
            else:
                _append(events, None, line)
        self._hold(_append_whole(events, None, last))
        return events

    def _take_lines(self, data: bytes, events: list[Event]) -> bytes:
        """Lines up to the next frame; returns what follows its head, or nothing."""
        at = data.find(_PREFIX)
        if at < 0:
            events.extend(self._split_lines(data))
            return b""
        if at:
            text = data[:at]
            # A frame ends an unfinished line: its writer started a new event.
            *lines, last = text.split(b"\n")
            for line in lines:
                _append(events, None, line)
            if last:
                _append(events, None, last)
        if len(data) < at + _HEAD.size:
            self._hold(data[at:])
            return b""
        _, length, self._frame_time_us = _HEAD.unpack_from(data, at)
        self._frame_left = length
        if not length:
            events.append((self._frame_time_us, b""))
        return data[at + _HEAD.size :]

    def _take_frame(self, data: bytes, events: list[Event]) -> bytes:
        """The current frame's text; returns what follows it."""
        # `data` starts with what was held of this frame, which `_frame_left` still counts.
        if len(data) < self._frame_left:
            held = _append_whole(events, self._frame_time_us, data)
            self._frame_left -= len(data) - len(held)
            self._hold(held)
            return b""
        text, rest = data[: self._frame_left], data[self._frame_left :]
        self._frame_left = 0
        _append(events, self._frame_time_us, text.removesuffix(b"\n"))
        return rest


def _append(events: list[Event], time_us: int | None, text: bytes) -> None:
    """Add `text`, in pieces if it is longer than an event may be."""
    events.append((time_us, _append_whole(events, time_us, text)))


def _append_whole(events: list[Event], time_us: int | None, text: bytes) -> bytes:
    """Add the pieces of `text` that fill an event; returns the rest, at most one event long."""
    while len(text) > MAX_EVENT_BYTES:
        end = MAX_EVENT_BYTES
        while end > MAX_EVENT_BYTES - 3 and text[end] & 0xC0 == 0x80:
            end -= 1  # not through a UTF-8 character
        events.append((time_us, text[:end]))
        text = text[end:]
    return text
