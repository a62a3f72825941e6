"""Lines of one log stream's files, forward from a time or backward from the end.

A stream is at most two files: the older (`.log.1`) and the current (`.log`). Lines that are not an
event (torn by `kill -9`) are passed over; a last line without its newline has not happened yet.
Within a stream the ingest times never go back, which is what `forward` searches by.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from lambent.observe.log_paths import rotated

BLOCK = 64 * 1024
TIME, INGEST = 0, 1
"""Columns of a line that a file can be searched by."""

_decode_text = msgspec.json.Decoder(str).decode


class LogEvent(NamedTuple):
    time_ms: int
    """When it happened, as far as its writer said."""
    ingest_ms: int
    """The writer's batch: unique, in order, about the time at which it was written."""
    stream: str
    message: str


@contextmanager
def open_files(path: Path) -> Iterator[list[int]]:
    """Descriptors of a stream's files, older first. `path` is the current one."""
    # The current one first: if it is rotated in between, the other name is the same file.
    current = _open(path)
    older = _open(rotated(path))
    files = [fd for fd in (older, current) if fd is not None]
    try:
        if len(files) == 2 and os.path.sameopenfile(files[0], files[1]):
            yield files[:1]
        else:
            yield files
    finally:
        for fd in files:
            os.close(fd)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None


def forward(files: list[int], stream: str, ingest_ms: int) -> Iterator[LogEvent]:
    """Events written at `ingest_ms` or later, in the order of writing."""
    for fd in files:
        for line in _lines(fd, _seek(fd, ingest_ms)):
            event = _parse(line, stream)
            if event is not None and event.ingest_ms >= ingest_ms:
                yield event


def backward(
    files: list[int], stream: str, upto_ingest_ms: int | None = None
) -> Iterator[LogEvent]:
    """Events written until then (or all), the last written first."""
    for fd in reversed(files):
        end = os.fstat(fd).st_size
        if upto_ingest_ms is not None:
            end = _end_of(fd, upto_ingest_ms, end)
        for line in _lines_backward(fd, end):
            event = _parse(line, stream)
            if event is not None:
                yield event


def batch_at(files: list[int], time_ms: int) -> int | None:
    """The batch of the first event at `time_ms` or later; for files in the order of time."""
    for fd in files:
        for line in _lines(fd, _seek(fd, time_ms, TIME)):
            event = _parse(line, "")
            if event is not None and event.time_ms >= time_ms:
                return event.ingest_ms
    return None


def offset_after(fd: int, ingest_ms: int) -> int:
    """Where the first line begins that was written at `ingest_ms` or later."""
    return _end_of(fd, ingest_ms - 1, os.fstat(fd).st_size)


def _end_of(fd: int, ingest_ms: int, size: int) -> int:
    """Where the lines written until then end."""
    offset = _seek(fd, ingest_ms + 1)
    for line in _lines(fd, offset):
        event = _parse(line, "")
        if event is not None and event.ingest_ms > ingest_ms:
            return offset
        offset += len(line) + 1
    return size


def _parse(line: bytes, stream: str) -> LogEvent | None:
    try:
        time_ms, ingest_ms, text = line.split(b" ", 2)
        return LogEvent(int(time_ms), int(ingest_ms), stream, _decode_text(text))
    except (ValueError, msgspec.DecodeError):
        return None


def _lines(fd: int, offset: int) -> Iterator[bytes]:
    """Whole lines from `offset` (the start of a line) on."""
    rest = b""
    while block := os.pread(fd, BLOCK, offset):
        offset += len(block)
        *lines, last = block.split(b"\n")
        if lines:
            lines[0] = rest + lines[0]
            rest = last
            yield from lines
        else:
            rest += last


def _lines_backward(fd: int, end: int) -> Iterator[bytes]:
    rest = b""
    while end > 0:
        start = max(0, end - BLOCK)
        first, *lines = os.pread(fd, end - start, start).split(b"\n")
        end = start
        if lines:
            lines[-1] += rest
            rest = first
            yield from reversed(lines)
        else:
            rest = first + rest
    if rest:
        yield rest


def _seek(fd: int, value_ms: int, column: int = INGEST) -> int:
    """The start of a line at or before the first whose `column` is `value_ms` or later."""
    if value_ms <= 0:
        return 0
    low, high = 0, os.fstat(fd).st_size
    while high - low > BLOCK:
        middle = (low + high) // 2
        found = _value_after(fd, middle, high, column)
        if found is None or found[1] >= value_ms:
            high = middle
        else:
            low = found[0]
    return low


def _value_after(fd: int, offset: int, end: int, column: int) -> tuple[int, int] | None:
    """Start and `column` of the first event whose line begins in `offset…end`."""
    block = os.pread(fd, BLOCK, offset)
    start = block.find(b"\n") + 1
    while start:
        if offset + start >= end:
            return None
        parts = block[start : start + 64].split(b" ", 2)
        if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit():
            return offset + start, int(parts[column])
        start = block.find(b"\n", start) + 1
    if not block or offset + len(block) >= end:
        return None
    return _value_after(fd, offset + len(block), end, column)
