import asyncio
import contextlib
import os

import pytest

from lambent.clock import ManualClock
from lambent.observe import log_paths
from lambent.observe.log_pages import Group
from lambent.observe.log_sweep import LogSweeper
from lambent.observe.logs import LogStore, format_line

GROUP = Group("123456789012", "us-east-1", "/aws/lambda/f")
NOW = 1_700_000_000_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def run(tmp_path):
    def run(main, **options):
        async def whole():
            clock = ManualClock(NOW)
            store = LogStore(tmp_path / "logs", clock, **options)
            await store.start()
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(store.close)
                return await main(store, clock)

        return asyncio.run(asyncio.wait_for(whole(), 100))

    return run


def sweeper(store, clock, *, days=None, total_bytes=0):
    kept = [] if days is None else [(GROUP, NOW - days * DAY_MS)]
    return LogSweeper(store, lambda: kept, clock, total_bytes)


def texts(store):
    return [event.message for event in store.reader.events(*GROUP)]


def file_of(store, stream):
    return log_paths.stream_file(store.root, *GROUP, stream)


def lay(store, stream, events, *, mtime=None, rotated=False):
    """A stream's file as an earlier life of the server left it; events are (time, text)."""
    path = file_of(store, stream)
    path.parent.mkdir(parents=True, exist_ok=True)
    if rotated:
        path = log_paths.rotated(path)
    path.write_bytes(b"".join(format_line(time, time, text) for time, text in events))
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def test_expired_streams_are_deleted_with_all_that_stands_beside_them(run):
    async def main(store, clock):
        long = "x" * 400
        for name in ("old", long):
            path = file_of(store, name)
            store.open(*GROUP, name).append(NOW - 2 * DAY_MS, b"old")
            await store.flush()
            log_paths.rotated(path).write_bytes(format_line(NOW - 3 * DAY_MS, 1, "older"))
        store.open(*GROUP, "new").append(NOW - HOUR_MS, b"new")
        await store.flush()
        await sweeper(store, clock, days=1).sweep()
        return texts(store), sorted(os.listdir(file_of(store, "new").parent))

    assert run(main) == (["new"], ["new.log"])


def test_the_expired_head_of_a_living_stream_is_cut_off(run):
    async def main(store, clock):
        path = lay(
            store, "s", [(NOW - 4 * DAY_MS + i, f"old {i}" + "x" * 1000) for i in range(300)]
        )
        size = path.stat().st_size
        stream = store.open(*GROUP, "s")
        stream.append(NOW, b"new")
        await store.flush()
        await sweeper(store, clock, days=1).sweep()
        assert path.stat().st_size < size // 10
        assert path.stat().st_mode & 0o777 == 0o600
        stream.append(NOW + 1, b"newer")
        await store.flush()
        return texts(store)

    assert run(main) == ["new", "newer"]


def test_an_expired_older_file_goes_alone(run):
    async def main(store, clock):
        older = lay(store, "s", [(NOW - 3 * DAY_MS, "old")], rotated=True)
        lay(store, "s", [(NOW, "new")])
        await sweeper(store, clock, days=1).sweep()
        return older.exists(), texts(store)

    assert run(main) == (False, ["new"])


def test_a_stream_without_order_is_kept_for_its_latest_event(run):
    async def main(store, clock):
        lay(store, "s", [(NOW, "new"), (NOW - 5 * DAY_MS, "old")])
        path = file_of(store, "s")
        # The last line is old, but it arrived after the new one.
        path.write_bytes(
            format_line(NOW, NOW, "new") + format_line(NOW - 5 * DAY_MS, NOW + 1, "old")
        )
        log_paths.unsorted_mark(path).touch()
        await sweeper(store, clock, days=1).sweep()
        return "new" in texts(store)

    assert run(main)


def test_the_oldest_are_deleted_until_the_rest_fits(run):
    async def main(store, clock):
        for i in range(50):
            lay(store, f"s{i:02}", [(NOW + i, f"{i:02} " + "x" * 20_000)], mtime=1_600_000_000 + i)
        await sweeper(store, clock, total_bytes=500_000).sweep()
        kept = [text[:2] for text in texts(store)]
        total = sum(path.stat().st_blocks * 512 for path in store.root.rglob("*.log"))
        assert total <= 450_000
        return kept

    kept = run(main)
    assert kept == [f"{i:02}" for i in range(50 - len(kept), 50)]
    assert len(kept) > 10


def test_small_files_count_for_what_they_take(run):
    """Each takes a block of the disk, whatever it holds."""

    async def main(store, clock):
        for i in range(100):
            lay(store, f"s{i:02}", [(NOW, "x")], mtime=1_600_000_000 + i)
        await sweeper(store, clock, total_bytes=50 * 4096).sweep()
        return len(list(store.root.rglob("*.log")))

    assert run(main) <= 50


def test_a_living_stream_whose_file_is_deleted_goes_on(run):
    async def main(store, clock):
        stream = store.open(*GROUP, "s")
        for i in range(100):
            stream.append(NOW + i, b"x" * 10_000)
        await store.flush()
        await sweeper(store, clock, total_bytes=100_000).sweep()
        assert texts(store) == []
        stream.append(NOW + 200, b"after")
        await store.flush()
        return texts(store)

    assert run(main) == ["after"]


def test_a_file_written_to_since_it_was_chosen_is_spared(run):
    async def main(store, clock):
        sweep = sweeper(store, clock, total_bytes=1)
        stream = store.open(*GROUP, "s")
        stream.append(NOW, b"first")
        await store.flush()
        path = file_of(store, "s")
        os.utime(path, (1, 1))
        # In the queue before the deletion, and so in the file before it.
        survey = asyncio.create_task(sweep.sweep())
        stream.append(NOW + 1, b"second")
        await survey
        await store.flush()
        return texts(store)

    assert run(main) in (["first", "second"], ["second"], [])


@pytest.mark.slow
def test_a_noisy_function_wakes_the_sweep(run):
    """By what it has written, not by the minute."""

    async def main(store, clock):
        sweep = sweeper(store, clock, total_bytes=1_000_000)
        task = asyncio.create_task(sweep.run())
        await asyncio.sleep(0.2)
        for n in range(40):
            stream = store.open(*GROUP, f"s{n:02}")
            for i in range(10):
                stream.append(NOW + i, b"x" * 10_000)
            await store.flush()
            for _ in range(6):
                await asyncio.sleep(0.005)
            await clock.advance(1.0)
            while task.get_coro().cr_await is None:
                await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return sum(path.stat().st_size for path in store.root.rglob("*.log"))

    # 4 MB were written in 40 simulated seconds.
    assert run(main) < 2_000_000


def test_what_a_cut_deletion_left_is_cleared(run):
    async def main(store, clock):
        lay(store, "s", [(NOW, "x")])
        aside = file_of(store, "s").parent.with_name(".gone.gone")
        aside.mkdir()
        (aside / "s.log").write_text("x")
        await sweeper(store, clock).sweep()
        return aside.exists(), texts(store)

    assert run(main) == (False, ["x"])


def test_a_disk_that_refuses_does_not_end_the_sweeper(run):
    async def main(store, clock):
        path = lay(store, "s", [(NOW - 9 * DAY_MS, "x")])
        log_paths.rotated(path).mkdir()  # which cannot be unlinked
        await sweeper(store, clock, days=1).sweep()
        log_paths.rotated(path).rmdir()
        await sweeper(store, clock, days=1).sweep()
        return path.exists()

    assert not run(main)
