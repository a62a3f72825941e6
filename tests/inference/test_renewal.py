"""Before a snapshot, threads that a copy would not have are ended; afterwards everything works."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import types
import weakref

import numpy as np
import pytest
from onnx import TensorProto, helper

from lambent_inference import work
from lambent_inference.models.formats import onnx


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Threads are counted here, so what other tests left in this process does not take part."""
    work.rest()
    gc.collect()
    monkeypatch.setattr(onnx, "_runners", weakref.WeakSet())


@pytest.fixture
def doubling(tmp_path):
    """The path of a model that adds its input to itself."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    node = helper.make_node("Add", ["x", "x"], ["y"])
    graph = helper.make_graph([node], "made", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    path = tmp_path / "weights.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_session_with_threads_rests_where_snapshots_are_forks(doubling, monkeypatch):
    feeds = {"x": np.ones(2, np.float32)}
    before = _threads()
    runner = onnx.OnnxRunner(doubling, threads=3)
    assert _threads() == before + 2
    onnx._rest()  # on AWS threads live on in a snapshot
    assert _threads() == before + 2
    monkeypatch.setitem(sys.modules, "lambent_runtime", types.ModuleType("lambent_runtime"))
    onnx._rest()
    assert _threads() == before
    onnx._resume()
    assert _threads() == before + 2
    onnx._rest()
    assert runner.run(feeds)[0].tolist() == [2.0, 2.0]  # it comes back by itself, too
    runner.close()
    assert _threads() == before


def test_a_session_of_one_thread_stays(doubling, monkeypatch):
    monkeypatch.setitem(sys.modules, "lambent_runtime", types.ModuleType("lambent_runtime"))
    runner = onnx.OnnxRunner(doubling, threads=1)
    session = runner._session
    onnx._rest()
    onnx._resume()
    assert runner._session is session
    runner.close()


def test_pools_end_and_begin_again():
    before = _threads()
    assert asyncio.run(work.run(lambda: 1)) == 1
    assert _threads() > before
    work.rest()
    assert _threads() == before
    assert asyncio.run(work.wait(lambda: 2)) == 2
    work.rest()
