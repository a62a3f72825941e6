"""Appending, bounded memory, rotation, torn files, full disks: what reaches the files."""

import asyncio
import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import structlog

from lambent.observe.log_files import LogFiles


def test_what_is_appended_can_be_read_after_a_flush(run_logs):
    async def main(logs):
        stream = logs.open()
        stream.append(1000, b"START")
        stream.append(1001, "ünï\n\tcode 🐑".encode())
        stream.append(1002, b"bad \xff\xfe bytes")
        stream.append(1003, b"")
        await logs.store.flush()
        assert [(e.time_ms, e.message) for e in logs.events()] == [
            (1000, "START"),
            (1001, "ünï\n\tcode 🐑"),
            (1002, "bad \ufffd\ufffd bytes"),
            (1003, ""),
        ]

    run_logs(main)


def test_close_writes_what_was_appended(run_logs, tmp_path):
    async def main(logs):
        for n in range(5000):
            logs.open(f"s{n % 7}").append(n, b"%d" % n)

    run_logs(main)
    found = list((tmp_path / "logs").rglob("*.log"))
    assert len(found) == 7
    assert sum(file.read_bytes().count(b"\n") for file in found) == 5000
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in found)


def test_the_writer_is_woken_without_a_flush(run_logs):
    async def main(logs):
        logs.open().append(1, b"x")
        async with asyncio.timeout(60):
            while not logs.texts():
                await asyncio.sleep(0.01)

    run_logs(main)


def test_no_thread_is_left(run_logs):
    async def main(logs):
        assert any(t.name == "lambent-log-write" for t in threading.enumerate())

    run_logs(main)
    assert not any(t.name == "lambent-log-write" for t in threading.enumerate())


def test_a_stream_that_outruns_the_disk_drops_counts_and_says_so_but_others_do_not(run_logs):
    async def main(logs):
        noisy, quiet = logs.open("noisy"), logs.open("quiet")
        with structlog.testing.capture_logs() as said:
            for _ in range(20_000):
                noisy.append(1, b"x" * 1000)
            quiet.append(1, b"hello")
            await logs.store.flush()
            noisy.append(2, b"after")
            await logs.store.flush()
        texts = logs.texts(stream="noisy")
        told = [t for t in texts if t.startswith("[lambent] dropped ")]
        dropped = sum(int(t.split()[2]) for t in told)
        assert told
        assert dropped > 10_000
        assert len(texts) - len(told) + dropped == 20_001
        assert "after" in texts
        assert logs.texts(stream="quiet") == ["hello"]
        assert sum(entry["events"] for entry in said if entry["event"] == "logs.dropped") == dropped

    run_logs(main, max_stream_bytes=1024 * 1024)


def test_memory_is_bounded_over_all_streams(run_logs):
    async def main(logs):
        streams = [logs.open(f"s{n}") for n in range(100)]
        for stream in streams:
            for _ in range(1000):
                stream.append(1, b"x" * 1000)
            assert logs.store._accepted - logs.store._written <= 4 * 1024 * 1024 + 2000
        await logs.store.flush()

    run_logs(main, max_pending_bytes=4 * 1024 * 1024)


def test_files_rotate_and_one_older_is_kept(run_logs, tmp_path):
    async def main(logs):
        stream = logs.open()
        for n in range(40):
            stream.append(n, b"%02d" % n + b"x" * 200_000)
            await logs.store.flush()
        files = sorted(file.name for file in (tmp_path / "logs").rglob("*.log*"))
        assert files == ["s.log", "s.log.1"]
        assert all(f.stat().st_size <= 1024 * 1024 for f in (tmp_path / "logs").rglob("*.log*"))
        kept = [int(text[:2]) for text in logs.texts()]
        assert kept == list(range(kept[0], 40))
        assert 5 <= len(kept) <= 10

    run_logs(main, max_mb=1)


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_hundreds_of_streams_need_few_descriptors(run_logs, tmp_path):
    async def main(logs):
        before = open_descriptors()
        for turn in range(3):
            for n in range(400):
                logs.open(f"s{n}").append(turn, b"%d" % turn)
            await logs.store.flush()
            assert open_descriptors() - before <= 128 + 2
        assert all(logs.texts(stream=f"s{n}") == ["0", "1", "2"] for n in range(400))

    run_logs(main)


HOSTILE = [
    "../../../etc/passwd", "..", ".", "/", "", "a/../b", ".hidden", "a\x00b", "a\nb", "~", "%2F",
    "ü" * 300, "x" * 512, "x" * 511 + "y", "2026/11/21/[$LATEST]" + "0" * 32, "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_their_place_and_come_back_whole(run_logs, tmp_path, name):
    async def main(logs):
        logs.open(name, group=name).append(1, b"mine")
        logs.store.open(name, name, name, name).append(1, b"all")
        await logs.store.flush()
        assert [e.message for e in logs.events(name)] == ["mine"]
        assert [(s.name) for s in logs.streams(name)] == [name]
        assert logs.events(name)[0].stream == name
        assert name in logs.reader.groups("123456789012", "us-east-1")
        assert logs.reader.groups(name, name) == [name]

    run_logs(main)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert all(p.relative_to(tmp_path).parts[0] == "logs" for p in files)
    assert all(len(p.relative_to(tmp_path).parts) == 5 for p in files)


def test_hostile_names_are_told_apart(run_logs):
    async def main(logs):
        for name in HOSTILE:
            logs.open("s", group=name).append(1, name.encode(errors="surrogatepass").hex().encode())
        await logs.store.flush()
        for name in HOSTILE:
            found = [e.message for e in logs.events(name)]
            assert found == [name.encode(errors="surrogatepass").hex()]
        assert len(logs.reader.groups("123456789012", "us-east-1")) == len(HOSTILE)

    run_logs(main)


def test_a_symlink_in_the_way_is_not_followed(run_logs, tmp_path):
    target = tmp_path / "precious"
    target.write_text("mine")

    async def main(logs):
        logs.open("a").append(1, b"x")
        await logs.store.flush()
        folder = next((tmp_path / "logs").rglob("a.log")).parent
        (folder / "b.log").symlink_to(target)
        logs.open("b").append(1, b"x")
        await logs.store.flush()

    run_logs(main)
    assert target.read_text() == "mine"


def test_a_torn_line_is_passed_over_and_ended(run_logs, tmp_path):
    async def main(logs):
        logs.open().append(1, b"before")

    async def torn(logs):
        path = next((tmp_path / "logs").rglob("s.log"))
        with path.open("ab") as file:
            file.write(b'5 5 "tor')
        assert logs.texts() == ["before"]
        logs.open().append(2, b"after")
        await logs.store.flush()
        assert logs.texts() == ["before", "after"]
        assert logs.texts(newest=True) == ["before", "after"]

    run_logs(main)
    run_logs(torn)


@contextlib.contextmanager
def small_disk(path):
    """A real file system of 1 MB."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs to fill")
def test_a_full_disk_is_survived_said_once_and_told_afterwards(run_logs, tmp_path):
    with small_disk(tmp_path / "disk") as disk:

        async def main(logs):
            stream = logs.open()
            stream.append(0, b"first")
            await logs.store.flush()
            filler = disk / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            with structlog.testing.capture_logs() as said:
                for n in range(20):
                    stream.append(n, b"y" * 10_000)
                    await logs.store.flush()
            assert [e["event"] for e in said] == ["logs.cannot_write"]
            assert logs.texts() == ["first"]
            filler.unlink()
            with structlog.testing.capture_logs() as said:
                stream.append(99, b"again")
                await logs.store.flush()
            events = logs.texts()
            assert events[0] == "first"
            assert "[lambent] dropped 20 events" in events[1] + events[2]
            assert "again" in events
            assert [e["event"] for e in said] == ["logs.can_write_again", "logs.dropped"]

        run_logs(main, root=disk / "logs")


def test_a_write_that_fails_half_way_leaves_no_half_line(tmp_path):
    """RLIMIT_FSIZE makes the kernel take a part of a write, then refuse."""
    script = f"""
import resource, signal
from pathlib import Path
from lambent.observe.log_files import LogFiles
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 2000))
files = LogFiles(10**9)
path = Path({str(tmp_path)!r}) / "g" / "s.log"
files.append(path, b"a" * 899 + b"\\n", ("g", "s"))
try:
    files.append(path, b"b" * 499 + b"\\n", ("g", "s"))
except OSError:
    print(path.stat().st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
files.append(path, b"c" * 9 + b"\\n", ("g", "s"))
files.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "900\n"
    assert (tmp_path / "g/s.log").read_bytes() == b"a" * 899 + b"\n" + b"c" * 9 + b"\n"


KILLED = """
import asyncio, sys
from pathlib import Path
from lambent.clock import SystemClock
from lambent.observe.logs import LogStore

async def main():
    store = LogStore(Path(sys.argv[1]), SystemClock())
    await store.start()
    streams = [store.open("123456789012", "us-east-1", "/aws/lambda/f", f"s{n}") for n in range(5)]
    n = 0
    while True:
        for stream in streams:
            stream.append(n, b"%d " % n + b"x" * 500)
        n += 1
        if n % 200 == 0:
            await store.flush()
            print(n, flush=True)

asyncio.run(main())
"""


def test_what_was_flushed_survives_kill_9_and_the_rest_is_readable(run_logs, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "logs")], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in child.stdout:
            flushed = int(line)
            if flushed >= 2000:
                break
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()

    async def main(logs):
        for n in range(5):
            numbers = [int(t.split()[0]) for t in logs.texts(stream=f"s{n}")]
            assert numbers == list(range(len(numbers)))
            assert len(numbers) >= flushed
            logs.open(f"s{n}").append(10**9, b"next life")
        await logs.store.flush()
        for n in range(5):
            assert logs.texts(stream=f"s{n}", newest=True)[-1] == "next life"

    run_logs(main)


def test_descriptors_are_closed_least_recently_used_first(tmp_path):
    files = LogFiles(10**9, max_open=2)
    for name in ("a", "b", "a", "c"):
        files.append(tmp_path / f"{name}.log", b"x\n", ("g", name))
    assert [path.name for path in files._open] == ["a.log", "c.log"]
    files.close()
    assert files._open == {}


def test_appends_during_a_flush_are_not_lost(run_logs):
    async def main(logs):
        streams = [logs.open(f"s{n}") for n in range(3)]
        total = 0
        for _ in range(50):
            for _ in range(100):
                streams[total % 3].append(total, b"%d" % total)
                total += 1
            waiting = asyncio.ensure_future(logs.store.flush())
            for _ in range(100):
                streams[total % 3].append(total, b"%d" % total)
                total += 1
            await waiting
        await logs.store.flush()
        assert [int(text) for text in logs.texts()] == list(range(total))

    run_logs(main)


def test_limits_of_this_process_are_untouched():
    # The tests above fill disks in children and mounts, never here.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
