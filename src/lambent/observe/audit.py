"""The audit trail on disk: one JSON line per API call, as it came.

`append` costs its caller one tuple on one list; a thread of its own encodes, writes and rotates.
Files are `audit.jsonl` and, before it, `audit-<ms>.jsonl`, readable for the owner alone. When the
disk does not keep up, records are dropped and counted, and the count stands in the trail. What a
record holds is `api/audit_records`'s knowledge; reading is `read`, newest first.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

log = structlog.get_logger()

FILE_BYTES: Final = 32 * 1024 * 1024
FILES_MAX: Final = 16
GATHER_S: Final = 0.05
PENDING_MAX: Final = 50_000
"""Records, of which each has some hundred bytes of memory."""
CURRENT: Final = "audit.jsonl"

Record = Mapping[str, Any]
_encode = msgspec.json.Encoder().encode


class AuditTrail:
    """Appends from any thread; `close` writes what is left."""

    def __init__(
        self, root: Path, *, file_bytes: int = FILE_BYTES, files_max: int = FILES_MAX
    ) -> None:
        self.root = root
        self._file_bytes = file_bytes
        self._files_max = files_max
        self._pending: list[Callable[[], Record]] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._written = threading.Condition(self._lock)
        self._writing = False
        self._dropped = 0
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._thread = threading.Thread(target=self._run, name="lambent-audit", daemon=True)
        self._thread.start()

    def append(self, make: Callable[[], Record]) -> None:
        """`make` is called in the writer's thread."""
        with self._lock:
            if len(self._pending) >= PENDING_MAX:
                self._dropped += 1
                return
            self._pending.append(make)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, timeout_s: float = 10.0) -> None:
        """Blocks until what was appended before is in the file."""
        end = time.monotonic() + timeout_s
        with self._written:
            while (self._pending or self._writing) and (left := end - time.monotonic()) > 0:
                self._written.wait(left)

    def close(self) -> None:
        if self._thread is None:
            return
        self._closing = True
        self._wake.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            if not self._closing:
                time.sleep(GATHER_S)
            self._wake.clear()
            self._take()
        self._take()

    def _take(self) -> None:
        with self._lock:
            taken, self._pending = self._pending, []
            dropped, self._dropped = self._dropped, 0
            self._writing = True
        try:
            if taken or dropped:
                self._write(taken, dropped)
        except OSError as error:
            log.error("audit.not_written", records=len(taken), why=str(error))
        finally:
            with self._written:
                self._writing = False
                self._written.notify_all()

    def _write(self, taken: list[Callable[[], Record]], dropped: int) -> None:
        lines = []
        for make in taken:
            try:
                lines.append(_encode(make()) + b"\n")
            except Exception:
                # One record's mistake must not cost the others.
                log.exception("audit.record_failed")
        if dropped:
            lines.append(_encode({"eventName": "RecordsDropped", "count": dropped}) + b"\n")
        path = self.root / CURRENT
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "ab") as file:
            file.write(b"".join(lines))
            full = file.tell() >= self._file_bytes
        if full:
            self._rotate(path)

    def _rotate(self, path: Path) -> None:
        path.rename(self.root / f"audit-{time.time_ns() // 1_000_000:015d}.jsonl")
        for old in _files(self.root)[self._files_max - 1 :]:
            old.unlink(missing_ok=True)


def read(root: Path, wanted: Callable[[dict[str, Any]], bool], limit: int) -> list[dict[str, Any]]:
    """The newest `limit` records that are wanted, earliest first. Blocking."""
    found: list[dict[str, Any]] = []
    for record in _newest_first(root):
        if wanted(record):
            found.append(record)
            if len(found) >= limit:
                break
    return found[::-1]


def _newest_first(root: Path) -> Iterator[dict[str, Any]]:
    current = root / CURRENT
    for path in (current, *_files(root)):
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        for line in reversed(lines):
            try:
                yield msgspec.json.decode(line)
            except msgspec.DecodeError:  # a line that a crash cut off
                continue


def _files(root: Path) -> list[Path]:
    """The rotated ones, newest first."""
    return sorted(root.glob("audit-*.jsonl"), reverse=True)
