"""Pages of events, for GetLogEvents and FilterLogEvents: which streams, from where, how much.

A page ends with its limit, with AWS's megabyte, or when the search has taken long enough; where the
next one begins is a `Key` that stays good whatever is written, rotated or expired meanwhile. All
of it blocks on the disk: call it in an executor.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from lambent.observe import log_paths
from lambent.observe.log_order import (
    Found,
    Key,
    Stretch,
    ascending,
    descending,
    interleaved,
    interleaved_backward,
)
from lambent.observe.log_reader import LogReader
from lambent.observe.log_scan import LogEvent

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 1024 * 1024
EVENT_BYTES: Final = 26
"""What AWS counts for an event besides its message."""
MAX_SEARCH_S: Final = 2.0
FUTURE_MS: Final = 2 * 3600 * 1000
"""How far ahead of their arrival events may be: files are older than what they hold by up to so much."""
END_OF_TIME: Final = Key(2**63)


class Group(NamedTuple):
    """Where a log group's streams are."""

    account: str
    region: str
    name: str


class Range(NamedTuple):
    """Times that are wanted: `since_ms <= time < until_ms`."""

    since_ms: int = 0
    until_ms: int = 2**63

    def holds(self, time_ms: int) -> bool:
        return self.since_ms <= time_ms < self.until_ms


class Page(NamedTuple):
    events: list[Found]
    """In the order of the search."""
    following: Key | None
    """Where the next page begins; None when there is nothing more."""


def stream_page(
    reader: LogReader, group: Group, stream: str, edge: Key, span: Range, limit: int, *, back: bool
) -> list[Found]:
    """Events of one stream from `edge` on, or `back` from it, always in ascending order."""
    path = log_paths.stream_file(reader.root, *group, stream)
    if back:
        walk = descending(path, stream, min(edge, Key(span.until_ms)))
    else:
        walk = ascending(path, stream, max(edge, Key(span.since_ms)))
    events = _page(walk, span, limit, back=back).events
    return events[::-1] if back else events


def group_page(
    reader: LogReader,
    group: Group,
    edge: Key | None,
    span: Range,
    limit: int,
    *,
    back: bool,
    wanted: Callable[[str], bool],
    matches: Callable[[str], bool] | None,
) -> Page:
    """Events of the group's `wanted` streams whose message `matches`."""
    start = Key(span.since_ms) if edge is None or back else edge
    streams = _streams(reader, group, start.time_ms, wanted, back=back)
    if back:
        end = min(END_OF_TIME if edge is None else edge, Key(span.until_ms))
        return _page(interleaved_backward(streams, end), span, limit, matches, back=True)
    return _page(interleaved(streams, start), span, limit, matches)


def _streams(
    reader: LogReader, group: Group, since_ms: int, wanted: Callable[[str], bool], *, back: bool
) -> Iterator[Stretch]:
    for path, info, unsorted in reader.listing(*group, since_ms=max(0, since_ms - FUTURE_MS)):
        if not wanted(info.name):
            continue
        if unsorted:
            yield Stretch(path, info.name, 2**63 if back else 0)
        elif info.last_ms >= since_ms:
            yield Stretch(path, info.name, info.last_ms if back else info.first_ms)


def _page(
    walk: Iterator[Found],
    span: Range,
    limit: int,
    matches: Callable[[str], bool] | None = None,
    *,
    back: bool = False,
) -> Page:
    taken: list[Found] = []
    size = 0
    give_up = math.inf
    for examined, found in enumerate(walk):
        event = found.event
        if not span.holds(event.time_ms):
            if event.time_ms < span.since_ms if back else event.time_ms >= span.until_ms:
                break
            continue
        if examined == 0:
            # Not before: a search that is slow to begin must get on all the same.
            give_up = time.monotonic() + MAX_SEARCH_S
        if len(taken) >= limit or time.monotonic() > give_up:
            return Page(taken, _edge(found, back=back))
        if matches is not None and not matches(event.message):
            continue
        size += _size(event)
        if taken and size > MAX_BYTES:
            return Page(taken, _edge(found, back=back))
        taken.append(found)
    return Page(taken, None)


def _edge(found: Found, *, back: bool) -> Key:
    """Where a page begins that shall have `found` first."""
    return found.key.after() if back else found.key


def _size(event: LogEvent) -> int:
    text = event.message
    return EVENT_BYTES + (len(text) if text.isascii() else len(text.encode(errors="replace")))
