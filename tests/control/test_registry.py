"""What survives: restarts, kills, a refusing disk, and packages as long as they are needed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import apsw
import pytest

from lambent.control.registry import GRACE_S
from lambent.errors import ResourceConflict

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"


def test_a_restart_serves_what_was_there(world):
    async def first(w):
        await w.create(Publish=True, Environment={"Variables": {"A": "1"}})
        await w.do("CreateAlias", FunctionName="fn", Name="live", FunctionVersion="1")
        await w.do("PutFunctionConcurrency", FunctionName="fn", ReservedConcurrentExecutions=7)
        return w.listener.targets, await w.get(), await w.do("ListAliases", FunctionName="fn")

    before = world(first)

    async def second(w):
        return w.listener.targets, await w.get(), await w.do("ListAliases", FunctionName="fn")

    assert world(second) == before


def test_a_restart_completes_what_was_interrupted(world):
    async def interrupted(w):
        await w.create()
        await w.create("pending", settled=False)
        await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        await w.do("CreateAlias", FunctionName="fn", Name="dev", FunctionVersion="$LATEST")
        return [(await w.get(name))["RevisionId"] for name in ("pending", "fn")]

    revisions = world(interrupted)

    async def after(w):
        for name, revision in zip(("pending", "fn"), revisions, strict=True):
            shown = await w.get(name)
            assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
            assert shown["RevisionId"] != revision
            assert w.target(name=name).state == "Active"
        assert w.target().timeout_s == 9
        return [(await w.get(name))["RevisionId"] for name in ("pending", "fn")]

    settled = world(after)

    async def again(w):
        assert [(await w.get(name))["RevisionId"] for name in ("pending", "fn")] == settled

    world(again)


def test_a_missing_package_fails_its_version_and_says_so(world):
    async def make(w):
        await w.create(Publish=True)
        sha256 = w.target().code_path.name
        return w.artifacts.package(sha256), w.artifacts.tree(sha256)

    package, tree = world(make)
    package.unlink()
    tree.rename(tree.with_name("elsewhere"))

    async def after(w):
        shown = await w.get()
        assert shown["State"] == "Failed"
        assert shown["StateReason"] == (
            "The function's code package is missing from the data directory."
        )
        assert w.target().state == "Failed"
        await w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=w.make_zip())
        await w.settle()
        assert (await w.get())["State"] == "Active"
        assert w.target().code_path.is_dir()

    world(after)


def test_unused_packages_stay_for_a_while_and_then_go(world):
    async def main(w):
        await w.create()
        first = w.target().code_path
        await w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=w.make_zip("2"))
        await w.settle()
        second = w.target().code_path
        await w.clock.advance(GRACE_S / 2)
        assert first.is_dir()  # an environment may still be running it
        await w.clock.advance(GRACE_S)
        await settle_removals(w)
        assert not first.exists()
        assert second.is_dir()
        # A refused update's package goes too; a package that comes back stays.
        await w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=w.make_zip("3"), DryRun=True)
        await w.do("DeleteFunction", FunctionName="fn")
        await w.clock.advance(GRACE_S * 0.9)
        await w.create("other", Code={"ZipFile": w.make_zip("2")})
        await w.clock.advance(GRACE_S * 3)
        await settle_removals(w)
        assert [p.name for p in second.parent.iterdir() if p.is_dir()] == [second.name]
        await w.do("DeleteFunction", FunctionName="other")
        return second

    left = world(main)
    assert left.is_dir()

    async def after(w):
        assert not left.exists()  # nothing runs at a start, so nothing is waited for

    world(after)


async def settle_removals(w):
    """Removals run on threads; the lock is free when they are done."""
    for _ in range(20):
        async with w.control._registry._removing:
            await asyncio.sleep(0)


def test_a_transition_that_the_disk_refuses_is_tried_again(world):
    async def main(w):
        await w.create(settled=False)
        pages = await w.database.read(lambda c: c.pragma("page_count"))
        await w.database.write(lambda c: c.execute("CREATE TABLE filler (x)").fetchall())
        await w.database.write(lambda c: c.pragma("max_page_count", pages + 1))
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10) "
        fill = "INSERT INTO filler " + rows + "SELECT zeroblob(100) FROM n"
        for _ in range(1_000):
            try:
                await w.database.write(lambda c: c.execute(fill).fetchall())
            except apsw.FullError:
                break
        grown = {"Environment": {"Variables": {"A": "x" * 4000}}}
        with pytest.raises(apsw.FullError):
            await w.create("big", settled=False, **grown)
        assert [f["FunctionName"] for f in (await w.do("ListFunctions"))["Functions"]] == ["fn"]
        # A failing write of the transition itself: refuse it by a trigger, then let it through.
        await w.database.write(lambda c: c.pragma("max_page_count", 1_000_000))
        refuse = (
            "CREATE TRIGGER refuse BEFORE UPDATE ON versions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        await w.database.write(lambda c: c.execute(refuse).fetchall())
        await w.settle()
        assert (await w.get())["State"] == "Pending"
        assert w.target().state == "Pending"
        await w.database.write(lambda c: c.execute("DROP TRIGGER refuse").fetchall())
        for _ in range(5):
            await w.settle()
        assert (await w.get())["State"] == "Active"

    world(main)


def test_a_change_that_the_store_refuses_has_not_happened(world):
    async def main(w):
        await w.create()
        before, pushes = await w.get(), len(w.listener.pushes)
        refuse = (
            "CREATE TRIGGER refuse BEFORE UPDATE ON versions BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        await w.database.write(lambda c: c.execute(refuse).fetchall())
        with pytest.raises(apsw.ConstraintError, match="no"):
            await w.do("UpdateFunctionConfiguration", FunctionName="fn", Timeout=9)
        assert await w.get() == before
        assert len(w.listener.pushes) == pushes

    world(main)


def test_close_lets_a_change_under_way_finish(world):
    async def main(w):
        await w.create()
        task = asyncio.ensure_future(
            w.do("PutFunctionConcurrency", FunctionName="fn", ReservedConcurrentExecutions=3)
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await w.control.close()
        assert await task == {"ReservedConcurrentExecutions": 3}

    world(main)

    async def after(w):
        assert w.listener.targets[*w.SCOPE, "fn"].reserved_concurrency == 3

    world(after)


def test_publish_and_update_at_once(world):
    """Whichever comes first: a version is whole, from before the update or from after it."""

    async def main(w):
        await w.create()
        for round_number in range(5):
            package = w.make_zip(f"# {round_number}")
            done = await asyncio.gather(
                w.do("UpdateFunctionCode", FunctionName="fn", ZipFile=package),
                w.do("PublishVersion", FunctionName="fn"),
                return_exceptions=True,
            )
            assert isinstance(done[0], dict)
            assert isinstance(done[1], dict | ResourceConflict)
            await w.settle()
        listed = (await w.do("ListVersionsByFunction", FunctionName="fn"))["Versions"]
        for version in listed:
            path = w.target(version["Version"]).code_path / "app.py"
            assert path.exists()

    world(main)


CHILD = """
import asyncio, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import conftest

async def main():
    from lambent.clock import SystemClock
    w = conftest.World(Path(sys.argv[1]), SystemClock(), state_delay_s=0.002)
    await w.open()
    async def one(name):
        await w.create(name, settled=False)
        print(json.dumps([name, 3]), flush=True)
        timeout = 4
        while True:
            try:
                await w.do("UpdateFunctionConfiguration", FunctionName=name, Timeout=timeout)
                print(json.dumps([name, timeout]), flush=True)
                timeout = timeout + 1 if timeout < 900 else 4
            except Exception as error:
                if type(error).__name__ != "ResourceConflict":
                    raise
                await asyncio.sleep(0.001)
    await asyncio.gather(*(one(f"f{n}") for n in range(4)))

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_change(tmp_path, world):
    here = Path(__file__).parent
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), tmp_path, here], stdout=subprocess.PIPE
    )
    try:
        lines = [child.stdout.readline() for _ in range(300)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    told = dict(json.loads(line) for line in lines if line.endswith(b"\n"))
    assert len(told) == 4

    async def after(w):
        for name, timeout in told.items():
            shown = await w.get(name)
            # The one change that was on its way may have made it, unacknowledged.
            assert shown["Timeout"] in {timeout, timeout + 1}
            assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
            assert w.target(name=name).timeout_s == shown["Timeout"]

    world(after)
