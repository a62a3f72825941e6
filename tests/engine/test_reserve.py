"""Provisioned environments in a real engine: kept ready, replaced, spilled over from."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from lambent.control.targets import LATEST, Allocation, ProvisionedTarget
from lambent.engine import snapshot_memory
from lambent.engine.states import State
from lambent.errors import TooManyRequests

KIND = """\
import os, time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    if event.get("crash"):
        os._exit(3)
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
"""
PROVISIONED, ON_DEMAND = "provisioned-concurrency", "on-demand"


def provide(e, wanted, *, version="1", stamp=1, reserved=None):
    """Version 1 as `$LATEST` is, with this many environments provisioned."""
    targets = e.targets["f"]
    latest = targets.versions[LATEST]
    versions = {LATEST: latest, "1": replace(latest, version="1", generation="g1")}
    provisioned = {version: ProvisionedTarget(wanted, stamp)} if wanted else {}
    e.dispatcher.function_changed(
        replace(targets, versions=versions, provisioned=provisioned, reserved_concurrency=reserved)
    )


def allocation(e, version="1"):
    return e.dispatcher.allocation("123456789012", "us-east-1", "f", version)


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def standing(e):
    return [x for x in e.dispatcher.environments() if x.state is not State.CLOSED]


def test_they_stand_before_anybody_calls_and_serve_first(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 2)
        assert allocation(e) == Allocation(0)
        await until(lambda: allocation(e) == Allocation(2))
        assert await e.answer(qualifier="1") == PROVISIONED
        both = await asyncio.gather(*(e.answer({"sleep": 0.3}, qualifier="1") for _ in range(2)))
        assert both == [PROVISIONED] * 2
        assert await e.answer() == ON_DEMAND
        assert allocation(e) == Allocation(2)

    engine(scenario)


@pytest.mark.slow
def test_more_calls_than_provisioned_spill_over(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 1)
        await until(lambda: allocation(e).ready == 1)
        kinds = await asyncio.gather(*(e.answer({"sleep": 1}, qualifier="1") for _ in range(3)))
        assert sorted(kinds) == [ON_DEMAND, ON_DEMAND, PROVISIONED]

    engine(scenario)


def test_calls_are_served_while_they_are_made(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 1)
        assert await e.answer(qualifier="1") in (ON_DEMAND, PROVISIONED)
        await until(lambda: allocation(e).ready == 1)

    engine(scenario)


def test_they_are_taken_out_of_the_reservation(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 1, reserved=1)
        await until(lambda: allocation(e).ready == 1)
        with pytest.raises(TooManyRequests) as refused:
            await e.call()
        assert refused.value.reason == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert await e.answer(qualifier="1") == PROVISIONED

    engine(scenario)


def test_one_that_is_killed_is_replaced(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 2)
        await until(lambda: allocation(e).ready == 2)
        victim = standing(e)[0]
        killed = victim.processes.runtime
        os.kill(killed.process.pid, signal.SIGKILL)
        await until(lambda: victim.processes.runtime not in (None, killed))
        await until(lambda: allocation(e) == Allocation(2))
        assert len(standing(e)) == 2
        await e.error({"crash": 1}, qualifier="1")
        await until(lambda: allocation(e) == Allocation(2))
        assert await e.answer(qualifier="1") == PROVISIONED

    engine(scenario)


def test_a_failed_init_is_failed_until_it_is_put_again(engine, tmp_path):
    async def scenario(e):
        e.function("raise RuntimeError('no model')\n")
        provide(e, 2)
        await until(lambda: allocation(e).failure)
        assert allocation(e) == Allocation(0, "FUNCTION_ERROR_INIT_FAILURE")
        await until(lambda: not standing(e))
        (code,) = tmp_path.glob("code-f-*")
        (code / "app.py").write_text(KIND)
        provide(e, 2, stamp=2)
        assert allocation(e).failure == ""
        await until(lambda: allocation(e) == Allocation(2))

    engine(scenario)


@pytest.mark.slow
def test_fewer_and_none_are_given_back(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 3)
        await until(lambda: allocation(e).ready == 3)
        busy = asyncio.ensure_future(e.answer({"sleep": 0.5}, qualifier="1"))
        await asyncio.sleep(0.1)
        provide(e, 1, stamp=2)
        await until(lambda: len(standing(e)) == 1)
        assert await busy == PROVISIONED
        await until(lambda: allocation(e) == Allocation(1))
        provide(e, 0)
        await until(lambda: not standing(e))
        assert await e.answer(qualifier="1") == ON_DEMAND

    engine(scenario)


@pytest.mark.slow
def test_idle_ones_outlive_the_others(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 1)
        await until(lambda: allocation(e).ready == 1)
        await e.answer()
        await until(lambda: len(standing(e)) == 1)
        assert allocation(e) == Allocation(1)
        assert standing(e)[0].frozen
        assert await e.answer(qualifier="1") == PROVISIONED

    engine(scenario, idle_s=0.5)


def test_they_move_to_another_version(engine):
    async def scenario(e):
        e.function(KIND)
        provide(e, 1)
        await until(lambda: allocation(e).ready == 1)
        provide(e, 1, version=LATEST)
        await until(lambda: allocation(e, LATEST).ready == 1)
        assert allocation(e) == Allocation(0)
        assert await e.answer() == PROVISIONED

    engine(scenario)


@pytest.mark.slow
@pytest.mark.usefixtures("forks")
def test_with_snapshots_they_cost_megabytes(engine):
    ballast_mb, count = 80, 8
    source = f"ballast = bytearray(b'x') * ({ballast_mb} << 20)\n" + KIND

    async def scenario(e):
        e.function(source, snap_start=True, memory_mb=512)
        provide(e, count)
        await until(lambda: allocation(e) == Allocation(count))
        assert await e.answer(qualifier="1") == "snap-start"
        (template,) = e.dispatcher.snapshots.standing().values()
        kept = [each for each in standing(e) if each.pid]
        assert len(kept) >= count
        assert {each.template for each in kept} == {template}
        held = snapshot_memory.together([template.pid, *(each.pid for each in kept)])
        assert held.private_kb < len(kept) * 8 * 1024
        assert held.pss_kb < (ballast_mb + len(kept) * 10) * 1024
        killed = kept[0].pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: kept[0].pid != killed)
        await until(lambda: allocation(e) == Allocation(count))
        assert await together_answer(e, count + 1) == ["snap-start"] * (count + 1)

    engine(scenario)


async def together_answer(e, count):
    """More than stand: the last one is forked when it comes."""
    calls = (e.answer({"sleep": 0.5}, qualifier="1") for _ in range(count))
    return await asyncio.gather(*calls)
