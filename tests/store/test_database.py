"""The database keeps what it acknowledged, one change at a time, many to a commit."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading

import apsw
import pytest

from lambent.errors import ConfigurationError
from lambent.store import schema
from lambent.store.database import Database

NOTES = [schema.Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")]


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


def insert(number, text=""):
    return lambda c: c.execute("INSERT INTO notes VALUES (?, ?)", (number, text)).fetchall()


def all_ids(c):
    return [row[0] for row in c.execute("SELECT id FROM notes ORDER BY id")]


def test_read_sees_what_was_awaited(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        try:
            await db.write(insert(1))
            assert await db.read(all_ids) == [1]
        finally:
            await db.close()

    run(main())


def test_a_failed_change_undoes_itself_alone(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        gate = threading.Event()
        blocker = asyncio.ensure_future(db.write(lambda _: gate.wait(30)))

        def half(c):
            c.execute("INSERT INTO notes VALUES (100, '')")
            raise LookupError("no")

        try:
            # All of these wait behind the blocker and so share one commit.
            group = [db.write(insert(1)), db.write(half), db.write(insert(1)), db.write(insert(2))]
            pending = [asyncio.ensure_future(w) for w in group]
            await asyncio.sleep(0)
            gate.set()
            await blocker
            done = await asyncio.gather(*pending, return_exceptions=True)
            assert isinstance(done[1], LookupError)
            assert isinstance(done[2], apsw.ConstraintError)
            assert await db.read(all_ids) == [1, 2]
        finally:
            gate.set()
            await db.close()

    run(main())


def test_changes_that_wait_share_one_commit(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        commits = []
        await db.write(lambda c: c.set_commit_hook(lambda: bool(commits.append(1))))
        gate = threading.Event()
        blocker = asyncio.ensure_future(db.write(lambda _: gate.wait(30)))
        try:
            pending = [asyncio.ensure_future(db.write(insert(n))) for n in range(200)]
            await asyncio.sleep(0)
            gate.set()
            await asyncio.gather(blocker, *pending)
            assert len(await db.read(all_ids)) == 200
            assert len(commits) <= 3
        finally:
            gate.set()
            await db.close()

    run(main())


def test_a_full_database_fails_the_change_that_does_not_fit_and_keeps_the_rest(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        await db.write(lambda c: c.pragma("max_page_count", 20))
        gate = threading.Event()
        blocker = asyncio.ensure_future(db.write(lambda _: gate.wait(30)))
        try:
            texts = ["small", "x" * 1_000_000, "small too"]
            pending = [asyncio.ensure_future(db.write(insert(n, t))) for n, t in enumerate(texts)]
            await asyncio.sleep(0)
            gate.set()
            await blocker
            done = await asyncio.gather(*pending, return_exceptions=True)
            assert isinstance(done[1], apsw.FullError)
            assert await db.read(all_ids) == [0, 2]
        finally:
            gate.set()
            await db.close()

    run(main())


def test_close_finishes_what_was_handed_over(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        pending = [asyncio.ensure_future(db.write(insert(n))) for n in range(50)]
        await asyncio.sleep(0)
        await db.close()
        await asyncio.gather(*pending)
        with pytest.raises(RuntimeError):
            await db.write(insert(99))
        again = Database(tmp_path / "db", migrations=NOTES)
        await again.open()
        try:
            assert await again.read(all_ids) == list(range(50))
        finally:
            await again.close()

    run(main())


def test_a_cancelled_caller_neither_stops_nor_breaks_the_writer(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        try:
            task = asyncio.ensure_future(db.write(insert(1)))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await db.write(insert(2))
            assert await db.read(all_ids) == [1, 2]
        finally:
            await db.close()

    run(main())


def test_the_reader_cannot_write(tmp_path):
    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        try:
            with pytest.raises(apsw.ReadOnlyError):
                await db.read(insert(1))
        finally:
            await db.close()

    run(main())


def test_only_the_owner_may_read_the_files(tmp_path):
    async def main():
        db = Database(tmp_path / "data" / "db", migrations=NOTES)
        await db.open()
        try:
            await db.write(insert(1))
            for file in (tmp_path / "data").iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        finally:
            await db.close()

    run(main())


def test_migrations_are_applied_once_and_in_order(tmp_path):
    more = [*NOTES, schema.Migration(2, "extra", "ALTER TABLE notes ADD COLUMN extra TEXT")]

    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        await db.write(insert(1))
        await db.close()
        db = Database(tmp_path / "db", migrations=more)
        await db.open()
        assert await db.read(lambda c: c.execute("SELECT * FROM notes").fetchall()) == [
            (1, "", None)
        ]
        await db.close()
        with pytest.raises(ConfigurationError, match="schema 2"):
            await Database(tmp_path / "db", migrations=NOTES).open()

    run(main())


def test_a_migration_that_comes_late_is_applied_all_the_same(tmp_path):
    early = [*NOTES, schema.Migration(4, "late", "ALTER TABLE notes ADD COLUMN late TEXT")]
    more = [*early, schema.Migration(3, "gap", "ALTER TABLE notes ADD COLUMN gap TEXT")]

    async def main():
        for known in (early, sorted(more), sorted(more)):
            db = Database(tmp_path / "db", migrations=known)
            await db.open()
            await db.write(lambda c: c.execute("INSERT INTO notes (late) VALUES ('x')").fetchall())
            await db.close()
        db = Database(tmp_path / "db", migrations=sorted(more))
        await db.open()
        assert len(await db.read(lambda c: c.execute("SELECT gap FROM notes").fetchall())) == 3
        await db.close()

    asyncio.run(main())


def test_a_file_from_before_the_numbers_were_kept_goes_on_from_its_version(tmp_path):
    connection = apsw.Connection(str(tmp_path / "db"))
    connection.execute(NOTES[0].sql)
    connection.pragma("user_version", 1)
    connection.close()

    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        assert await db.read(lambda c: c.pragma("user_version")) == 1
        await db.close()

    asyncio.run(main())


def test_a_broken_migration_leaves_the_file_as_it_was(tmp_path):
    broken = [*NOTES, schema.Migration(2, "bad", "CREATE TABLE more (x); CREATE TABLE notes (x)")]

    async def main():
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        await db.close()
        with pytest.raises(apsw.SQLError):
            await Database(tmp_path / "db", migrations=broken).open()
        db = Database(tmp_path / "db", migrations=NOTES)
        await db.open()
        try:
            tables = await db.read(lambda c: c.execute("SELECT name FROM sqlite_master").fetchall())
            assert tables == [("applied_migrations",), ("notes",)]
        finally:
            await db.close()

    run(main())


def test_the_released_migrations_apply(tmp_path):
    async def main():
        db = Database(tmp_path / "db")
        await db.open()
        try:
            newest = max(migration.number for migration in schema.load())
            assert await db.read(lambda c: c.pragma("user_version")) == newest
            assert await db.read(lambda c: c.pragma("journal_mode")) == "wal"
            assert await db.read(lambda c: c.pragma("synchronous")) == 2
        finally:
            await db.close()

    run(main())


CHILD = """
import asyncio, sys
from pathlib import Path
from lambent.store import schema
from lambent.store.database import Database

NOTES = [schema.Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")]

async def main():
    db = Database(Path(sys.argv[1]), migrations=NOTES)
    await db.open()
    async def one(start):
        n = start
        while True:
            await db.write(lambda c: c.execute("INSERT INTO notes VALUES (?, ?)", (n, "x" * 500)))
            print(n, flush=True)
            n += 8
    await asyncio.gather(*(one(i) for i in range(8)))

asyncio.run(main())
"""


def test_kill_9_in_the_middle_of_writing_loses_nothing_acknowledged(tmp_path):
    for round_number in range(3):
        path = tmp_path / f"db{round_number}"
        child = subprocess.Popen([sys.executable, "-c", CHILD, path], stdout=subprocess.PIPE)
        try:
            lines = [child.stdout.readline() for _ in range(150 * (round_number + 1))]
            os.kill(child.pid, signal.SIGKILL)
            lines += child.stdout.readlines()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        acknowledged = {int(line) for line in lines if line.endswith(b"\n")}

        async def main(path=path, acknowledged=acknowledged):
            db = Database(path, migrations=NOTES)
            await db.open()
            try:
                assert await db.read(lambda c: c.pragma("integrity_check")) == "ok"
                assert acknowledged <= set(await db.read(all_ids))
                assert len(acknowledged) >= 100
            finally:
                await db.close()

        run(main())


def test_a_second_server_on_the_same_data_is_refused(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path / "db"], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()

        async def main():
            with pytest.raises(ConfigurationError, match="another lambent server"):
                await Database(tmp_path / "db", migrations=NOTES).open()

        run(main())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
