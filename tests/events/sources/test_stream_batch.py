"""Batches of a shard that fail: what is tried again, what is given up, in which order."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.clock import ManualClock
from lambent.engine.invocation import Outcome
from lambent.events.sources.stream_api import Record
from lambent.events.sources.stream_batch import BatchRules, BatchRun

NOW_S = 1_800_000_000.0


def records(*ages_s, start=0):
    return [Record(str(start + n), NOW_S - age, "key", {}, {}, 1) for n, age in enumerate(ages_s)]


def outcome(answer):
    """A payload for what a handler returns; None for one that raises."""
    failed = "Unhandled" if answer is None else None
    return Outcome(
        payload=json.dumps(answer).encode(), function_error=failed, executed_version="$LATEST"
    )


class World:
    """A function that answers by `judge`, and everything that came of it."""

    def __init__(self, judge, **config):
        self.judge = judge
        self.config = config
        self.tried = []
        self.lost = []
        self.pauses = []
        self.stopping = False

    async def trial(self, batch):
        names = [each.sequence for each in batch]
        self.tried.append(names)
        answer = self.judge(names)
        return None if answer == "throttled" else (f"id-{len(self.tried)}", outcome(answer))

    async def give_up(self, given_up):
        names = [each.sequence for each in given_up.records]
        self.lost.append((given_up.condition, names, given_up.tries))

    async def pause(self, times):
        self.pauses.append(times)

    def finish(self, batch):
        clock = ManualClock(int(NOW_S * 1000))
        rules = BatchRules(self.config)
        run = BatchRun(
            rules, "shard-0", self.trial, self.give_up, self.pause, lambda: self.stopping, clock
        )
        return asyncio.run(run.finish(batch))


def bad(*names):
    """Raises when one of them is in the batch."""
    return lambda batch: None if set(names) & set(batch) else {}


def test_a_batch_that_succeeds_is_done_at_once():
    world = World(bad())
    assert world.finish(records(0, 0)) is True
    assert (world.tried, world.lost, world.pauses) == ([["0", "1"]], [], [])


def test_a_failure_is_tried_again_as_often_as_is_said_then_given_up():
    world = World(bad("1"), MaximumRetryAttempts=2)
    assert world.finish(records(0, 0)) is True
    assert world.tried == [["0", "1"]] * 3
    assert world.lost == [("RetryAttemptsExhausted", ["0", "1"], 3)]
    assert world.pauses == [1, 2]


def test_without_a_limit_it_is_tried_until_it_stops():
    def judge(_):
        world.stopping = len(world.tried) == 5

    world = World(judge, MaximumRetryAttempts=-1)
    assert world.finish(records(0)) is False
    assert (len(world.tried), world.lost) == (5, [])


def test_halves_find_the_bad_record_and_splitting_is_no_retry():
    world = World(bad("2"), MaximumRetryAttempts=0, BisectBatchOnFunctionError=True)
    assert world.finish(records(0, 0, 0, 0)) is True
    assert world.tried == [["0", "1", "2", "3"], ["0", "1"], ["2", "3"], ["2"], ["3"]]
    assert world.lost == [("RetryAttemptsExhausted", ["2"], 1)]
    assert world.pauses == []


def test_what_stands_before_a_reported_record_is_done():
    def judge(batch):
        return {"batchItemFailures": [{"itemIdentifier": "2"}] if "2" in batch else []}

    world = World(judge, MaximumRetryAttempts=1, FunctionResponseTypes=["ReportBatchItemFailures"])
    assert world.finish(records(0, 0, 0, 0)) is True
    assert world.tried == [["0", "1", "2", "3"], ["2", "3"]]
    assert world.lost == [("RetryAttemptsExhausted", ["2", "3"], 2)]


@pytest.mark.parametrize("answer", [{"batchItemFailures": [{"itemIdentifier": "9"}]}, "text"])
def test_a_report_that_makes_no_sense_fails_the_whole_batch(answer):
    world = World(
        lambda _: answer, MaximumRetryAttempts=0, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    world.finish(records(0, 0))
    assert world.lost == [("RetryAttemptsExhausted", ["0", "1"], 1)]


def test_old_records_are_given_up_and_the_young_go_on():
    world = World(bad(), MaximumRecordAgeInSeconds=60)
    assert world.finish(records(100, 61, 5)) is True
    assert world.lost == [("RecordAgeExceeded", ["0", "1"], 0)]
    assert world.tried == [["2"]]


def test_a_throttle_is_no_try():
    answers = iter(["throttled", "throttled", {}])
    world = World(lambda _: next(answers), MaximumRetryAttempts=0)
    assert world.finish(records(0)) is True
    assert (len(world.tried), world.lost) == (3, [])


@given(
    size=st.integers(1, 12),
    names=st.sets(st.integers(0, 11)),
    retries=st.integers(0, 2),
    splits=st.booleans(),
    reports=st.booleans(),
)
def test_every_record_ends_once_and_in_order(size, names, retries, splits, reports):
    """Whatever fails: each record is in a trial that ended well or is given up, never both."""
    poison = {str(n) for n in names}

    def judge(batch):
        hit = [name for name in batch if name in poison]
        if not hit:
            done.extend(batch)
            return {}
        if not reports:
            return None
        done.extend(batch[: batch.index(hit[0])])
        return {"batchItemFailures": [{"itemIdentifier": name} for name in hit]}

    done: list[str] = []
    world = World(
        judge,
        MaximumRetryAttempts=retries,
        BisectBatchOnFunctionError=splits,
        FunctionResponseTypes=["ReportBatchItemFailures"] if reports else [],
    )
    assert world.finish(records(*[0] * size)) is True
    lost = [name for _, batch, _ in world.lost for name in batch]
    assert sorted(done + lost, key=int) == [str(n) for n in range(size)]
    assert done == sorted(done, key=int)
    if splits:
        assert set(lost) == poison & {str(n) for n in range(size)}
