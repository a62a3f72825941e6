"""What functions and the platform print, on its way to files: `LogStream.append` and its writer.

`append` is on the hot path of every invoke: one tuple onto one list. A writer thread takes what
has gathered, every few milliseconds, and appends it to one file per stream (`log_files`). Memory is
bounded, for all streams and for each: when a function prints faster than the disk takes it, events
are dropped, counted, and the count stands in the stream where they are missing. Reading is
`log_reader`'s. All methods but the writer's belong to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from lambent.clock import Clock
from lambent.observe import log_paths
from lambent.observe.log_files import LogFiles
from lambent.observe.log_reader import LogReader

log = structlog.get_logger()

GATHER_S: Final = 0.02
"""How long events gather before they are written: the most that a reader lags behind."""
MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
MAX_STREAM_BYTES: Final = 8 * 1024 * 1024
EVENT_COST: Final = 120
"""Bytes of memory that an event takes besides its text."""
CHUNK_EVENTS: Final = 256
CHUNK_BYTES: Final = 1024 * 1024
Result = TypeVar("Result")

YIELD_S: Final = 0.0005
"""The writer sleeps this long between chunks: it would otherwise keep taking the interpreter's
lock back before the event loop, which waits for it, is awake."""

_encode = msgspec.json.Encoder().encode


class LogStream:
    """One environment's log. Counters have one writer each: the loop or the writer thread."""

    __slots__ = (
        "_accepted", "_dropped", "_last_ms", "_limit", "_lost", "_names", "_path", "_store", "_told",
        "_written",
    )  # fmt: skip

    def __init__(self, store: LogStore, path: Path, names: tuple[str, str], limit: int) -> None:
        self._store = store
        self._path = path
        self._names = names
        self._limit = limit
        self._accepted = 0
        self._written = 0
        self._dropped = 0
        """Refused for want of memory; counted by the loop."""
        self._lost = 0
        """Refused by the disk; counted by the writer, as is how many of both it has told."""
        self._told = 0
        self._last_ms = 0
        """Time of the event written last; the writer's."""

    @property
    def group(self) -> str:
        return self._names[0]

    @property
    def name(self) -> str:
        return self._names[1]

    def append(self, time_ms: int, message: bytes) -> None:
        """One event; no newline at its end. Never blocks and never fails."""
        store = self._store
        size = len(message) + EVENT_COST
        if (
            self._accepted - self._written > self._limit
            or store._accepted - store._written > store._limit  # noqa: SLF001  one thing in two classes
        ):
            self._dropped += 1
            store._refused += 1  # noqa: SLF001
            store._starved.add(self)  # noqa: SLF001
            return
        self._accepted += size
        store._accepted += size  # noqa: SLF001
        store._pending.append((self, time_ms, message))  # noqa: SLF001
        if not store._awake:  # noqa: SLF001
            store._awaken()  # noqa: SLF001


_Pending = tuple[LogStream, int, bytes]


class LogStore:
    """All log streams of a server, under one folder."""

    def __init__(
        self,
        root: Path,
        clock: Clock,
        max_mb: int = 64,
        *,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        max_stream_bytes: int = MAX_STREAM_BYTES,
    ) -> None:
        self.root = root
        self.reader = LogReader(root)
        self._clock = clock
        self._limit = max_pending_bytes
        self._stream_limit = max_stream_bytes
        self.on_group: Callable[[str, str, str], None] = lambda _account, _region, _group: None
        """Hears, on the loop, of each group that is written to; it may know it already."""
        self._files = LogFiles(max_mb * 1024 * 1024, on_folder=self._folder_made)
        self._jobs: deque[Callable[[LogFiles, int], None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[_Pending] = []
        self._starved: set[LogStream] = set()
        """Streams that have dropped events since the writer last looked."""
        self._accepted = 0
        self._written = 0
        self._awake = False
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._flushes: deque[tuple[int, Callable[[], None]]] = deque()
        self._refused = 0
        """Events for which there was no memory; counted by the loop."""
        self._lost = 0
        """Events that the disk did not take; counted by the writer."""
        self._ingest_ms = 0
        self._failing = False
        self._thread: threading.Thread | None = None

    def open(self, account: str, region: str, group: str, stream: str) -> LogStream:
        """A stream to append to; its file is made with its first event."""
        self.on_group(account, region, group)
        path = log_paths.stream_file(self.root, account, region, group, stream)
        return LogStream(self, path, (group, stream), self._stream_limit)

    async def start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._loop = asyncio.get_running_loop()
        # A thread and not a task: disks block. A daemon, so that a dead disk cannot hold the exit.
        self._thread = threading.Thread(
            target=self._write_forever, name="lambent-log-write", daemon=True
        )
        self._thread.start()

    async def flush(self) -> None:
        """Returns once everything appended before is in its file (or dropped, if it cannot be)."""
        if self._thread is None:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def resolve() -> None:
            # A loop that is gone waits for nothing.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set, done, None)

        self._flushes.append((self._accepted, resolve))
        self._hurry.set()
        self._awaken()
        await done

    async def alter(self, job: Callable[[LogFiles, int], Result]) -> Result:
        """Run `job(files, ingest_ms)` in the writer's thread, after what was appended before.

        Whatever changes files besides appending goes this way, so that it never meets a write.
        `ingest_ms` is a batch of its own. What `job` raises is raised here.
        """
        if self._thread is None:
            raise RuntimeError("the log store is not running")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def run(files: LogFiles, ingest_ms: int) -> None:
            try:
                result = job(files, ingest_ms)
            except BaseException as error:  # noqa: BLE001  raised where it is awaited
                settle = partial(_fail, done, error)
            else:
                settle = partial(_set, done, result)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle)

        self._jobs.append(run)
        self._hurry.set()
        self._awaken()
        return await done

    async def close(self) -> None:
        """Write what is there, and stop the writer."""
        if self._thread is None:
            return
        self._closing = True
        await self.flush()
        # The last flush is answered at the end of the writer's loop: the join does not block.
        self._thread.join()
        self._thread = None

    @property
    def written_ms(self) -> int:
        """The ingest time of the last batch that is wholly in its files (see `LogReader.follow`)."""
        return self._ingest_ms

    @property
    def dropped(self) -> int:
        """Events that are in no file, because memory or the disk was full, since the start."""
        return self._refused + self._lost

    @property
    def written_bytes(self) -> int:
        """By this process, of all streams: whoever watches the disk looks at it."""
        return self._files.written_bytes

    def _awaken(self) -> None:
        self._awake = True
        self._wake.set()

    # --- the writer thread ---

    def _write_forever(self) -> None:
        try:
            while not (self._closing and not (self._pending or self._flushes or self._jobs)):
                self._wake.wait()
                self._hurry.wait(0 if self._closing else GATHER_S)
                self._wake.clear()
                self._hurry.clear()
                # From here on an append wakes us again: what it adds is not in this batch.
                self._awake = False
                self._write_pending()
                self._run_jobs()
                self._answer_flushes()
        finally:
            self._files.close()

    def _write_pending(self) -> None:
        count = len(self._pending)
        batch = self._pending[:count]
        del self._pending[:count]  # the loop only ever appends, so these are the same ones
        ingest_ms = max(self._ingest_ms + 1, self._clock.time_ms())
        by_stream: dict[LogStream, list[_Pending]] = {}
        for event in batch:
            by_stream.setdefault(event[0], []).append(event)
        for stream, events in by_stream.items():
            self._write_stream(stream, events, ingest_ms)
        while self._starved:
            starved = self._starved.pop()
            self._append_lines(starved, b"", 0, starved._last_ms, ingest_ms)  # noqa: SLF001
        self._ingest_ms = ingest_ms

    def _run_jobs(self) -> None:
        while self._jobs:
            ingest_ms = max(self._ingest_ms + 1, self._clock.time_ms())
            self._jobs.popleft()(self._files, ingest_ms)
            self._ingest_ms = ingest_ms

    def _folder_made(self, folder: Path, group: str) -> None:
        """A group's first event, or the first since it was deleted."""
        region, account = folder.parent.name, folder.parent.parent.name
        names = log_paths.name_of(account), log_paths.name_of(region), group
        if self._loop is not None:
            # A loop that is gone keeps no groups; the next start finds this one on disk.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.on_group, *names)

    def _write_stream(self, stream: LogStream, events: list[_Pending], ingest_ms: int) -> None:
        start = 0
        while start < len(events):
            if start:
                time.sleep(YIELD_S)
            lines, taken, size = _format(events, start, ingest_ms)
            self._append_lines(stream, lines, taken, events[start][1], ingest_ms)
            start += taken
            stream._last_ms = max(stream._last_ms, events[start - 1][1])  # noqa: SLF001
            stream._written += size  # noqa: SLF001
            self._written += size

    def _append_lines(
        self, stream: LogStream, lines: bytes, count: int, time_ms: int, ingest_ms: int
    ) -> None:
        """Write `count` events, and before them, at the first one's time, how many are missing."""
        missing = stream._dropped + stream._lost - stream._told  # noqa: SLF001
        if missing:
            text = f"[lambent] dropped {missing} events: they came faster than the disk took them"
            lines = format_line(time_ms or self._clock.time_ms(), ingest_ms, text) + lines
        if not lines:
            return
        try:
            self._files.append(stream._path, lines, stream._names)  # noqa: SLF001
        except Exception as error:  # noqa: BLE001  whatever it is, the writer lives and says so
            stream._lost += count  # noqa: SLF001
            self._lost += count
            self._failed(error)
            return
        self._succeeded()
        if missing:
            stream._told += missing  # noqa: SLF001
            log.warning("logs.dropped", group=stream.group, stream=stream.name, events=missing)

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.error("logs.cannot_write", folder=str(self.root), reason=str(error))

    def _succeeded(self) -> None:
        if self._failing:
            self._failing = False
            log.info("logs.can_write_again", folder=str(self.root))

    def _answer_flushes(self) -> None:
        while self._flushes and self._flushes[0][0] <= self._written:
            self._flushes.popleft()[1]()


def _set(done: asyncio.Future[Result], value: Result) -> None:
    if not done.done():
        done.set_result(value)


def _fail(done: asyncio.Future[Result], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def _format(events: list[_Pending], start: int, ingest_ms: int) -> tuple[bytes, int, int]:
    """A chunk of lines from `start` on, how many events are in it, and what they had cost."""
    lines = bytearray()
    cost = 0
    end = start
    while end < len(events) and end - start < CHUNK_EVENTS and len(lines) < CHUNK_BYTES:
        _, time_ms, message = events[end]
        lines += format_line(time_ms, ingest_ms, message.decode("utf-8", "replace"))
        cost += len(message) + EVENT_COST
        end += 1
    return bytes(lines), end - start, cost


def format_line(time_ms: int, ingest_ms: int, text: str) -> bytes:
    """One event as its file keeps it."""
    return b"%d %d %b\n" % (time_ms, ingest_ms, _encode(text))
