"""Trains a small detector on drawn shapes and writes it as a model package, in about ten seconds.

    python train.py FOLDER        # FOLDER/shapes/1/model.json and weights.onnx

A patch of 17 × 17 cells around every cell of a 64 × 64 grid goes through two small networks
(scikit-learn, one hidden layer each): which shape has its middle here, and how large is it. Both are
written as convolutions of one ONNX graph that answers in YOLOv8's layout, so any server of YOLOv8
exports can serve it. No weights are downloaded; the pictures are drawn here, seeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

CLASSES = ("circle", "square", "triangle")
SIDE = 320
"""Pixels of the model's input."""
CELL = 5
"""Pixels of the input per cell of the grid."""
GRID = SIDE // CELL
REACH = 8
"""Cells around the one that is looked at."""
PATCH = 2 * REACH + 1


def draw(random: np.random.Generator, side: int = SIDE) -> tuple[Image.Image, list[tuple]]:
    """A picture, and (class, x, y, width, height) of each shape in it; none touch."""
    dark = tuple(int(v) for v in random.integers(0, 70, 3))
    picture = Image.new("RGB", (side, side), dark)
    brush = ImageDraw.Draw(picture)
    shapes: list[tuple] = []
    for _ in range(int(random.integers(2, 6))):
        size = float(random.uniform(0.1, 0.2)) * side
        x, y = random.uniform(size * 0.7, side - size * 0.7, 2)
        if any(
            abs(x - a) < (size + w) * 0.75 and abs(y - b) < (size + w) * 0.75
            for _, a, b, w, _ in shapes
        ):
            continue
        kind = int(random.integers(len(CLASSES)))
        bright = tuple(int(v) for v in random.integers(140, 256, 3))
        left, top, right, bottom = x - size / 2, y - size / 2, x + size / 2, y + size / 2
        if kind == 0:
            brush.ellipse((left, top, right, bottom), fill=bright)
        elif kind == 1:
            brush.rectangle((left, top, right, bottom), fill=bright)
        else:
            brush.polygon([(x, top), (right, bottom), (left, bottom)], fill=bright)
        shapes.append((kind, float(x), float(y), size, size))
    return picture, shapes


def cells(picture: Image.Image) -> np.ndarray:
    """The grid as the graph's first steps make it: brightness per cell, 0…1."""
    grey = np.asarray(picture, np.float32).mean(axis=2) / 255
    return grey.reshape(GRID, CELL, GRID, CELL).mean(axis=(1, 3))


def samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patches, what stands there (the last class is nothing), and offset and size where something does."""
    random = np.random.default_rng(seed)
    patches, kinds, places = [], [], []
    for _ in range(count):
        picture, shapes = draw(random)
        padded = np.pad(cells(picture), REACH)
        middles = {}
        for kind, x, y, width, height in shapes:
            column, row = int(x / CELL), int(y / CELL)
            for r in (row - 1, row, row + 1):
                for c in (column - 1, column, column + 1):
                    offset = (x / CELL - c - 0.5, y / CELL - r - 0.5)
                    if max(map(abs, offset)) <= 1:
                        middles[r, c] = (kind, *offset, width / CELL / 10, height / CELL / 10)
        near = [
            (r + int(dr), c + int(dc))
            for r, c in list(middles)
            for dr, dc in random.integers(-6, 7, (3, 2))
        ]
        far = [tuple(int(v) for v in one) for one in random.integers(0, GRID, (25, 2))]
        for r, c in [*middles, *near, *far]:
            if not (0 <= r < GRID and 0 <= c < GRID):
                continue
            patches.append(padded[r : r + PATCH, c : c + PATCH].ravel())
            kind, *place = middles.get((r, c), (len(CLASSES), 0, 0, 0, 0))
            kinds.append(kind)
            places.append(place)
    return np.array(patches), np.array(kinds), np.array(places, np.float32)


def train(pictures: int, seed: int) -> tuple[MLPClassifier, MLPRegressor]:
    patches, kinds, places = samples(pictures, seed)
    # A fixed number of rounds is enough here, and scikit-learn would say that more might help.
    warnings.simplefilter("ignore", ConvergenceWarning)
    which = MLPClassifier(
        hidden_layer_sizes=(40,), random_state=seed, max_iter=60, early_stopping=True
    )
    which.fit(patches, kinds)
    where = MLPRegressor(
        hidden_layer_sizes=(40,), random_state=seed, max_iter=60, early_stopping=True
    )
    there = kinds < len(CLASSES)
    where.fit(patches[there], places[there])
    return which, where


def export(which: MLPClassifier, where: MLPRegressor) -> bytes:
    """Both networks as convolutions over the grid; the output is YOLOv8's, 1 × (4 + classes) × cells."""
    nodes, weights = [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(value, name))
        return name

    def node(kind: str, inputs: list[str], output: str, **how: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **how))
        return output

    def network(name: str, model: MLPClassifier | MLPRegressor, source: str) -> str:
        first = model.coefs_[0].T.reshape(-1, 1, PATCH, PATCH).astype(np.float32)
        last = model.coefs_[1].T[:, :, None, None].astype(np.float32)
        hidden = node(
            "Conv",
            [
                source,
                constant(f"{name}_w0", first),
                constant(f"{name}_b0", model.intercepts_[0].astype(np.float32)),
            ],
            f"{name}_hidden",
            pads=[REACH] * 4,
        )
        active = node("Relu", [hidden], f"{name}_active")
        return node(
            "Conv",
            [
                active,
                constant(f"{name}_w1", last),
                constant(f"{name}_b1", model.intercepts_[1].astype(np.float32)),
            ],
            f"{name}_out",
        )

    grey = node("ReduceMean", ["images"], "grey", axes=[1], keepdims=1)
    grid = node("AveragePool", [grey], "grid", kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    shares = node("Softmax", [network("which", which, grid)], "shares", axis=1)
    scores = node(
        "Slice",
        [
            shares,
            constant("zero", np.array([0])),
            constant("classes", np.array([len(CLASSES)])),
            constant("axis", np.array([1])),
        ],
        "scores",
    )
    place = network("where", where, grid)
    scale = constant(
        "scale", np.array([CELL, CELL, CELL * 10, CELL * 10], np.float32).reshape(1, 4, 1, 1)
    )
    rows, columns = np.mgrid[0:GRID, 0:GRID].astype(np.float32)
    nothing = np.zeros_like(rows)
    middle = np.stack([(columns + 0.5) * CELL, (rows + 0.5) * CELL, nothing, nothing])[None]
    sized = node("Mul", [place, scale], "sized")
    boxes = node("Add", [sized, constant("middle", middle)], "boxes")
    both = node("Concat", [boxes, scores], "both", axis=1)
    shape = constant("shape", np.array([0, 4 + len(CLASSES), GRID * GRID]))
    node("Reshape", [both, shape], "output0")
    graph = helper.make_graph(
        nodes,
        "shapes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(
                "output0", TensorProto.FLOAT, ["batch", 4 + len(CLASSES), GRID * GRID]
            )
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write(folder: Path, graph: bytes) -> None:
    """The package: `model.json` and the graph that it describes."""
    target = folder / "shapes" / "1"
    target.mkdir(parents=True, exist_ok=True)
    (target / "weights.onnx").write_bytes(graph)
    facts = {
        "format": 1,
        "id": "shapes",
        "version": "1",
        "task": "object-detection",
        "family": "yolov8",
        "input": {"width": SIDE, "height": SIDE, "resize": "fit-black"},
        "classes": CLASSES,
        "licence": "Apache-2.0",
        "model": "weights.onnx",
        "files": {
            "weights.onnx": {"sha256": hashlib.sha256(graph).hexdigest(), "size": len(graph)}
        },
    }
    (target / "model.json").write_text(json.dumps(facts, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("models"))
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    which, where = train(asked.pictures, asked.seed)
    write(asked.folder, export(which, where))
    print(f"wrote {asked.folder}/shapes/1")


if __name__ == "__main__":
    main()
