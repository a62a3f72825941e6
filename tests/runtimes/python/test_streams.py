"""Handlers that are generators: what goes out, frame by frame, on every interpreter."""

from __future__ import annotations

import json

import pytest

from lambent.engine.streaming import HTTP_INTEGRATION

PARTS = """
def handler(event, context):
    yield "é"
    yield b"\\x00\\xff"
    yield bytearray(b"array")
    yield {"n": 1}
    yield [1, None]
"""


def test_what_a_generator_yields(start, runtime):
    process = start(PARTS, runtime).ready()
    for _ in range(2):
        content_type, parts, error = process.stream()
        assert content_type == "application/octet-stream"
        assert parts[:3] == ["é".encode(), b"\x00\xff", b"array"]
        assert [json.loads(part) for part in parts[3:]] == [{"n": 1}, [1, None]]
        assert all(part.endswith(b"\n") for part in parts[3:])
        assert error == b""


def test_an_async_generator_and_one_that_a_coroutine_returns(start, runtime):
    process = start(
        """
import asyncio
seen = []
async def parts(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield str(i)
async def later(event, context):
    return parts(event)
def handler(event, context):
    return later(event, context) if event > 2 else parts(event)
""",
        runtime,
    ).ready()
    assert process.stream(2)[1] == [b"0", b"1"]
    assert process.stream(4)[1] == [b"0", b"1", b"2", b"3"]
    assert process.stream(0)[1] == []


def test_the_prelude_of_an_http_answer(start):
    process = start(
        "def handler(event, context):\n"
        "    yield {'statusCode': 418, 'headers': {'a': 'b'}}\n    yield 'tea'\n"
    ).ready()
    content_type, parts, _ = process.stream()
    assert content_type == HTTP_INTEGRATION
    prelude, _, body = b"".join(parts).partition(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 418, "headers": {"a": "b"}}
    assert body == b"tea"


def test_large_items_are_cut(start):
    process = start("def handler(event, context):\n    yield 'x' * 200_000\n").ready()
    parts = process.stream()[1]
    assert [len(part) for part in parts] == [65536, 65536, 65536, 3392]
    process = start("async def handler(event, context):\n    yield 'x' * 70_000\n").ready()
    assert [len(part) for part in process.stream()[1]] == [32768, 32768, 4464]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_failures_before_and_after_the_first_part(start, kind):
    process = start(
        f"closed = []\n{kind} handler(event, context):\n"
        "    try:\n        if event: yield 'a'\n        raise KeyError('why')\n"
        "    finally: print('closed')\n"
    ).ready()
    document = process.fail(0)
    assert document["errorType"] == "KeyError"
    _, parts, error = process.stream(1)
    assert parts == [b"a"]
    document = json.loads(error)
    assert document["errorType"] == "KeyError"
    assert document["stackTrace"][0].startswith('  File "/var/task/app.py", line 5, in handler')
    assert process.output().count(b"closed\n") == 2


def test_what_json_cannot_hold_breaks_the_stream_off(start):
    process = start("def handler(event, context):\n    yield 'a'\n    yield {1, 2}\n").ready()
    _, parts, error = process.stream()
    assert parts == [b"a"]
    assert json.loads(error)["errorType"] == "Runtime.MarshalError"


def test_a_slow_client_does_not_stop_a_function_s_other_tasks(start):
    """Nobody reads the channel while the generator writes: its ticking neighbour goes on."""
    process = start(
        """
import asyncio
ticks = 0
async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.01)
        ticks += 1
        if ticks == 20:
            print("ticked", flush=True)
async def handler(event, context):
    task = asyncio.ensure_future(tick())
    for n in range(100):
        yield b"x" * 32768
    task.cancel()
"""
    ).ready()
    process.send(b"{}")
    process.wait_for_output(b"ticked")
    size, frame = 0, process.receive()
    while (frame := process.receive())[1]:
        size += len(frame[1])
    assert size == 100 * 32768
