"""Loops of invokes: how they are counted, when they end, and what a caller cannot do to that."""

from __future__ import annotations

import re

import pytest

from lambent.control.targets import FunctionTargets
from lambent.engine import lineage
from lambent.errors import RecursiveInvocation

ROOT = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=0"
TRACE = """
import os
def handler(event, context):
    return os.environ["_X_AMZN_TRACE_ID"]
"""


def targets(name="f", loop="Terminate"):
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    return FunctionTargets("123456789012", "us-east-1", name, arn, None, {}, recursive_loop=loop)


def test_the_seventeenth_run_of_a_chain_is_refused_and_says_so(engine):
    async def main(e):
        e.function(TRACE)
        seen = await e.answer(trace_header=ROOT)
        assert re.fullmatch(re.escape(ROOT) + r";Lineage=1:[0-9a-f]{8}:0", seen)
        for count in range(1, 16):
            seen = await e.answer(trace_header=seen)
            assert seen.endswith(f":{count}")
        with pytest.raises(RecursiveInvocation, match="in a recursive loop"):
            await e.call(trace_header=seen)
        assert (await e.answer()).endswith(":0")  # another chain is not concerned

    engine(main)


def test_a_loop_around_a_corner_is_counted_per_function():
    header = ROOT + lineage.suffix(targets("a").arn)
    for _ in range(15):
        header = lineage.follow(targets("b"), header)
        header = lineage.follow(targets("a"), header)
    header = lineage.follow(targets("b"), header)
    assert header.count(":15") == 2
    with pytest.raises(RecursiveInvocation):
        lineage.follow(targets("a"), header)
    assert lineage.follow(targets("c"), header).endswith(":0")


def test_a_function_that_allows_loops_is_not_stopped():
    header = ROOT + lineage.suffix(targets().arn)
    for _ in range(40):
        header = lineage.follow(targets(loop="Allow"), header)
    assert header.endswith(":40")


@pytest.mark.parametrize(
    "garbled", ["", "1:", "x", "1:zz:9", "1:abcdefgh:x", "|" * 500, "1:abcdefgh:" + "9" * 5000]
)
def test_what_a_caller_garbled_starts_anew_and_does_not_grow(garbled):
    header = lineage.follow(targets(), f"{ROOT};Lineage={garbled};Self=x")
    assert header.startswith(ROOT + ";Lineage=1:")
    assert header.endswith(":0;Self=x")
    assert len(header) < 200


def test_a_long_chain_of_functions_is_cut():
    header = ROOT + lineage.suffix(targets().arn)
    for number in range(100):
        header = lineage.follow(targets(f"f{number}"), header)
    assert header.count("|") == 31
