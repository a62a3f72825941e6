"""Log streams and their events, as CloudWatch Logs' operations see them.

A stream exists because something was written to it (a file) or because it was made by hand (a row
of `control.log_groups`); here the two are one. Groups, retention and tags are `control`'s, what a
page of events is `log_pages`', what a batch must be `log_put`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple, TypeVar

from lambent.clock import Clock
from lambent.control.log_groups import NO_STREAM, LogGroups
from lambent.control.names import Scope
from lambent.errors import ResourceAlreadyExists, ResourceNotFound
from lambent.observe import log_pages, log_paths, log_put
from lambent.observe.log_files import LogFiles
from lambent.observe.log_order import Found, Key
from lambent.observe.log_pages import Group, Page, Range
from lambent.observe.log_put import NewEvent, Verdict
from lambent.observe.log_reader import Position, StreamInfo
from lambent.observe.log_scan import LogEvent
from lambent.observe.logs import LogStore

T = TypeVar("T")

READERS: Final = 2
"""Threads that read logs for CloudWatch's operations."""


class Stream(NamedTuple):
    """One stream of a list; without `info` it has no events."""

    name: str
    created_ms: int
    info: StreamInfo | None


class LogStreams:
    """The streams of all log groups.

    What reads flushes first: an event that was printed before is seen, and a group that comes back
    with it is there.
    """

    def __init__(self, groups: LogGroups, store: LogStore, clock: Clock) -> None:
        self.groups = groups
        self.store = store
        self.ending = False
        """The server drains: whoever follows a log comes to an end."""
        self._clock = clock
        # Of their own: searches of big logs must not stand in the way of cold starts.
        self._executor = ThreadPoolExecutor(READERS, "lambent-log-read")

    def end_following(self) -> None:
        """Before the drain, which would otherwise wait for those who only watch."""
        self.ending = True

    def close(self) -> None:
        """After the last request."""
        self._executor.shutdown()

    async def follow(
        self, scope: Scope, group: str, position: Position, upto_ms: int
    ) -> tuple[list[LogEvent], Position]:
        """What was written to a group since `position` and until `upto_ms`."""
        follow = partial(self.store.reader.follow, *scope, group, position, upto_ms=upto_ms)
        return await self._in_thread(follow)

    async def _in_thread(self, read: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, read)

    async def create(self, scope: Scope, group: str, name: str) -> None:
        await self.store.flush()
        self.groups.get(scope, group)
        if self._has_file(scope, group, name) or not await self.groups.add_stream(
            scope, group, name
        ):
            raise ResourceAlreadyExists("The specified log stream already exists")

    async def delete(self, scope: Scope, group: str, name: str) -> None:
        """An environment that still writes to it begins it anew, as on AWS."""
        await self._existing(scope, group, name)
        await self.groups.delete_stream(scope, group, name)
        path = log_paths.stream_file(self.store.root, *scope, group, name)
        await self.store.alter(lambda files, _: files.remove_stream(path))

    async def delete_group(self, scope: Scope, name: str) -> None:
        await self.groups.delete(scope, name)
        folder = log_paths.group_folder(self.store.root, *scope, name)
        await self.store.alter(lambda files, _: files.remove_group(folder))

    async def all(self, scope: Scope, group: str) -> list[Stream]:
        """In no order."""
        await self.store.flush()
        self.groups.get(scope, group)
        made = await self.groups.streams(scope, group)
        infos = await self._in_thread(partial(self.store.reader.streams, *scope, group))
        found = {
            info.name: Stream(info.name, made.get(info.name, info.first_ms), info) for info in infos
        }
        empty = [Stream(name, ms, None) for name, ms in made.items() if name not in found]
        return [*found.values(), *empty]

    async def stored_bytes(self, scope: Scope, groups: list[str]) -> list[int]:
        reader = self.store.reader

        def count() -> list[int]:
            return [reader.stored_bytes(*scope, name) for name in groups]

        return await self._in_thread(count)

    async def put(self, scope: Scope, group: str, name: str, events: list[NewEvent]) -> Verdict:
        """Returns once what is taken of the events is in its file."""
        kept_from_ms = self.groups.oldest_kept_ms(self.groups.get(scope, group))
        now_ms = self._clock.time_ms()
        verdict = log_put.judge(events, now_ms, kept_from_ms)
        await self._existing(scope, group, name)
        taken = events[verdict.first : verdict.last]
        if taken:
            path = log_paths.stream_file(self.store.root, *scope, group, name)

            def write(files: LogFiles, ingest_ms: int) -> None:
                names = (group, name)
                log_put.write(files, self.store.reader, path, names, taken, ingest_ms, now_ms)

            await self.store.alter(write)
        return verdict

    async def read(
        self,
        scope: Scope,
        group: str,
        name: str,
        edge: Key,
        span: Range,
        limit: int,
        *,
        back: bool,
    ) -> list[Found]:
        """Events of one stream, ascending, from `edge` on or back from it."""
        await self.store.flush()
        await self._existing(scope, group, name)
        page = partial(log_pages.stream_page, self.store.reader, Group(*scope, group), name)
        span = self._kept(scope, group, span)
        return await self._in_thread(partial(page, edge, span, limit, back=back))

    async def search(
        self,
        scope: Scope,
        group: str,
        edge: Key | None,
        span: Range,
        limit: int,
        *,
        back: bool,
        wanted: Callable[[str], bool],
        matches: Callable[[str], bool] | None,
    ) -> Page:
        """Events of all wanted streams, in the order of the search."""
        await self.store.flush()
        span = self._kept(scope, group, span)
        page = partial(log_pages.group_page, self.store.reader, Group(*scope, group), edge, span)
        return await self._in_thread(
            partial(page, limit, back=back, wanted=wanted, matches=matches)
        )

    def _kept(self, scope: Scope, group: str, span: Range) -> Range:
        oldest = self.groups.oldest_kept_ms(self.groups.get(scope, group))
        return span._replace(since_ms=max(span.since_ms, oldest))

    async def _existing(self, scope: Scope, group: str, name: str) -> None:
        self.groups.get(scope, group)
        if not self._has_file(scope, group, name) and not await self.groups.has_stream(
            scope, group, name
        ):
            raise ResourceNotFound(NO_STREAM)

    def _has_file(self, scope: Scope, group: str, name: str) -> bool:
        path = log_paths.stream_file(self.store.root, *scope, group, name)
        return path.exists() or log_paths.rotated(path).exists()
