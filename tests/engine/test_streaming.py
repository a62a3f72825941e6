"""The seam of streamed answers: a sink of one's own on a real engine."""

from __future__ import annotations

import asyncio
import json

import pytest

from lambent.clock import new_uuid
from lambent.engine import streamed_answer
from lambent.engine.invocation import Invocation
from lambent.engine.streamed_answer import StreamedAnswer
from lambent.engine.streaming import STREAM_LIMIT

ACCOUNT, REGION = "123456789012", "us-east-1"

PARTS = """
import time
def handler(event, context):
    for n in range(event["count"]):
        yield b"%07d;" % n * event.get("times", 1)
        if n == event.get("sleep_at"):
            time.sleep(60)
"""


class Sink:
    """Keeps what it is told; pauses the flow after `pause_at` chunks."""

    def __init__(self, engine, payload, name="f", pause_at=None):
        self.head = self.flow = None
        self.chunks = []
        self.paused = asyncio.Event()
        self.over = asyncio.get_running_loop().create_future()
        self.pause_at = pause_at
        self.invocation = Invocation(
            request_id=new_uuid(),
            account=ACCOUNT,
            region=REGION,
            name=name,
            qualifier=None,
            payload=json.dumps(payload).encode(),
            on_done=self.over.set_result,
            on_failed=self.over.set_exception,
            sink=self,
        )
        engine.dispatcher.invoke(self.invocation)

    def on_stream(self, head, flow):
        assert self.head is None
        self.head, self.flow = head, flow

    def on_chunk(self, data):
        assert not self.over.done()
        self.chunks.append(data)
        if len(self.chunks) == self.pause_at:
            self.flow.pause()
            self.paused.set()

    async def outcome(self):
        async with asyncio.timeout(60):
            return await self.over


def test_head_chunks_outcome(engine):
    async def scenario(it):
        it.function(PARTS)
        sink = Sink(it, {"count": 3})
        outcome = await sink.outcome()
        assert sink.head.content_type == "application/octet-stream"
        assert sink.head.executed_version == "$LATEST"
        assert b"".join(sink.chunks) == b"0000000;0000001;0000002;"
        assert (outcome.payload, outcome.function_error) == (b"", None)
        assert outcome.billed_ms >= 1

    engine(scenario)


def test_what_does_not_stream_never_begins_to(engine):
    async def scenario(it):
        it.function("def handler(event, context):\n    return event\n")
        sink = Sink(it, {"count": 3})
        assert json.loads((await sink.outcome()).payload) == {"count": 3}
        assert sink.head is None
        it.function("def handler(event, context):\n    yield event['nothing']\n", "g")
        sink = Sink(it, {}, "g")
        assert (await sink.outcome()).function_error == "Unhandled"
        assert sink.head is None

    engine(scenario)


@pytest.mark.slow
def test_a_paused_flow_stops_the_runtime_and_goes_on(engine):
    async def scenario(it):
        it.function(PARTS)
        sink = Sink(it, {"count": 500, "times": 8192}, pause_at=4)
        async with asyncio.timeout(60):
            await sink.paused.wait()
        await asyncio.sleep(0.5)
        assert len(sink.chunks) <= 4 + 8  # of 500: what was under way
        assert not sink.over.done()
        sink.flow.resume()
        await sink.outcome()
        assert sum(map(len, sink.chunks)) == 500 * 8192 * 8
        # The environment is as good as before, whoever left its flow how.
        again = Sink(it, {"count": 2})
        await again.outcome()
        assert b"".join(again.chunks) == b"0000000;0000001;"
        assert len(it.dispatcher.environments()) == 1

    engine(scenario)


@pytest.mark.slow
def test_a_flow_that_nobody_resumes_ends_with_the_function_s_time(engine):
    async def scenario(it):
        it.function(PARTS, timeout_s=2)
        sink = Sink(it, {"count": 500, "times": 8192}, pause_at=2)
        outcome = await sink.outcome()
        assert outcome.function_error == "Unhandled"
        assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"
        again = Sink(it, {"count": 1})
        await again.outcome()
        assert again.chunks == [b"0000000;"]

    engine(scenario)


def test_the_environment_is_closed_in_the_middle(engine):
    async def scenario(it):
        it.function(PARTS)
        sink = Sink(it, {"count": 5, "sleep_at": 1}, pause_at=2)
        async with asyncio.timeout(60):
            await sink.paused.wait()
        for environment in it.dispatcher.environments():
            environment.close()
        with pytest.raises(Exception, match="shut down"):
            await sink.outcome()

    engine(scenario)


class Flow:
    stopped = True

    def pause(self):
        self.stopped = True

    def resume(self):
        self.stopped = False


class Keeper:
    def __init__(self):
        self.size = 0

    def on_stream(self, head, flow):
        self.head = head

    def on_chunk(self, data):
        self.size += len(data)


def test_what_is_past_the_limit_is_dropped(monkeypatch):
    monkeypatch.setattr(streamed_answer, "STREAM_LIMIT", 10)
    flow, sink = Flow(), Keeper()
    answer = StreamedAnswer(sink, "text/plain", "7", flow)
    for _ in range(3):
        answer.chunk(b"1234")
    assert sink.size == 10
    verdict = answer.end(b"")
    assert not flow.stopped
    assert verdict.function_error == "Unhandled"
    assert b"(10 bytes)" in verdict.payload
    assert verdict.streamed_bytes == 10
    assert STREAM_LIMIT == 209_715_200


def test_an_error_of_the_function_s_own_is_its_verdict():
    answer = StreamedAnswer(Keeper(), "", "7", Flow())
    answer.chunk(b"1234")
    verdict = answer.end(b'{"errorType":"X"}')
    assert (verdict.payload, verdict.streamed_bytes) == (b'{"errorType":"X"}', 4)
    collected = StreamedAnswer(None, "", "7", Flow())
    collected.chunk(b"12")
    collected.chunk(b"34")
    assert collected.end(b"").payload == b"1234"
