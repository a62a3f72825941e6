"""A stream's shards: which is read when, from where, and what is written down of it.

`MemoryStream` is a stream of our own behind the seam that Kinesis and DynamoDB stand behind.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from lambent.clock import SystemClock
from lambent.control.names import Scope
from lambent.engine.invocation import Outcome
from lambent.events.sources.stream_api import Page, Record, Shard
from lambent.events.sources.streams import StreamPoller
from lambent.observe.metrics import Metrics
from lambent.store.records import SHARD_END, EventSourceMapping

ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/s"


@dataclass
class MemoryStream:
    """Shards by id: parents, records, and whether they are closed."""

    kept: dict[str, tuple[tuple[str, ...], list[Record], bool]] = field(default_factory=dict)
    expires: int = 0
    """How many reads still answer that their iterator has expired."""
    broken: set[str] = field(default_factory=set)
    """Shards whose records cannot be understood."""
    service = "kinesis"
    idle_s = 0.01

    def put(self, shard, *names, parents=(), closed=False, key="k"):
        records = [
            Record(f"{shard}{name}", time.time(), f"{key}{name}", {"data": name}, {"name": name}, 1)
            for name in names
        ]
        _, old, _ = self.kept.get(shard, ((), [], False))
        self.kept[shard] = (parents, old + records, closed)

    def shards(self, _client):
        return [Shard(name, parents) for name, (parents, _, _) in self.kept.items()]

    def iterator(self, _client, shard, position):
        if position.kind == "AFTER_SEQUENCE_NUMBER":
            names = [each.sequence for each in self.kept[shard][1]]
            return str(names.index(position.sequence) + 1)
        return "0"

    def read(self, _client, shard, iterator, limit):
        if self.expires:
            self.expires -= 1
            raise ClientError({"Error": {"Code": "ExpiredIteratorException"}}, "GetRecords")
        if shard in self.broken:
            raise KeyError("SequenceNumber")
        _, records, closed = self.kept[shard]
        at = int(iterator)
        page = records[at : at + limit]
        end = at + len(page)
        return Page(page, None if closed and end == len(records) else str(end))


class World:
    """A poller, the function it calls, and what it writes down."""

    def __init__(self, stream, **config):
        self.stream = stream
        self.calls = []
        self.results = []
        self.kept = {}
        self.judge = lambda _: None
        config = {"EventSourceArn": ARN, "StartingPosition": "TRIM_HORIZON", **config}
        self.mapping = EventSourceMapping(
            uuid="u", function="f", state="Enabled", modified_ms=0, config=config
        )

    async def call(self, *, payload, **_):
        names = [record["name"] for record in json.loads(payload)["Records"]]
        self.calls.append(names)
        failed = self.judge(names)
        return Outcome(payload=b"null", function_error=failed, executed_version="$LATEST")

    async def processed(self, result):
        self.results.append(result)

    async def reached(self, shard, position):
        self.kept[shard] = position

    async def forget(self, shards):
        self.kept = {name: at for name, at in self.kept.items() if name not in shards}

    def positions(self):
        return dict(self.kept)

    def run(self, until):
        """Until `until()` holds; then it is stopped, as a server that ends would."""

        async def aws(_service, _region, work):
            return work(None)

        async def main():
            poller = StreamPoller(
                Scope("123456789012", "us-east-1"), self.mapping, self.stream, aws, self,
                SystemClock(), Metrics(), self, lambda: "role", None, None,
            )  # fmt: skip
            task = asyncio.create_task(poller.run())
            async with asyncio.timeout(30):
                while not until():
                    await asyncio.sleep(0.005)
                poller.stop()
                await task

        asyncio.run(main())

    def names(self):
        return [name for batch in self.calls for name in batch]


def test_children_are_read_when_their_parents_are_done():
    stream = MemoryStream()
    stream.put("b", "3", "4", parents=("a", "gone"))
    stream.put("c", "5", parents=("a",))
    stream.put("a", "1", "2", closed=True)
    world = World(stream)
    world.run(lambda: {"b", "c"} <= world.kept.keys())
    assert world.names()[:2] == ["1", "2"]
    assert sorted(world.names()[2:]) == ["3", "4", "5"]
    assert world.kept == {"a": SHARD_END, "b": "b4", "c": "c5"}
    assert set(world.results) == {"OK"}


def test_it_goes_on_behind_what_was_done_and_ended_shards_stay_ended():
    stream = MemoryStream()
    stream.put("a", "1", closed=True)
    stream.put("b", "2")
    world = World(stream)
    world.run(lambda: world.kept == {"a": SHARD_END, "b": "b2"})
    stream.put("b", "3", "4")
    world.run(lambda: world.kept["b"] == "b4")
    assert world.names() == ["1", "2", "3", "4"]


def test_shards_that_the_stream_gave_up_are_forgotten():
    stream = MemoryStream()
    stream.put("a", "1", closed=True)
    stream.put("b", "2", parents=("a",))
    world = World(stream)
    world.run(lambda: world.kept == {"a": SHARD_END, "b": "b2"})
    del stream.kept["a"]
    stream.put("b", "3", parents=("a",))
    world.run(lambda: world.kept == {"b": "b3"})
    assert world.names() == ["1", "2", "3"]


@pytest.mark.slow
def test_an_iterator_that_expired_is_made_anew():
    stream = MemoryStream(expires=1)
    stream.put("a", "1")
    world = World(stream)
    world.run(lambda: world.kept == {"a": "a1"})
    assert (world.calls, world.results) == ([["1"]], ["OK"])


def test_an_answer_that_makes_no_sense_stops_no_other_shard():
    stream = MemoryStream(broken={"a"})
    stream.put("a", "1")
    stream.put("b", "2")
    world = World(stream)
    world.run(lambda: world.kept == {"b": "b2"} and len(world.results) > 1)
    assert "PROBLEM: internal error, which the server's log tells of" in world.results


def test_batches_are_no_larger_than_said_and_filtered_records_are_passed():
    stream = MemoryStream()
    stream.put("a", *(f"{n}" for n in range(5)), "skip")
    criteria = {"Filters": [{"Pattern": json.dumps({"data": [{"anything-but": ["skip"]}]})}]}
    world = World(stream, BatchSize=2, FilterCriteria=criteria)
    world.run(lambda: world.kept == {"a": "askip"})
    assert world.calls == [["0", "1"], ["2", "3"], ["4"]]


def test_what_is_stopped_in_a_batch_is_not_written_down():
    stream = MemoryStream()
    stream.put("a", "1")
    world = World(stream, MaximumRetryAttempts=-1)
    world.judge = lambda _: "Unhandled"
    world.run(lambda: world.calls)
    assert world.kept == {}
    assert world.results[-1] == "PROBLEM: Function call failed"


def test_keys_keep_their_order_where_batches_run_side_by_side():
    stream = MemoryStream()
    for n in range(6):
        stream.kept.setdefault("a", ((), [], False))
        for key in ("x", "y", "z"):
            record = Record(f"{n}{key}", time.time(), key, {}, {"name": f"{key}{n}"}, 1)
            stream.kept["a"][1].append(record)
    world = World(stream, BatchSize=2, ParallelizationFactor=4)
    world.run(lambda: world.kept == {"a": "5z"})
    assert all(len(batch) <= 2 for batch in world.calls)
    for key in ("x", "y", "z"):
        assert [name for name in world.names() if name[0] == key] == [f"{key}{n}" for n in range(6)]
