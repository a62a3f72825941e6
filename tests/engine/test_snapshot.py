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
