"""Packages are whole or absent, whoever races, and whenever the process is killed."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zipfile

import pytest

from lambent.store.artifacts import Artifacts
from lambent.store.zip_directory import BadZipError


def make_zip(text="print('hi')", files=1):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z:
        for n in range(files):
            z.writestr(f"d{n % 7}/f{n}.py", text)
    return made.getvalue()


def with_artifacts(root, main):
    async def whole():
        artifacts = Artifacts(root)
        await artifacts.open()
        try:
            return await main(artifacts)
        finally:
            await artifacts.close()

    return asyncio.run(asyncio.wait_for(whole(), 100))


def test_put_keeps_the_zip_and_its_tree(tmp_path):
    async def main(artifacts):
        package = make_zip()
        kept = await artifacts.put(package)
        assert kept == (hashlib.sha256(package).hexdigest(), len(package), 11)
        assert await artifacts.put(package) == kept
        assert artifacts.package(kept.sha256).read_bytes() == package
        assert (artifacts.tree(kept.sha256) / "d0/f0.py").read_text() == "print('hi')"
        return artifacts.tree(kept.sha256)

    tree = with_artifacts(tmp_path / "code", main)
    assert tree.with_name(tree.name + ".flushed").exists()  # close waited for it
    assert stat.S_IMODE(tree.stat().st_mode) == 0o755
    assert stat.S_IMODE(tree.parent.stat().st_mode) == 0o711
    assert list((tmp_path / "code/incoming").iterdir()) == []


def test_many_at_once_unpack_one_tree(tmp_path):
    async def main(artifacts):
        package = make_zip(files=200)
        kept = await asyncio.gather(*(artifacts.put(package) for _ in range(20)))
        assert len(set(kept)) == 1
        assert sum(1 for f in artifacts.tree(kept[0].sha256).rglob("*.py")) == 200
        assert list((tmp_path / "code/incoming").iterdir()) == []

    with_artifacts(tmp_path / "code", main)


def test_a_download_is_consumed(tmp_path):
    async def main(artifacts):
        download = artifacts.incoming()
        download.write_bytes(make_zip())
        kept = await artifacts.put(download)
        assert not download.exists()
        assert artifacts.package(kept.sha256).exists()

    with_artifacts(tmp_path / "code", main)


def test_a_refused_zip_leaves_nothing(tmp_path):
    async def main(artifacts):
        with pytest.raises(BadZipError):
            await artifacts.put(b"no zip")
        half = bytearray(make_zip(text="x" * 2_000, files=300))
        half[len(half) // 2] ^= 0xFF  # damaged in the middle: some files are written before
        with pytest.raises(BadZipError):
            await artifacts.put(bytes(half))

    with_artifacts(tmp_path / "code", main)
    assert [p for p in (tmp_path / "code").rglob("*") if p.is_file()] == []


def test_sweep_keeps_what_is_named(tmp_path):
    async def main(artifacts):
        first = await artifacts.put(make_zip("1"))
        second = await artifacts.put(make_zip("2"))
        assert await artifacts.sweep([first.sha256]) == [second.sha256]
        assert artifacts.tree(first.sha256).is_dir()
        assert not artifacts.tree(second.sha256).exists()
        assert not artifacts.package(second.sha256).exists()

    with_artifacts(tmp_path / "code", main)


def test_what_was_made_from_a_tree_goes_with_it(tmp_path):
    trees = tmp_path / "code/trees"

    def derive(sha256):
        (trees / f"{sha256}.python3.12/pkg").mkdir(parents=True)
        (trees / f"{sha256}.python3.13.making").mkdir()
        (trees / f"{sha256}.python3.11").symlink_to(sha256)

    async def main(artifacts):
        first = await artifacts.put(make_zip("1"))
        second = await artifacts.put(make_zip("2"))
        for each in (first, second):
            derive(each.sha256)
        derive("f" * 64)  # whose package was removed just before
        assert sorted(await artifacts.sweep([first.sha256])) == sorted([second.sha256, "f" * 64])
        assert {name.name.partition(".")[0] for name in trees.iterdir()} == {first.sha256}
        assert (trees / f"{first.sha256}.python3.12/pkg").is_dir()
        await artifacts.remove(first.sha256)
        assert list(trees.iterdir()) == []
        assert list((tmp_path / "code/incoming").iterdir()) == []

    with_artifacts(tmp_path / "code", main)


def test_when_a_tree_was_used_outlives_a_restart(tmp_path):
    async def noted(artifacts):
        kept = await artifacts.put(make_zip())
        made = artifacts.used(kept.sha256, 0.0)
        assert made == pytest.approx(time.time(), abs=60)
        assert artifacts.used(kept.sha256, made + 500) == made + 500
        assert artifacts.used(kept.sha256, made + 100) == made + 500
        assert artifacts.used("0" * 64, 1.0) is None
        return kept.sha256, made

    sha256, made = with_artifacts(tmp_path / "code", noted)

    async def again(artifacts):
        assert artifacts.used(sha256, 0.0) == made + 500
        await artifacts.remove(sha256)
        assert artifacts.used(sha256, 0.0) is None

    with_artifacts(tmp_path / "code", again)
    assert not list((tmp_path / "code/trees").iterdir())


def test_ensure_mends_a_tree_that_never_reached_the_disk(tmp_path):
    async def make(artifacts):
        return (await artifacts.put(make_zip())).sha256

    sha256 = with_artifacts(tmp_path / "code", make)

    async def mend(artifacts):
        # What a power cut leaves: names without their contents, and no mark.
        (artifacts.tree(sha256) / "d0/f0.py").write_text("")
        (tmp_path / f"code/trees/{sha256}.flushed").unlink()
        assert await artifacts.ensure(sha256)
        assert (artifacts.tree(sha256) / "d0/f0.py").read_text() == "print('hi')"
        assert not await artifacts.ensure("0" * 64)

    with_artifacts(tmp_path / "code", mend)


CHILD = """
import asyncio, sys, io, zipfile
from pathlib import Path
from lambent.store.artifacts import Artifacts

def make_zip(seed):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z:
        for n in range(60):
            z.writestr(f"d{n % 7}/f{n}.py", f"{seed} " * 500)
    return made.getvalue()

async def main():
    artifacts = Artifacts(Path(sys.argv[1]))
    await artifacts.open()
    seed = 0
    while True:
        for kept in await asyncio.gather(*(artifacts.put(make_zip(seed + i)) for i in range(3))):
            print(kept.sha256, flush=True)
        seed += 3

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_9_leaves_only_whole_packages(tmp_path):
    root = tmp_path / "code"
    for seed in range(4):
        child = subprocess.Popen([sys.executable, "-c", CHILD, root], stdout=subprocess.PIPE)
        try:
            lines = [child.stdout.readline() for _ in range(4)]
            time.sleep(random.Random(seed).random() * 0.05)
            os.kill(child.pid, signal.SIGKILL)
            lines += child.stdout.readlines()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        acknowledged = [line.decode().strip() for line in lines if line.endswith(b"\n")]

        async def check(artifacts, acknowledged=acknowledged):
            assert list((root / "incoming").iterdir()) == []
            for zipped in (root / "packages").iterdir():
                assert hashlib.sha256(zipped.read_bytes()).hexdigest() == zipped.stem
            for tree in (root / "trees").iterdir():
                if tree.is_dir():
                    assert sum(1 for f in tree.rglob("*.py") if f.stat().st_size > 900) == 60
            for sha256 in acknowledged:
                assert artifacts.package(sha256).exists()
                assert await artifacts.ensure(sha256)
            await artifacts.sweep([])

        with_artifacts(root, check)
