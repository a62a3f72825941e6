"""PutLogEvents: which events of a batch are taken, and how they reach their stream's file.

The limits are AWS's (botocore's documentation of PutLogEvents). Unlike what environments print, a
batch is either in its file when the answer leaves, or the caller is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from lambent.errors import InvalidParameter
from lambent.observe.log_files import LogFiles
from lambent.observe.log_pages import EVENT_BYTES, FUTURE_MS
from lambent.observe.log_paths import unsorted_mark
from lambent.observe.log_reader import LogReader
from lambent.observe.logs import format_line

MAX_BATCH_BYTES: Final = 1_048_576
DAY_MS: Final = 86_400_000
MAX_AGE_MS: Final = 14 * DAY_MS


class NewEvent(NamedTuple):
    time_ms: int
    message: str


class Verdict(NamedTuple):
    """`events[first:last]` are taken; the others by the names of AWS's answer."""

    first: int
    last: int
    too_old: int
    """So many at the beginning are older than 14 days."""
    expired: int
    """So many are older than what the group keeps."""


def judge(events: Sequence[NewEvent], now_ms: int, kept_from_ms: int) -> Verdict:
    """Raises `InvalidParameter` for a batch that AWS refuses as a whole."""
    size = 0
    for event in events:
        bytes_ = len(event.message.encode(errors="replace")) + EVENT_BYTES
        if bytes_ > MAX_BATCH_BYTES:
            raise InvalidParameter(
                f"Log event too large: {bytes_} bytes exceeds limit of {MAX_BATCH_BYTES}"
            )
        size += bytes_
    if size > MAX_BATCH_BYTES:
        raise InvalidParameter(f"Upload too large: {size} bytes exceeds limit of {MAX_BATCH_BYTES}")
    times = [event.time_ms for event in events]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise InvalidParameter(
            "Log events in a single PutLogEvents request must be in chronological order."
        )
    too_old = sum(time < now_ms - MAX_AGE_MS for time in times)
    expired = sum(time < kept_from_ms for time in times)
    too_new = sum(time > now_ms + FUTURE_MS for time in times)
    first, last = max(too_old, expired), len(times) - too_new
    if last > first and times[last - 1] - times[first] > DAY_MS:
        raise InvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    return Verdict(first, last, too_old, expired)


def write(
    files: LogFiles,
    reader: LogReader,
    path: Path,
    names: tuple[str, str],
    events: Sequence[NewEvent],
    ingest_ms: int,
    now_ms: int,
) -> None:
    """In the writer's thread (`LogStore.alter`). `names` are (group, stream)."""
    info = reader.info(path)
    if info is not None:
        # A clock that was set back between two lives of the server must not mix up the batches.
        ingest_ms = max(ingest_ms, info.last_ingest_ms + 1)
    mark = unsorted_mark(path)
    older = info is not None and events[0].time_ms < info.last_ms
    # An environment may be writing to the same stream, and what it writes next is from now.
    if (older or events[-1].time_ms > now_ms) and not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.touch(0o600)
    lines = b"".join(format_line(event.time_ms, ingest_ms, event.message) for event in events)
    files.append(path, lines, names)
