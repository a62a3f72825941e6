"""Graphs that tests compile: small networks of real data, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

SIDE = 8


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pixels 0…16 and what they show."""
    data = load_digits()
    return data.data, data.target


def trained(seed: int = 0) -> MLPClassifier:
    """A network on the first two thirds of the digits."""
    rows, labels = digits()
    model = MLPClassifier((32,), max_iter=500, random_state=seed, tol=5e-3, n_iter_no_change=2)
    return model.fit(rows[:1200], labels[:1200])


def write_pictures(folder: Path, count: int, *, labelled: bool = True) -> list[int]:
    """Digits that the network has not seen, as PNG files; what they show, in the order of the files."""
    rows, labels = digits()
    for place in range(1200, 1200 + count):
        into = folder / str(labels[place]) if labelled else folder
        into.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(rows[place].reshape(SIDE, SIDE) * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).save(into / f"{place}.png")
    return [int(one) for one in labels[1200 : 1200 + count]]


def layers(model: MLPClassifier, source: str, *, last: str | None = "Softmax") -> tuple[list, list]:
    """The network's layers as Gemm and Relu; nodes and weights. The output is called `scores`."""
    nodes, weights = [], []
    at = source
    for place, (coefficients, intercept) in enumerate(
        zip(model.coefs_, model.intercepts_, strict=True)
    ):
        end = place == len(model.coefs_) - 1
        for name, value in (("w", coefficients), ("b", intercept)):
            weights.append(numpy_helper.from_array(value.astype(np.float32), f"{name}{place}"))
        out = "scores" if end and last is None else f"t{place}"
        nodes.append(helper.make_node("Gemm", [at, f"w{place}", f"b{place}"], [out]))
        at = out
        if not end:
            nodes.append(helper.make_node("Relu", [at], [f"r{place}"]))
            at = f"r{place}"
        elif last is not None:
            nodes.append(helper.make_node(last, [at], ["scores"]))
    return nodes, weights


def of_pictures(model: MLPClassifier, *, last: str | None = "Softmax") -> onnx.ModelProto:
    """N × 3 × 8 × 8 pictures (0…1) → ten numbers: grey, times 16, one row, then the network."""
    nodes, weights = layers(model, "row", last=last)
    weights += [
        numpy_helper.from_array(np.array([-1, SIDE * SIDE]), "flat"),
        numpy_helper.from_array(np.array(16, np.float32), "sixteen"),
    ]
    before = [
        helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["grey", "sixteen"], ["pixels"]),
        helper.make_node("Reshape", ["pixels", "flat"], ["row"]),
    ]
    return made(
        before + nodes, weights, [("images", ["batch", 3, SIDE, SIDE])], [("scores", ["batch", 10])]
    )


def of_rows(model: MLPClassifier, *, last: str | None = None) -> onnx.ModelProto:
    """N × 64 numbers → ten logits."""
    nodes, weights = layers(model, "rows", last=last)
    return made(nodes, weights, [("rows", ["batch", 64])], [("scores", ["batch", 10])])


def convolution(*, harsh: bool = False) -> onnx.ModelProto:
    """Pictures of 16 × 16 → which of three channels is the brightest, through a convolution.

    `harsh`: weights of very different sizes, which eight bits cannot hold.
    """
    weights = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        weights[channel, channel] = 1 / 9
    bias = np.zeros(3, np.float32)
    if harsh:
        weights[:, 0, 0, 0] += 3000
        bias -= 0
    graph_weights = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(bias, "b"),
    ]
    nodes = [
        helper.make_node("Conv", ["images", "w", "b"], ["seen"], pads=[1] * 4),
        helper.make_node("ReduceMean", ["seen"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Softmax", ["means"], ["scores"], axis=-1),
    ]
    return made(nodes, graph_weights, [("images", [None, 3, 16, 16])], [("scores", [None, 3])])


def made(nodes, weights, inputs, outputs, *, opset: int = 13, ir: int = 9) -> onnx.ModelProto:
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ports]
        for ports in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "made", *values, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
