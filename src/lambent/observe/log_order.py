"""The order of events: what names each one, and walks through streams in that order, both ways.

A stream's events are in the order of their times, as environments write them: a place in it is
found by bisection. PutLogEvents may bring older events later; such a stream has a mark beside its
files (`log_paths.unsorted_mark`) and is sorted by scanning all of it. No file stays open between
two steps of a walk, so a walk over a thousand streams needs two descriptors.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from lambent.observe.log_paths import unsorted_mark
from lambent.observe.log_scan import LogEvent, backward, batch_at, forward, open_files

FIRST_STEP: Final = 64
MAX_STEP: Final = 8_192
"""Events that a walk reads at a time: few at first, as most walks are short."""
STEP_BYTES: Final = 1024 * 1024


class Key(NamedTuple):
    """An event's name and place: nothing else in its group has the same one."""

    time_ms: int
    ingest_ms: int = -1
    stream: str = ""
    ordinal: int = 0
    """Within the stream's part of the writer's batch."""

    def after(self) -> Key:
        """The first place behind it."""
        return self._replace(ordinal=self.ordinal + 1)


class Found(NamedTuple):
    key: Key
    event: LogEvent


class Stretch(NamedTuple):
    """One stream to walk through, and the time from which (or to which) it has events."""

    path: Path
    stream: str
    edge_ms: int


def ascending(path: Path, stream: str, start: Key) -> Iterator[Found]:
    """The stream's events from `start` on."""
    step = FIRST_STEP
    while True:
        with open_files(path) as files:
            if unsorted_mark(path).exists():
                everything = (f for f in _numbered(forward(files, stream, 0)) if f.key >= start)
                found = heapq.nsmallest(step, everything)
            else:
                found = _some(_from(files, stream, start), step)
        if not found:
            return
        yield from found
        start = found[-1].key.after()
        step = min(step * 4, MAX_STEP)


def descending(path: Path, stream: str, end: Key) -> Iterator[Found]:
    """The stream's events before `end`, the last one first."""
    step = FIRST_STEP
    while True:
        with open_files(path) as files:
            if unsorted_mark(path).exists():
                everything = (f for f in _numbered(forward(files, stream, 0)) if f.key < end)
                found = heapq.nlargest(step, everything)
            else:
                found = _some(_before(files, stream, end), step)
        if not found:
            return
        yield from found
        end = found[-1].key
        step = min(step * 4, MAX_STEP)


def interleaved(streams: Iterable[Stretch], start: Key) -> Iterator[Found]:
    """Many streams as one, ascending; a stream is opened when its first event's turn comes."""
    waiting = sorted(streams, key=lambda s: s.edge_ms, reverse=True)
    heads: list[tuple[Found, Iterator[Found]]] = []
    while heads or waiting:
        if waiting and (not heads or waiting[-1].edge_ms <= heads[0][0].key.time_ms):
            path, stream, _ = waiting.pop()
            walk = ascending(path, stream, start)
            if found := next(walk, None):
                heapq.heappush(heads, (found, walk))
            continue
        found, walk = heads[0]
        yield found
        following = next(walk, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following, walk))


def interleaved_backward(streams: Iterable[Stretch], end: Key) -> Iterator[Found]:
    """The same descending; `edge_ms` is the time of the last event."""
    waiting = sorted(streams, key=lambda s: s.edge_ms)
    heads: list[_Last] = []
    while heads or waiting:
        if waiting and (not heads or waiting[-1].edge_ms >= heads[0].found.key.time_ms):
            path, stream, _ = waiting.pop()
            walk = descending(path, stream, end)
            if found := next(walk, None):
                heapq.heappush(heads, _Last(found, walk))
            continue
        last = heads[0]
        yield last.found
        following = next(last.walk, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, _Last(following, last.walk))


class _Last(NamedTuple):
    """A head of a heap that gives the latest first."""

    found: Found
    walk: Iterator[Found]

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return isinstance(other, _Last) and self.found.key > other.found.key


def _some(found: Iterator[Found], count: int) -> list[Found]:
    """So many, or as many as fit; at least one."""
    taken: list[Found] = []
    size = 0
    for one in islice(found, count):
        taken.append(one)
        size += len(one.event.message)
        if size >= STEP_BYTES:
            break
    return taken


def _from(files: list[int], stream: str, start: Key) -> Iterator[Found]:
    ingest_ms = batch_at(files, start.time_ms)
    if ingest_ms is not None:
        # From the beginning of that batch, so that the ordinals are right.
        for found in _numbered(forward(files, stream, ingest_ms)):
            if found.key >= start:
                yield found


def _before(files: list[int], stream: str, end: Key) -> Iterator[Found]:
    upto = batch_at(files, end.time_ms + 1)
    batch: list[LogEvent] = []
    for event in backward(files, stream, upto):
        if batch and event.ingest_ms != batch[0].ingest_ms:
            yield from _reversed(batch, end)
            batch = []
        batch.append(event)
    yield from _reversed(batch, end)


def _reversed(batch: list[LogEvent], end: Key) -> Iterator[Found]:
    """A whole batch, given and returned the last event first."""
    for found in reversed(list(_numbered(reversed(batch)))):
        if found.key < end:
            yield found


def _numbered(events: Iterable[LogEvent]) -> Iterator[Found]:
    ingest_ms, ordinal = -1, 0
    for event in events:
        ordinal = ordinal + 1 if event.ingest_ms == ingest_ms else 0
        ingest_ms = event.ingest_ms
        yield Found(Key(event.time_ms, ingest_ms, event.stream, ordinal), event)
