"""Environments that are forked from an initialised template, with a real engine."""

from __future__ import annotations

import asyncio
import os
from itertools import accumulate

import pytest

from lambent.errors import SnapStartRegenerationFailure

pytestmark = pytest.mark.usefixtures("forks")


def test_environments_are_forks_of_one_init(engine):
    source = """
import os, time
made = time.time_ns()
def handler(event, context):
    time.sleep(0.3)
    return {"made": made, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "pid": os.getpid(), "stream": context.log_stream_name}
"""

    async def scenario(engine):
        engine.function(source, snap_start=True)
        answers = await asyncio.gather(*(engine.answer() for _ in range(4)))
        assert len({answer["made"] for answer in answers}) == 1
        assert {answer["type"] for answer in answers} == {"snap-start"}
        assert len({answer["stream"] for answer in answers}) > 1
        log = await engine.log()
        assert any(line.startswith("RESTORE_REPORT") for line in log), log
        assert any("Restore Duration:" in line for line in log if line.startswith("REPORT"))

    engine(scenario)


async def _until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_a_spare_is_made_ahead_and_replaced(engine):
    source = "def handler(event, context):\n    return context.log_stream_name\n"

    async def scenario(engine):
        engine.function(source, snap_start=True)
        await engine.answer()

        def fresh():
            return [each for each in engine.dispatcher.environments() if each.fresh]

        await _until(lambda: len(fresh()) == 1)
        (spare,) = fresh()
        calls = [engine.call({}) for _ in range(1)]
        await asyncio.gather(*calls)
        assert spare.fresh  # one that has served is used first
        source_slow = "import time\n" + source.replace("return", "time.sleep(1)\n    return")
        engine.function(source_slow, snap_start=True)
        await engine.answer()
        await _until(lambda: len(fresh()) == 1)
        (spare,) = fresh()
        both = await asyncio.gather(engine.answer(), engine.answer())
        assert spare.log_stream in both
        await _until(lambda: len(fresh()) == 1 and fresh() != [spare])

    engine(scenario)


@pytest.mark.slow
def test_a_template_that_nobody_uses_is_given_back_and_made_again(engine):
    source = "import uuid\nmade = uuid.uuid4().hex\ndef handler(event, context):\n    return made\n"

    async def scenario(engine):
        engine.function(source, snap_start=True)
        first = await engine.answer()
        snapshots = engine.dispatcher.snapshots
        await _until(lambda: not snapshots.standing())
        await _until(lambda: not engine.dispatcher.environments())
        assert await engine.answer() != first

    engine(scenario, idle_s=0.1, snapshot_idle_s=0.3)


def test_a_template_ends_with_its_version(engine):
    async def scenario(engine):
        engine.function("def handler(event, context):\n    return 1\n", snap_start=True)
        await engine.answer()
        (old,) = engine.dispatcher.snapshots.standing().values()
        engine.function("def handler(event, context):\n    return 2\n", snap_start=True)
        assert await engine.answer() == 2
        await _until(lambda: not os.path.exists(f"/proc/{old.pid}"))
        (new,) = engine.dispatcher.snapshots.standing().values()
        engine.dispatcher.function_deleted("123456789012", "us-east-1", "f")
        await _until(lambda: not os.path.exists(f"/proc/{new.pid}"))

    engine(scenario)


def test_an_init_that_fails_when_the_snapshot_is_made_again_has_awss_error(engine):
    async def scenario(engine):
        engine.function("raise ValueError('no database today')", snap_start=True)
        assert (await engine.error())["errorType"] == "ValueError"  # AWS knows of no snapshot
        source = "raise ValueError('no database today')"
        engine.function(source, snap_start=True, snap_start_asked=True)
        with pytest.raises(SnapStartRegenerationFailure, match="no database today"):
            await engine.call()

    engine(scenario)


def test_a_start_that_was_under_way_makes_no_template_of_what_is_gone(engine):
    source = "def handler(event, context):\n    return 1\n"

    async def scenario(engine):
        engine.function(source, snap_start=True)
        await engine.answer()
        (old,) = engine.targets["f"].versions.values()
        engine.function(source, snap_start=True)
        snapshots = engine.dispatcher.snapshots
        assert await snapshots.find(old) is None
        (new,) = engine.targets["f"].versions.values()
        assert (await snapshots.find(new)).target is new
        assert {generation for _, generation in snapshots.standing()} == {new.generation}

    engine(scenario)


def test_the_number_of_templates_is_bounded_and_the_others_memory_is_returned(engine):
    source = "def handler(event, context):\n    return 1\n"

    async def scenario(engine):
        snapshots = engine.dispatcher.snapshots
        pids = set()
        for name in ("a", "b", "c", "d"):
            engine.function(source, name, snap_start=True)
            target = engine.targets[name].versions["$LATEST"]
            pids.add((await snapshots.template(target)).pid)
            assert target.arn in {arn for arn, _ in snapshots.standing()}
        standing = {each.pid for each in snapshots.standing().values()}
        assert len(standing) == 2
        await _until(lambda: {pid for pid in pids if os.path.exists(f"/proc/{pid}")} == standing)
        assert await engine.answer(name="a") == 1  # from another one

    engine(scenario, snapshots_most=2)


def test_templates_are_made_a_few_at_a_time(engine):
    source = """
import time
print("began", time.monotonic())
time.sleep(0.1)
print("ended", time.monotonic())
def handler(event, context):
    return 1
"""
    count, most = 8, 2 * len(os.sched_getaffinity(0))

    async def scenario(engine):
        for number in range(count):
            engine.function(source, f"f{number}", snap_start=True)
        made = engine.dispatcher.snapshots
        targets = [each.versions["$LATEST"] for each in engine.targets.values()]
        await asyncio.gather(*(made.template(target) for target in targets))
        said = [line.split() for name in engine.targets for line in await engine.log(name)]
        steps = sorted((float(at), what) for what, at in filter(lambda x: len(x) == 2, said))
        assert len(steps) == 2 * count
        running = accumulate(1 if what == "began" else -1 for _, what in steps)
        assert max(running) <= most

    engine(scenario)


@pytest.mark.slow
def test_under_memory_pressure_what_no_environment_uses_is_given_back(engine):
    source = "ballast = bytearray(b'x') * (60 << 20)\ndef handler(event, context):\n    return 1\n"

    async def scenario(engine):
        engine.function(source, "a", snap_start=True, memory_mb=256)
        template = await engine.dispatcher.snapshots.template(
            engine.targets["a"].versions["$LATEST"]
        )
        await asyncio.sleep(1.1)
        engine.function("def handler(event, context):\n    return 2\n", "b")
        assert await engine.answer(name="b") == 2  # beside it there was no room
        await _until(lambda: not os.path.exists(f"/proc/{template.pid}"))
        assert not engine.dispatcher.snapshots.standing()

    engine(scenario, memory_limit_mb=80)
