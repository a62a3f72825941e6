"""One SQLite file, one writer thread, and commits that many changes share.

A change is a plain function over a connection. The writer takes every change that is waiting,
runs each in a savepoint of one transaction, commits once (`synchronous=FULL`: one fsync for all)
and only then resolves their futures: what has been awaited survives `kill -9` and a power cut.
Queries run on a reader thread with a connection of its own, which WAL lets proceed beside writes.
The tables are in `migrations/`; who writes them, in `functions.py`, `event_queue.py` and so on.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw

from lambent.errors import ConfigurationError
from lambent.store import schema
from lambent.store.sealing import Sealer, register

T = TypeVar("T")

MAX_GROUP = 512
"""Changes in one commit: enough to amortise the fsync, few enough that none waits long."""
BUSY_MS = 5_000
"""How long a lock of another program (a backup, the sqlite3 shell) is waited for."""


@dataclass(slots=True, eq=False)
class _Change:
    run: Callable[[apsw.Connection], Any]
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Database:
    """The seam to SQLite: `write` and `read`, awaitable from one event loop."""

    def __init__(
        self,
        path: Path,
        *,
        migrations: list[schema.Migration] | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        """`sealer` None keeps all documents readable."""
        self.path = path
        self._sealer = sealer
        self._migrations = schema.load() if migrations is None else migrations
        self._changes: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._reader: apsw.Connection | None = None
        self._lock = -1
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Lock the file against a second server, bring its schema up to date, start the threads."""
        self._loop = asyncio.get_running_loop()
        readers = ThreadPoolExecutor(1, thread_name_prefix="lambent-db-read")
        try:
            writing = await self._loop.run_in_executor(readers, self._prepare)
        except BaseException as error:
            readers.shutdown()
            self._release_lock()
            if isinstance(error, (apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError)):
                raise ConfigurationError(
                    f"the database {self.path} cannot be used: {error}",
                    code="STORE_UNUSABLE",
                    fix="put back a copy of the data directory, or start with another one",
                ) from error
            raise
        self._readers = readers
        self._writer = threading.Thread(
            target=self._write_forever, args=(writing,), name="lambent-db-write", daemon=True
        )
        self._writer.start()

    async def close(self) -> None:
        """Finish the writes that were handed over, then let go of the file."""
        if self._writer is None or self._readers is None or self._loop is None:
            return
        writer, readers, self._writer, self._readers = self._writer, self._readers, None, None
        self._changes.put(None)
        await self._loop.run_in_executor(readers, writer.join)
        if self._reader is not None:
            await self._loop.run_in_executor(readers, self._reader.close)
            self._reader = None
        readers.shutdown()
        self._release_lock()

    async def write(self, change: Callable[[apsw.Connection], T]) -> T:
        """Run `change` in the writer thread; returns its result once it is durable.

        An exception of `change` undoes that change alone and is raised here. `change` must touch
        nothing but the connection: when the disk fills up inside a group it is run a second time
        on its own. Cancelling the caller does not undo a change that was handed over.
        """
        if self._writer is None or self._loop is None:
            raise RuntimeError("the database is not open")
        done: asyncio.Future[T] = self._loop.create_future()
        self._changes.put(_Change(change, done))
        return await done

    async def read(self, query: Callable[[apsw.Connection], T]) -> T:
        """Run `query` on the reader connection, which sees every write awaited before."""
        if self._readers is None or self._loop is None or self._reader is None:
            raise RuntimeError("the database is not open")
        return await self._loop.run_in_executor(self._readers, query, self._reader)

    async def check(self) -> None:
        """Returns once something has been made durable; raises what prevents it."""
        # A change of the file's header that changes nothing: an empty transaction would not write.
        await self.write(lambda connection: connection.execute("PRAGMA application_id = 0"))

    def _prepare(self) -> apsw.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        # Environment variables of functions are in here: for the server's own user only. SQLite
        # gives its -wal and -shm the same mode.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        writing = _connect(self.path, self._sealer)
        try:
            schema.migrate(writing, self._migrations)
            self._reader = _connect(self.path, self._sealer)
            self._reader.pragma("query_only", True)
        except BaseException:
            writing.close()
            raise
        return writing

    def _take_lock(self) -> None:
        lock = self.path.with_name(self.path.name + ".lock")
        self._lock = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            # A record lock, not flock: children forked from this process must not keep it alive.
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigurationError(
                f"another lambent server is using {self.path.parent}",
                code="DATA_DIR_IN_USE",
                fix="stop it with `lambent down`, or give this one another data_dir",
            ) from None

    def _release_lock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _write_forever(self, connection: apsw.Connection) -> None:
        try:
            while (first := self._changes.get()) is not None:
                group, last = self._gather(first)
                _commit(connection, group)
                self._settle(group)
                if last:
                    break
        finally:
            connection.close()

    def _gather(self, first: _Change) -> tuple[list[_Change], bool]:
        """All changes that are waiting now, and whether the end was among them."""
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                break
            if change is None:
                return group, True
            group.append(change)
        return group, False

    def _settle(self, group: list[_Change]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, group)
        except RuntimeError:
            # The loop is closed: nobody waits any more, and the changes are committed all the same.
            return


def _connect(path: Path, sealer: Sealer | None) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL")
    connection.pragma("foreign_keys", True)
    register(connection, sealer)
    return connection


def _commit(connection: apsw.Connection, group: list[_Change]) -> None:
    """One transaction for the group; if that cannot be committed, one for each."""
    try:
        _transact(connection, group)
    except apsw.Error as error:
        if len(group) == 1:
            group[0].error = error
            return
        for change in group:
            _commit(connection, [change])


def _transact(connection: apsw.Connection, group: list[_Change]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for change in group:
            change.error = None
            connection.execute("SAVEPOINT change")
            try:
                change.result = change.run(connection)
            except BaseException as error:
                # A full disk ends the whole transaction, and with it the changes before this one.
                if not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO change")
                change.error = error
            connection.execute("RELEASE change")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _resolve(group: list[_Change]) -> None:
    for change in group:
        if change.done.done():
            continue
        if change.error is not None:
            change.done.set_exception(change.error)
        else:
            change.done.set_result(change.result)
