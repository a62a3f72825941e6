"""Models made from nothing: ONNX graphs whose answers are known, as packages on disk."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lambent_inference.models import package
from lambent_inference.models.contract import Image
from lambent_inference.models.package import Manifest
from lambent_inference.models.store import Store
from lambent_inference.settings import Settings

ENOUGH = {"allow_pickled_models": False}


def constant_graph(
    outputs: Mapping[str, np.ndarray],
    *,
    size=(64, 64),
    batch="N",
    channels=3,
    dtype=TensorProto.FLOAT,
) -> bytes:
    """Whatever the pictures are, each of them is answered with these arrays (no batch axis)."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
    ]
    constants, ports = [], []
    for name, value in outputs.items():
        rank = value.ndim
        constants += [
            numpy_helper.from_array(value.astype(np.float32)[None], f"{name}_value"),
            numpy_helper.from_array(np.array([-1, *[1] * rank], np.int64), f"{name}_shape"),
        ]
        nodes += [
            helper.make_node("Reshape", ["zero", f"{name}_shape"], [f"{name}_zero"]),
            helper.make_node("Add", [f"{name}_zero", f"{name}_value"], [name]),
        ]
        ports.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *value.shape]))
    images = helper.make_tensor_value_info("images", dtype, [batch, channels, *size])
    return _serialised(nodes, [images], ports, constants)


def _serialised(nodes, inputs, outputs, constants=(), opset=13, extra=()) -> bytes:
    graph = helper.make_graph(nodes, "made", inputs, outputs, list(constants))
    sets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*one) for one in extra)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=9)
    onnx.checker.check_model(model)
    out = io.BytesIO()
    onnx.save_model(model, out)
    return out.getvalue()


@pytest.fixture
def graph():
    return constant_graph


@pytest.fixture
def serialised():
    return _serialised


@pytest.fixture
def root(tmp_path) -> Path:
    """A `file://` registry's folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def write(root):
    """write(model_id, files, **manifest) makes a package and returns its manifest."""

    def write(model_id: str, files: Mapping[str, bytes], *, into: Path | None = None, **facts):
        name, _, version = model_id.rpartition("/")
        folder = (into or root) / name / version
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        facts = {"task": "object-detection", "family": "yolov8", **facts}
        facts |= {"id": name, "version": version, "format": 1}
        facts["files"] = {
            file: {"sha256": one.sha256, "size": one.size}
            for file, one in package.describe_files(folder, list(files)).items()
        }
        (folder / "model.json").write_text(json.dumps(facts))
        return package.read(folder)

    return write


@pytest.fixture
def settings(root, tmp_path):
    def settings(**more) -> Settings:
        facts = {"model_registry": (f"file://{root}",), "model_cache_dir": tmp_path / "cache"}
        return Settings(**(facts | more))

    return settings


@pytest.fixture
def manager(settings):
    """manager(**settings) as the app makes it; it is thrown away with the test."""
    from lambent_inference.models.manager import ModelManager

    def manager(**more) -> ModelManager:
        configured = settings(**more)
        return ModelManager(configured, Store(configured))

    return manager


@pytest.fixture
def ask(manager):
    """ask(model_id, task, images) → answers, through a manager of its own."""
    import asyncio

    def ask(model_id, task, images=(), **more):
        outcome = asyncio.run(manager(**more).infer(model_id, task, images))
        return outcome.answers

    return ask


@pytest.fixture
def blank():
    """blank(width, height) → a grey picture."""

    def blank(width=64, height=64, value=114) -> Image:
        return Image(np.full((height, width, 3), value, np.uint8))

    return blank


@pytest.fixture
def manifest() -> type[Manifest]:
    return Manifest
