"""Calls that meet share a run; one alone waits for nobody; each gets its own answer."""

import asyncio

import numpy as np
from onnx import TensorProto, helper

from lambent_inference import work
from lambent_inference.models.contract import Classify


def mean_graph(serialised) -> bytes:
    """Each picture's own mean brightness as a class score, so that answers can be told apart."""
    return serialised(
        [helper.make_node("ReduceMean", ["images"], ["out"], axes=[2, 3], keepdims=0)],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 3])],
    )


FACTS = {
    "task": "classification",
    "family": "plain",
    "activation": "none",
    "classes": ["r", "g", "b"],
}


def score(outcome) -> float:
    return outcome.answers[0].scores[0].confidence


def test_calls_that_meet_share_runs_and_get_their_own_answers(write, serialised, manager, blank):
    write("mean/1", {"m.onnx": mean_graph(serialised)}, **FACTS)

    async def scenario():
        models = manager(max_batch_delay_ms=200, max_batch_size=8)
        await models.add("mean/1")
        calls = [
            models.infer("mean/1", Classify(confidence=0), [blank(8, 8, i)]) for i in range(40)
        ]
        outcomes = await asyncio.gather(*calls)
        return outcomes, models.usage()[0]

    outcomes, usage = asyncio.run(scenario())
    assert [score(one) for one in outcomes] == [round(i / 255, 4) for i in range(40)]
    assert usage.calls == 40
    assert usage.runs < 30, "some shared a run"


def test_one_call_at_a_time_never_waits(write, serialised, manager, blank):
    write("mean/1", {"m.onnx": mean_graph(serialised)}, **FACTS)

    async def scenario():
        # A delay that would be noticed: twenty calls would take ten minutes.
        models = manager(max_batch_delay_ms=30_000)
        async with asyncio.timeout(60):
            for i in range(20):
                outcome = await models.infer("mean/1", Classify(confidence=0), [blank(8, 8, i)])
                assert score(outcome) == round(i / 255, 4)
        return models.usage()[0]

    assert asyncio.run(scenario()).runs == 20


def test_a_call_that_comes_alone_is_answered_on_one_thread(
    write, serialised, manager, blank, monkeypatch
):
    """A change of threads costs what a small model costs."""
    write("mean/1", {"m.onnx": mean_graph(serialised)}, **FACTS)
    changes = []
    real = work.run

    async def counted(function, *args, **options):
        changes.append(function.__name__)
        return await real(function, *args, **options)

    async def scenario():
        models = manager()
        await models.add("mean/1")
        monkeypatch.setattr(work, "run", counted)
        return await models.infer("mean/1", Classify(confidence=0), [blank(8, 8, 51)])

    assert score(asyncio.run(scenario())) == 0.2
    assert len(changes) == 1, changes


def test_a_cancelled_call_leaves_the_others_their_answers(write, serialised, manager, blank):
    write("mean/1", {"m.onnx": mean_graph(serialised)}, **FACTS)

    async def scenario():
        models = manager(max_batch_delay_ms=50)
        await models.add("mean/1")
        calls = [
            asyncio.ensure_future(models.infer("mean/1", Classify(confidence=0), [blank(8, 8, i)]))
            for i in range(30)
        ]
        await asyncio.sleep(0.005)
        for call in calls[::3]:
            call.cancel()
        async with asyncio.timeout(60):
            return await asyncio.gather(*calls, return_exceptions=True)

    outcomes = asyncio.run(scenario())
    for i, outcome in enumerate(outcomes):
        if not isinstance(outcome, asyncio.CancelledError):
            assert score(outcome) == round(i / 255, 4)
    assert sum(isinstance(one, asyncio.CancelledError) for one in outcomes) <= 10


def test_a_run_that_fails_fails_its_requests_only(write, serialised, manager, blank):
    write("mean/1", {"m.onnx": mean_graph(serialised)}, **FACTS)

    async def scenario():
        models = manager()
        await models.add("mean/1")
        runner = models._loaded["mean/1"].model.runners["model"]
        real, runner.run = runner.run, None
        failed = await asyncio.gather(
            *(models.infer("mean/1", Classify(), [blank(8, 8)]) for _ in range(3)),
            return_exceptions=True,
        )
        runner.run = real
        return failed, await models.infer("mean/1", Classify(confidence=0), [blank(8, 8, 51)])

    failed, outcome = asyncio.run(scenario())
    assert [type(one) for one in failed] == [TypeError] * 3
    assert score(outcome) == 0.2
    assert np.isfinite(outcome.seconds)
