"""Where in the logs a request is: for requests that are too old for `timelines`.

The id is looked for as bytes in the files themselves, the ones that were written last first, within
bounds of time. It blocks on the disk: call it in an executor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lambent.observe.log_reader import LogReader
from lambent.observe.log_scan import LogEvent, open_files

BLOCK: Final = 1024 * 1024
OVERLAP: Final = 4096
"""A line of the platform that names a request does it within so many bytes."""
MAX_SEARCH_S: Final = 10.0
BEFORE_EVENTS: Final = 200
AFTER_MS: Final = 16 * 60_000
"""The longest function takes 15 minutes."""


class Place(NamedTuple):
    group: str
    stream: str
    time_ms: int


def locate(reader: LogReader, account: str, region: str, beginning: str) -> Place | None:
    """The first line that names a request whose id begins so; the newest files first.

    Raises TimeoutError when the logs are larger than can be looked through.
    """
    give_up = time.monotonic() + MAX_SEARCH_S
    files = [
        (path, group)
        for group in reader.groups(account, region)
        for path in reader.files(account, region, group)
    ]
    files.sort(key=lambda item: _modified(item[0]), reverse=True)
    # As they stand in the files: the message of an event is a JSON string there.
    wanted = (b"RequestId: " + beginning.encode(), b'requestId\\":\\"' + beginning.encode())
    for path, group in files:
        with open_files(path) as descriptors:
            for fd in descriptors:
                time_ms = _find(fd, wanted, give_up)
                if time_ms is not None:
                    return Place(group, reader.name(path), time_ms)
    return None


def around(reader: LogReader, account: str, region: str, place: Place) -> list[LogEvent]:
    """The events of the stream from shortly before to the end of the longest function."""
    where = (account, region, place.group)
    before = reader.events(
        *where, stream=place.stream, until_ms=place.time_ms, limit=BEFORE_EVENTS, newest=True
    )
    end_ms = place.time_ms + AFTER_MS
    return before + reader.events(
        *where, stream=place.stream, since_ms=place.time_ms, until_ms=end_ms
    )


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # expired meanwhile
        return 0.0


def _find(fd: int, wanted: tuple[bytes, ...], give_up: float) -> int | None:
    """The time of the first line with one of the texts."""
    for block in _blocks(fd):
        if time.monotonic() > give_up:
            raise TimeoutError
        at = min((n for n in (block.find(text) for text in wanted) if n >= 0), default=-1)
        if at >= 0:
            line = block[block.rfind(b"\n", 0, at) + 1 : at]
            moment = line.split(b" ", 1)[0]
            if moment.isdigit():
                return int(moment)
    return None


def _blocks(fd: int) -> Iterator[bytes]:
    """The file in parts that overlap, so that no line is cut in each of two."""
    offset = 0
    while block := os.pread(fd, BLOCK + OVERLAP, offset):
        yield block
        offset += BLOCK
