"""Reading logs: groups, streams, and events in time order, from the files alone.

For the CLI's `logs`, tools and the CloudWatch Logs calls. Everything here blocks on the disk: call
it in an executor. It needs no lock against the writer, tolerates a rotation under its feet and a
file torn by `kill -9`, and holds no more than what it returns. How one file is read is
`log_scan`'s.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from lambent.observe import log_paths
from lambent.observe.log_scan import LogEvent, backward, forward, open_files

MAX_EVENTS = 10_000
MAX_BYTES = 8 * 1024 * 1024
MAX_INFOS = 50_000
"""Streams whose first and last events are remembered."""
COARSE_MS = 2_000
"""File systems may keep no finer times."""
REORDER = 128
"""A function's own timestamps may run behind what was written before by this many events."""


class StreamInfo(NamedTuple):
    name: str
    first_ms: int
    last_ms: int
    last_ingest_ms: int
    stored_bytes: int


class Listed(NamedTuple):
    """A stream of a group's folder."""

    path: Path
    info: StreamInfo
    unsorted: bool
    """Its events are not in the order of their times."""


class Position(NamedTuple):
    """How far a follower has come: a batch of the writer, and how many events of it are read."""

    ingest_ms: int
    taken: int = 0


class LogReader:
    """What stands under one logs folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._infos: dict[Path, tuple[tuple[int, ...], StreamInfo | None]] = {}
        """What `info` found, and the sizes and times of the files in which it found it."""

    def all_groups(self) -> list[tuple[str, str, str]]:
        """(account, region, group) of whatever has a folder."""
        return [
            (account, region, group)
            for account in (log_paths.name_of(entry.name) for entry in _scan(self.root))
            for region in (
                log_paths.name_of(entry.name)
                for entry in _scan(self.root / log_paths.component(account))
            )
            for group in self.groups(account, region)
        ]

    def groups(self, account: str, region: str) -> list[str]:
        """Names of log groups that have events, sorted."""
        folder = self.root / log_paths.component(account) / log_paths.component(region)
        return sorted(_full_name(Path(entry.path), entry.name) for entry in _scan(folder))

    def streams(self, account: str, region: str, group: str) -> list[StreamInfo]:
        """The streams of a group, the one written last first."""
        found = [listed.info for listed in self.listing(account, region, group)]
        return sorted(found, key=lambda stream: stream.last_ingest_ms, reverse=True)

    def listing(self, account: str, region: str, group: str, since_ms: int = 0) -> Iterator[Listed]:
        """The streams with events that were written to since then, in no order.

        One look at the folder; only files that have changed are opened.
        """
        folder = log_paths.group_folder(self.root, account, region, group)
        entries = {entry.name: entry for entry in _scan(folder)}
        for name, entry in entries.items():
            if not name.endswith(log_paths.SUFFIX) or _modified_ms(entry) < since_ms - COARSE_MS:
                continue
            stem = name.removesuffix(log_paths.SUFFIX)
            older = entries.get(stem + log_paths.ROTATED)
            with contextlib.suppress(FileNotFoundError):  # deleted between the two calls
                state = _state([file.stat() for file in (older, entry) if file is not None])
                info = self._info(Path(entry.path), state)
                if info is not None:
                    yield Listed(Path(entry.path), info, stem + log_paths.UNSORTED in entries)

    def info(self, path: Path) -> StreamInfo | None:
        """Of the stream whose current file is `path`; None without an event."""
        with open_files(path) as files:
            state = _state([os.fstat(fd) for fd in files])
        return self._info(path, state)

    def _info(self, path: Path, state: tuple[int, ...]) -> StreamInfo | None:
        """What is known for these sizes and times of its files, or what they now say."""
        known = self._infos.get(path)
        if known is not None and known[0] == state:
            return known[1]
        with open_files(path) as files:
            stats = [os.fstat(fd) for fd in files]
            first = next(forward(files, "", 0), None)
            last = next(backward(files, ""), None)
        info = None
        if first and last:
            size = sum(stat.st_size for stat in stats)
            info = StreamInfo(self.name(path), first.time_ms, last.time_ms, last.ingest_ms, size)
        if len(self._infos) >= MAX_INFOS:
            self._infos.clear()
        self._infos[path] = _state(stats), info
        return info

    def name(self, path: Path) -> str:
        """Of the stream whose current file is `path`."""
        return _full_name(path, path.name.removesuffix(log_paths.SUFFIX))

    def files(self, account: str, region: str, group: str, since_ms: int = 0) -> list[Path]:
        """The current files of a group's streams that were written to since then."""
        return self._stream_files(account, region, group, None, since_ms)

    def stored_bytes(self, account: str, region: str, group: str) -> int:
        """What a group's files hold."""
        folder = log_paths.group_folder(self.root, account, region, group)
        total = 0
        for entry in _scan(folder):
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
        return total

    def events(
        self,
        account: str,
        region: str,
        group: str,
        *,
        stream: str | None = None,
        since_ms: int = 0,
        until_ms: int | None = None,
        limit: int = MAX_EVENTS,
        newest: bool = False,
        keep: Callable[[LogEvent], bool] | None = None,
    ) -> list[LogEvent]:
        """Events of a group (or one stream) with `since_ms <= time < until_ms`, in time order.

        At most `limit`, and at most 8 MB: the earliest, or with `newest` the latest. `keep` filters.
        """

        def wanted(event: LogEvent) -> bool:
            inside = since_ms <= event.time_ms and (until_ms is None or event.time_ms < until_ms)
            return inside and (keep is None or keep(event))

        best: list[LogEvent] = []
        for path in self._stream_files(account, region, group, stream, since_ms):
            name = _full_name(path, path.name.removesuffix(log_paths.SUFFIX))
            with open_files(path) as files:
                found = backward(files, name) if newest else forward(files, name, since_ms)
                if newest:
                    found = _until_before(found, since_ms)
                edge = best[0 if newest else -1].time_ms if len(best) >= limit else None
                taken = _take(filter(wanted, _in_order(found, newest)), limit, edge, newest)
                if newest:
                    # Of events of one millisecond, the one written first comes first here too.
                    taken.reverse()
            best = _trim(sorted(best + taken, key=_by_time), limit, newest)
        return best

    def follow(
        self,
        account: str,
        region: str,
        group: str,
        position: Position,
        *,
        stream: str | None = None,
        upto_ms: int | None = None,
        limit: int = MAX_EVENTS,
    ) -> tuple[list[LogEvent], Position]:
        """Events written since `position`, in time order, and the position after them.

        `upto_ms` is `LogStore.written_ms`: batches up to it are whole, so none is seen half and
        then passed over. Nothing is returned twice, nothing is left out, over any rotation but two
        between calls.
        """
        found: list[LogEvent] = []
        skip = position.taken
        for path in self._stream_files(account, region, group, stream, position.ingest_ms):
            name = _full_name(path, path.name.removesuffix(log_paths.SUFFIX))
            with open_files(path) as files:
                news = _written(forward(files, name, position.ingest_ms), upto_ms)
                # Files are read in the order of their names, so the batch that was cut continues
                # where it was cut.
                new: list[LogEvent] = []
                for event in news:
                    if skip and event.ingest_ms == position.ingest_ms:
                        skip -= 1
                    else:
                        new = _take(chain((event,), news), limit, None, newest=False)
                        break
            found = _trim(sorted(found + new, key=_by_ingest), limit, newest=False)
        if not found:
            return [], position
        last = found[-1].ingest_ms
        taken = sum(event.ingest_ms == last for event in found)
        if last == position.ingest_ms:
            taken += position.taken
        return sorted(found, key=_by_time), Position(last, taken)

    def _stream_files(
        self, account: str, region: str, group: str, stream: str | None, since_ms: int = 0
    ) -> list[Path]:
        """The current files of streams written to since then, in the order of their names."""
        if stream is not None:
            path = log_paths.stream_file(self.root, account, region, group, stream)
            return [path] if path.exists() else []
        folder = log_paths.group_folder(self.root, account, region, group)
        return sorted(
            Path(entry.path)
            for entry in _scan(folder)
            if entry.name.endswith(log_paths.SUFFIX) and _modified_ms(entry) >= since_ms - COARSE_MS
        )


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def _state(stats: list[os.stat_result]) -> tuple[int, ...]:
    return tuple(n for stat in stats for n in (stat.st_size, stat.st_mtime_ns))


def _modified_ms(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime * 1000
    except FileNotFoundError:  # expired between the two calls
        return -math.inf


def _full_name(path: Path, coded: str) -> str:
    if log_paths.is_cut(coded):
        try:
            where = log_paths.name_file(path)
            return where.read_text(encoding="utf-8", errors="surrogatepass")
        except OSError:
            return coded
    return log_paths.name_of(coded)


def _by_ingest(event: LogEvent) -> int:
    return event.ingest_ms


def _by_time(event: LogEvent) -> int:
    return event.time_ms


def _written(events: Iterator[LogEvent], upto_ms: int | None) -> Iterator[LogEvent]:
    """Only whole batches of the writer."""
    for event in events:
        if upto_ms is not None and event.ingest_ms > upto_ms:
            return
        yield event


def _until_before(events: Iterator[LogEvent], since_ms: int) -> Iterator[LogEvent]:
    """Reading backward, nothing ingested before `since_ms` can have happened after it."""
    for event in events:
        if event.ingest_ms < since_ms:
            return
        yield event


def _in_order(events: Iterator[LogEvent], newest: bool) -> Iterator[LogEvent]:  # noqa: FBT001
    """Nearly sorted events sorted, with a window of bounded size."""
    held: list[LogEvent] = []
    for event in events:
        held.append(event)
        if len(held) == 2 * REORDER:
            held.sort(key=_by_time, reverse=newest)
            yield from held[:REORDER]
            del held[:REORDER]
    held.sort(key=_by_time, reverse=newest)
    yield from held


def _take(
    events: Iterable[LogEvent],
    limit: int,
    edge_ms: int | None,
    newest: bool,  # noqa: FBT001
) -> list[LogEvent]:
    """Up to `limit` events and MAX_BYTES, ending where others are known to come before."""
    taken: list[LogEvent] = []
    size = 0
    for event in events:
        if len(taken) >= limit or size >= MAX_BYTES:
            break
        if edge_ms is not None and (event.time_ms < edge_ms if newest else event.time_ms > edge_ms):
            break
        taken.append(event)
        size += len(event.message)
    return taken


def _trim(events: list[LogEvent], limit: int, newest: bool) -> list[LogEvent]:  # noqa: FBT001
    """The first (or last) of sorted events that fit; at least one, however long."""
    kept: list[LogEvent] = []
    size = 0
    for event in reversed(events) if newest else events:
        size += len(event.message)
        if len(kept) >= limit or (kept and size > MAX_BYTES):
            break
        kept.append(event)
    return kept[::-1] if newest else kept
