"""Environments that are forked from an initialised template, with a real engine."""

from __future__ import annotations

import asyncio

import pytest

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
