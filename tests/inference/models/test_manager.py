"""The manager's promises: once per model, within the budget, nothing unloaded that is in use."""

import asyncio
import gc
import os
import signal
import threading

import numpy as np
import pytest
from onnx import TensorProto, helper

from lambent_inference.errors import (
    BrokenPackage,
    InvalidModelConfiguration,
    InvalidModelId,
    MissingApiKey,
    ModelNotLoaded,
    NotFound,
    NotReady,
    TooLarge,
    WrongFamily,
)
from lambent_inference.metrics import Metrics
from lambent_inference.models import loading
from lambent_inference.models.contract import Classify, Detect, Family


@pytest.fixture
def boxes():
    """One box of class b in the middle of a 64 × 64 input."""
    return {"output0": np.array([[32.0], [32], [20], [10], [0.1], [0.9]])}


@pytest.fixture
def loads(monkeypatch):
    """Model ids in the order in which they were really loaded."""
    seen: list[str] = []
    real = loading.load

    def load(found, settings):
        seen.append(found.model_id)
        return real(found, settings)

    monkeypatch.setattr(loading, "load", load)
    return seen


def test_a_model_is_found_loaded_and_answers(write, graph, boxes, manager, blank):
    write("shapes/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])

    async def scenario():
        models = manager()
        first = await models.infer("shapes/1", Detect(), [blank(), blank(128, 64)])
        second = await models.infer("shapes", Detect(), [blank()])
        return models, first, second

    models, first, second = asyncio.run(scenario())
    assert [load.model_id for load in first.loads] == ["shapes/1"]
    assert second.loads == ()
    (small, wide) = first.answers
    assert (small.boxes[0].x, small.boxes[0].width) == (32, 20)
    assert (wide.boxes[0].x, wide.boxes[0].width) == (64, 40)
    assert small.boxes[0].class_name == "b"
    (described,) = models.describe()
    assert described.family is Family.DETECTION
    assert (described.input_width, described.input_height, described.batch_size) == (64, 64, None)
    assert described.aliases == ("shapes",)
    assert described.memory_bytes > 0
    assert described.provider == "cpu"
    assert models.fixed(Family.DETECTION) == "shapes/1"
    assert models.fixed(Family.OCR) is None
    (usage,) = models.usage()
    assert (usage.calls, usage.in_flight) == (2, 0)
    told = Metrics().text([usage])
    assert 'lambent_inference_model_calls{model="shapes/1",version="1"} 2' in told
    assert 'lambent_inference_model_in_flight{model="shapes/1",version="1"} 0' in told


def test_errors_by_name(write, graph, boxes, manager, blank):
    write("shapes/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    models = manager()

    def fails(error, model_id, task=None):
        with pytest.raises(error):
            asyncio.run(models.infer(model_id, task or Detect(), [blank()]))

    fails(MissingApiKey, "shapes/2")
    fails(NotFound, "nothing/of-ours")
    fails(InvalidModelId, "nothing")
    fails(InvalidModelId, "../shapes/1")
    fails(InvalidModelId, "/etc/passwd")
    fails(WrongFamily, "shapes/1", Classify())
    with pytest.raises(ModelNotLoaded):
        asyncio.run(models.remove("other/1"))


def test_concurrent_first_calls_load_once(write, graph, boxes, manager, blank, loads):
    write("shapes/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])

    async def scenario():
        models = manager()
        calls = [models.infer("shapes/1", Detect(), [blank()]) for _ in range(40)]
        return await asyncio.gather(*calls)

    outcomes = asyncio.run(scenario())
    assert loads == ["shapes/1"]
    assert sum(len(one.loads) for one in outcomes) == 1


def test_200_concurrent_requests_over_three_models_with_a_budget_for_two(
    write, graph, manager, blank, loads
):
    for number in range(3):
        rows = {"output0": np.array([[32.0], [32], [10 * (number + 1)], [10], [0.9]])}
        write(f"m{number}/1", {"weights.onnx": graph(rows)}, classes=["a"])
    most = 0

    async def scenario():
        nonlocal most
        models = manager(max_active_models=2)

        async def call(i: int):
            nonlocal most
            outcome = await models.infer(f"m{i % 3}/1", Detect(), [blank()])
            most = max(most, len(models.describe()))
            return outcome.model.model_id, outcome.answers[0].boxes[0].width

        return await asyncio.gather(*(call(i) for i in range(200)))

    answers = asyncio.run(scenario())
    assert answers == [(f"m{i % 3}/1", 10 * (i % 3 + 1)) for i in range(200)]
    assert most <= 2
    assert len(loads) < 100, "most requests shared a load"


def test_200_concurrent_requests_over_three_models_with_memory_for_two(
    write, graph, manager, blank, loads
):
    """Each counts for its files at least, which are 8 MB; the budget is 20."""
    for number in range(3):
        rows = {"output0": np.array([[32.0], [32], [10 * (number + 1)], [10], [0.9]])}
        files = {"weights.onnx": graph(rows), "ballast": bytes(8_000_000)}
        write(f"m{number}/1", files, classes=["a"])
    asyncio.run(manager().add("m0/1"))  # what the runtime itself takes is no model's
    loads.clear()
    held: list[int] = []

    async def scenario():
        models = manager(model_memory_mb=20)

        async def call(i: int):
            outcome = await models.infer(f"m{i % 3}/1", Detect(), [blank()])
            held.append(sum(one.memory_bytes for one in models.describe()))
            return outcome.answers[0].boxes[0].width

        return await asyncio.gather(*(call(i) for i in range(200)))

    assert asyncio.run(scenario()) == [10 * (i % 3 + 1) for i in range(200)]
    assert 16_000_000 <= max(held) <= 20_000_000
    assert set(loads) == {"m0/1", "m1/1", "m2/1"}
    assert len(loads) < 100, "most requests shared a load"


def test_a_model_in_use_is_not_unloaded_under_its_calls(
    write, graph, boxes, manager, blank, monkeypatch
):
    for name in ("a", "b"):
        write(f"{name}/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    inside, go = threading.Event(), threading.Event()
    order: list[str] = []

    async def scenario():
        models = manager(max_active_models=1)
        await models.add("a")
        entry = models._loaded["a/1"]
        real = entry.model.decoder.finish

        def slow(*args):
            inside.set()
            assert go.wait(60)
            order.append("a answered")
            return real(*args)

        entry.model.decoder.finish = slow
        close = entry.model.runners["model"].close
        entry.model.runners["model"].close = lambda: (order.append("a closed"), close())
        running = asyncio.ensure_future(models.infer("a", Detect(), [blank()]))
        await asyncio.to_thread(inside.wait, 60)
        other = asyncio.ensure_future(models.infer("b", Detect(), [blank()]))
        done, _ = await asyncio.wait([other], timeout=0.3)
        assert not done, "b must wait until a's call is over"
        go.set()
        await running
        await other
        return [one.model_id for one in models.describe()]

    assert asyncio.run(scenario()) == ["b/1"]
    assert order == ["a answered", "a closed"]


def test_who_waits_too_long_is_told_to_come_again_and_nothing_is_lost(
    write, graph, boxes, manager, blank
):
    for name in ("a", "b"):
        write(f"{name}/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    inside, go = threading.Event(), threading.Event()

    async def scenario():
        models = manager(max_active_models=1, model_wait_s=0.2)
        await models.add("a")
        entry = models._loaded["a/1"]
        real = entry.model.decoder.finish

        def slow(*args):
            inside.set()
            assert go.wait(60)
            return real(*args)

        entry.model.decoder.finish = slow
        running = asyncio.ensure_future(models.infer("a", Detect(), [blank()]))
        await asyncio.to_thread(inside.wait, 60)
        with pytest.raises(NotReady) as told:
            await models.infer("b", Detect(), [blank()])
        assert told.value.headers() == {"Retry-After": "1"}
        go.set()
        assert (await running).answers[0].boxes
        assert not models._leaving, "its last call closed it, though nobody waited any more"
        assert (await models.infer("b", Detect(), [blank()])).answers[0].boxes
        return [one.model_id for one in models.describe()]

    assert asyncio.run(scenario()) == ["b/1"]


def test_a_load_that_another_leads_is_not_waited_for_for_ever(
    write, graph, boxes, manager, monkeypatch
):
    for name in ("a", "b"):
        write(f"{name}/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    begun, go = threading.Event(), threading.Event()
    real = loading.load

    def slow(found, settings):
        begun.set()
        assert go.wait(60)
        return real(found, settings)

    monkeypatch.setattr(loading, "load", slow)

    async def scenario():
        models = manager(model_wait_s=0.2)
        leader = asyncio.ensure_future(models.add("a"))
        await asyncio.to_thread(begun.wait, 60)
        for name in ("a", "b"):  # one at a time, so another model waits as well
            with pytest.raises(NotReady):
                await models.add(name)
        go.set()
        return (await leader).model.model_id

    assert asyncio.run(scenario()) == "a/1"


def test_pinned_models_stay_and_what_cannot_fit_is_refused(write, graph, boxes, manager, blank):
    for name in ("a", "b", "c"):
        write(f"{name}/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])

    async def scenario():
        models = manager(max_active_models=2, pinned_models=("a/1",))
        for name in ("a/1", "b/1", "c/1", "b/1"):
            await models.infer(name, Detect(), [blank()])
        ids = [one.model_id for one in models.describe()]
        alone = manager(max_active_models=1, pinned_models=("a/1",))
        await alone.add("a/1")
        with pytest.raises(TooLarge):
            await alone.add("b/1")
        return ids

    assert asyncio.run(scenario()) == ["a/1", "b/1"]


def test_a_model_larger_than_the_budget_is_refused(write, graph, manager):
    write(
        "big/1",
        {"weights.onnx": graph({"output0": np.zeros((5, 500_000))})},
        classes=["a"],
    )
    with pytest.raises(TooLarge):
        asyncio.run(manager(model_memory_mb=5).add("big/1"))


def test_remove_and_clear_unload_but_leave_the_owners_files(write, graph, boxes, manager, root):
    for name in ("a", "b"):
        write(f"{name}/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    before = sorted(path for path in root.rglob("*"))

    async def scenario():
        models = manager()
        await models.add("a/1")
        await models.add("b")
        await models.remove("a")
        left = [one.model_id for one in models.describe()]
        await models.clear()
        assert not models.describe()
        await models.add("a/1")
        return left

    assert asyncio.run(scenario()) == ["b/1"]
    assert sorted(path for path in root.rglob("*")) == before


def test_what_does_not_fit_its_description_is_refused_at_loading(write, graph, boxes, manager):
    write("few/1", {"weights.onnx": graph(boxes)}, classes=["a"])
    with pytest.raises(InvalidModelConfiguration):
        asyncio.run(manager().add("few/1"))
    write("junk/1", {"weights.onnx": b"no graph"}, classes=["a"])
    with pytest.raises(BrokenPackage):
        asyncio.run(manager().add("junk/1"))
    write("size/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"], input={"width": 99})
    with pytest.raises(InvalidModelConfiguration):
        asyncio.run(manager().add("size/1"))


@pytest.mark.parametrize("place", ["../secret", "{root}/secret"])
def test_a_graph_cannot_read_its_weights_from_elsewhere(write, manager, root, place):
    """ONNX lets a tensor lie in another file; it has to be one of the package's folder."""
    (root / "outside" / "secret").parent.mkdir()
    (root / "outside" / "secret").write_bytes(bytes(range(64)))
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place.format(root=root / "outside"))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Add", ["mean", "w"], ["out"]),
    ]
    ports = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 8, 8]),
        helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 3]),
    ]
    graph = helper.make_graph(nodes, "made", ports[:1], ports[1:], [weights])
    sets = [helper.make_opsetid("", 13)]
    data = helper.make_model(graph, opset_imports=sets, ir_version=9).SerializeToString()
    write("a/1", {"w.onnx": data}, task="classification", family="plain", classes=["a", "b", "c"])
    (root / "a" / "secret").write_bytes(bytes(range(64)))
    with pytest.raises(BrokenPackage, match="External data path"):
        asyncio.run(manager().add("a/1"))


def test_a_failed_load_fails_all_who_wait_and_the_next_tries_again(
    write, graph, boxes, manager, blank, root
):
    write("a/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    weights = root / "a" / "1" / "weights.onnx"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1])

    async def scenario():
        models = manager()
        calls = [models.infer("a/1", Detect(), [blank()]) for _ in range(5)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        weights.write_bytes(good)
        return failed, await models.infer("a/1", Detect(), [blank()])

    failed, outcome = asyncio.run(scenario())
    assert [type(one) for one in failed] == [BrokenPackage] * 5
    assert outcome.answers[0].boxes


def test_what_a_copied_process_inherits_as_garbage_is_left_alone(write, graph, boxes, root):
    """A failed load leaves a session in a cycle; its end waits for threads that a copy has not."""
    from lambent_inference.models.formats.onnx import OnnxRunner

    write("a/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    gc.collect()
    gc.disable()
    try:
        cycle: list = [OnnxRunner(root / "a" / "1" / "weights.onnx", threads=2)]
        cycle.append(cycle)
        del cycle
        if not (child := os.fork()):
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(30)
            gc.collect()
            os._exit(7)
    finally:
        gc.enable()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_copied_process_goes_on_with_another_loop(write, graph, boxes, manager, blank):
    write("a/1", {"weights.onnx": graph(boxes)}, classes=["a", "b"])
    models = manager(onnx_threads=2)
    asyncio.run(models.add("a/1"))
    read, written = os.pipe()
    if not (child := os.fork()):  # what a restored snapshot is
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner's handler cannot end it
        signal.alarm(60)
        try:
            outcome = asyncio.run(models.infer("a/1", Detect(), [blank()]))
            os.write(written, str(outcome.answers[0].boxes[0].width).encode())
        finally:
            os._exit(0)
    os.close(written)
    answer = os.read(read, 100)
    os.waitpid(child, 0)
    os.close(read)
    assert answer == b"20.0"
