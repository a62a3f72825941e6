"""What keeps logs from filling the disk: expiry by retention, and a limit for all of them together.

Every file is an environment's or a hand-made stream's, so there are many and most are small. A
sweep looks at all of them, deletes what has expired, cuts the expired head off what has not wholly,
and then deletes the oldest until the rest fits. Deleting happens in the log writer's thread: the
file of a stream that is still written to is closed first and begun anew with its next event.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from lambent.clock import Clock
from lambent.observe.log_files import LogFiles
from lambent.observe.log_pages import FUTURE_MS, Group
from lambent.observe.log_paths import ROTATED, SUFFIX, rotated, unsorted_mark
from lambent.observe.log_reader import LogReader
from lambent.observe.log_scan import offset_after
from lambent.observe.logs import LogStore

log = structlog.get_logger()

SWEEP_S: Final = 60.0
LOOK_S: Final = 1.0
"""How often it looks how much has been written since the last sweep."""
LOOK_SHARE: Final = 32
"""A sweep is due early when this part of the limit has been written."""
LOW_WATER: Final = 0.9
"""A sweep over the limit goes down to this part of it, so that the next is not due at once."""
DELETES_AT_ONCE: Final = 100
"""Files that one job of the writer deletes; it writes between jobs."""
TRIM_MS: Final = 86_400_000
"""A head that has been expired for so long is cut off even if it is small."""


class Kept(NamedTuple):
    """One file of a sweep."""

    modified_ns: int
    size: int
    """On the disk."""
    path: Path


Retentions = Callable[[], Iterable[tuple[Group, int]]]
"""Groups, and the time before which their events have expired."""


class LogSweeper:
    """One per server; `run` is its task."""

    def __init__(
        self, store: LogStore, retentions: Retentions, clock: Clock, total_bytes: int
    ) -> None:
        """`total_bytes` 0 is no limit."""
        self._store = store
        self._retentions = retentions
        self._clock = clock
        self._limit = total_bytes

    async def run(self) -> None:
        """Ends by cancellation."""
        while True:
            before = self._store.written_bytes
            await self.sweep()
            waited = 0.0
            while waited < SWEEP_S and not self._due(before):
                await self._clock.sleep(LOOK_S)
                waited += LOOK_S

    def _due(self, before: int) -> bool:
        return bool(self._limit) and self._store.written_bytes - before > self._limit // LOOK_SHARE

    async def sweep(self) -> None:
        """Never raises for what the disk refuses: it is said, and tried again with the next."""
        try:
            for group, kept_from_ms in list(self._retentions()):
                await self._expire(group, kept_from_ms)
            await self._shrink()
        except OSError as error:
            log.error("logs.cannot_sweep", folder=str(self._store.root), reason=str(error))

    async def _expire(self, group: Group, kept_from_ms: int) -> None:
        old = await asyncio.to_thread(self._touched, group, kept_from_ms)
        for start in range(0, len(old), DELETES_AT_ONCE):
            some = old[start : start + DELETES_AT_ONCE]
            await self._store.alter(partial(_expire, self._store.reader, some, kept_from_ms))

    def _touched(self, group: Group, kept_from_ms: int) -> list[Path]:
        """Streams that have anything expired."""
        return [
            listed.path
            for listed in self._store.reader.listing(*group)
            if listed.info.first_ms < kept_from_ms or listed.unsorted
        ]

    async def _shrink(self) -> None:
        found = await asyncio.to_thread(_survey, self._store.root)
        total = sum(file.size for file in found)
        if not self._limit or total <= self._limit:
            return
        spare = total - int(self._limit * LOW_WATER)
        doomed: list[Kept] = []
        for file in sorted(found):
            if spare <= 0:
                break
            doomed.append(file)
            spare -= file.size
        for start in range(0, len(doomed), DELETES_AT_ONCE):
            some = doomed[start : start + DELETES_AT_ONCE]
            await self._store.alter(partial(_delete, some))
        log.warning(
            "logs.oldest_deleted",
            files=len(doomed),
            limit_mb=self._limit >> 20,
            total_mb=total >> 20,
        )


def _expire(
    reader: LogReader, paths: list[Path], kept_from_ms: int, files: LogFiles, _ingest_ms: int
) -> None:
    """In the writer's thread: whole streams, or the files and heads of files that have expired."""
    for path in paths:
        info = reader.info(path)
        if info is None:
            continue
        # In a stream without order the last event need not be the latest.
        unsorted = unsorted_mark(path).exists()
        last_ms = info.last_ingest_ms + FUTURE_MS if unsorted else info.last_ms
        if last_ms < kept_from_ms:
            files.remove_stream(path)
        elif info.first_ms < kept_from_ms or unsorted:
            _cut(files, path, info.first_ms, kept_from_ms)


def _cut(files: LogFiles, path: Path, first_ms: int, kept_from_ms: int) -> None:
    """What arrived long enough before has expired, whatever time it bears."""
    arrived_ms = kept_from_ms - FUTURE_MS
    for file in (rotated(path), path):
        offset, size = _expired_head(file, arrived_ms)
        if size and offset == size:
            files.remove(file)
        elif offset and (offset * 4 >= size or first_ms < kept_from_ms - TRIM_MS):
            files.cut_head(file, offset)


def _expired_head(file: Path, arrived_ms: int) -> tuple[int, int]:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0, 0
    try:
        return offset_after(fd, arrived_ms), os.fstat(fd).st_size
    finally:
        os.close(fd)


def _delete(doomed: list[Kept], files: LogFiles, _ingest_ms: int) -> None:
    """In the writer's thread. What was written to since it was chosen is no longer the oldest."""
    for file in doomed:
        with contextlib.suppress(FileNotFoundError):
            if file.path.stat().st_mtime_ns == file.modified_ns:
                files.remove(file.path)


def _survey(root: Path) -> list[Kept]:
    """All files of all streams; what a deletion that was cut short left is cleared away."""
    found: list[Kept] = []
    for folder, names, entries in os.walk(root):
        for name in [name for name in names if name.startswith(".")]:
            names.remove(name)
            shutil.rmtree(Path(folder, name), ignore_errors=True)
        for name in entries:
            if name.endswith((SUFFIX, ROTATED)):
                with contextlib.suppress(FileNotFoundError):
                    path = Path(folder, name)
                    stat = path.stat()
                    found.append(Kept(stat.st_mtime_ns, stat.st_blocks * 512, path))
    return found
