"""An ONNX file, checked: is it whole, is it valid, does the runtime take it, what goes in and out.

The checks go from cheap to dear, so that an error names the first thing that is wrong: the file, the
weights beside it, ONNX's own rules, and last the runtime that will serve it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from lambent.delivery.problem import Problem

Size = int | str | None
"""Of an axis: fixed, named by the exporter, or open."""
NEWER: Final = re.compile(
    r"Unsupported model IR version|ir_version \d+ is higher|opset \d+ is under development|is till opset"
)
UNKNOWN: Final = re.compile(
    r"is not a registered function/op|Could not find an implementation|No opset import for domain|No Op registered"
)
SAFE_OPSET: Final = 17
"""What every runtime of the last years takes."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output."""

    name: str
    kind: str
    """As numpy calls it; `string` for text."""
    shape: tuple[Size, ...]

    def __str__(self) -> str:
        sizes = " × ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.kind} {sizes}".rstrip()


@dataclass(frozen=True, slots=True)
class Facts:
    opset: int
    ir_version: int
    producer: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: Mapping[str, int]
    """How many nodes there are of each kind."""
    last: Mapping[str, str]
    """The operator that makes each output."""
    data: tuple[str, ...] = ()
    """Files beside the graph that hold its weights."""
    names: tuple[str, ...] = ()
    """Classes, where the exporter wrote them into the file."""
    said: str = ""
    """The task in the exporter's own word."""

    def report(self) -> dict[str, Any]:
        found = asdict(self)
        for key in ("names", "said", "last"):
            del found[key]
        return found


def check(path: Path) -> Facts:
    """Raises Problem, naming what is wrong."""
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    # Protobuf's DecodeError has no stubs, and a file may fail in other ways, too.
    except Exception as error:
        raise _invalid(path, f"it cannot be read: {_line(error)}") from error
    if not model.ir_version or not model.graph.node:
        raise _invalid(path, "it holds no graph")
    data = _data(path, model)
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise _named(path, _line(error)) from None
    _opens(path)
    return _facts(model, data)


def _data(path: Path, model: Any) -> tuple[str, ...]:
    """Names of the files with weights; each must be there, and beside the graph."""
    found = set()
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                found.add(entry.value)
    for name in found:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or len(inside.parts) != 1:
            raise _invalid(path, f"its weights lie at {name!r}, which is not beside it")
        if not (path.parent / name).is_file():
            raise Problem(
                "GRAPH_DATA_MISSING",
                f"{path} keeps its weights in {name}, which is not beside it",
                why="large graphs are exported as two files that belong together",
                fix=f"copy {name} to {path.parent}, or export with the weights inside",
            )
    return tuple(sorted(found))


def _opens(path: Path) -> None:
    """The runtime's own opinion."""
    from lambent.delivery.compiling.gate import open_session

    try:
        open_session(str(path))
    # onnxruntime raises classes of its own, without a common base.
    except Exception as error:
        raise _named(path, _line(error)) from error


def _named(path: Path, text: str) -> Problem:
    """The problem that a checker's words stand for."""
    if NEWER.search(text):
        return Problem(
            "GRAPH_TOO_NEW",
            f"{path} is written for a newer onnxruntime",
            why=text,
            fix=f"export with opset_version={SAFE_OPSET}, or upgrade onnxruntime",
        )
    if UNKNOWN.search(text):
        return Problem(
            "GRAPH_OPERATOR_UNKNOWN",
            f"{path} uses an operator that onnxruntime does not have",
            why=text,
            fix=f"export with ONNX's own operators (opset_version={SAFE_OPSET}); "
            "custom ones are not served",
        )
    return _invalid(path, text)


def _facts(model: Any, data: tuple[str, ...]) -> Facts:
    graph = model.graph
    constants = {one.name for one in graph.initializer}
    operators: dict[str, int] = {}
    for node in _nodes(graph):
        operators[node.op_type] = operators.get(node.op_type, 0) + 1
    made = {name: node.op_type for node in graph.node for name in node.output}
    said = {entry.key: entry.value for entry in model.metadata_props}
    opset = max(
        (one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), default=0
    )
    return Facts(
        opset=opset,
        ir_version=model.ir_version,
        producer=" ".join(part for part in (model.producer_name, model.producer_version) if part),
        inputs=tuple(_port(one) for one in graph.input if one.name not in constants),
        outputs=tuple(_port(one) for one in graph.output),
        operators=dict(sorted(operators.items())),
        last={one.name: made.get(one.name, "") for one in graph.output},
        data=data,
        names=_names(said.get("names", "")),
        said=said.get("task", ""),
    )


def _nodes(graph: Any) -> Iterator[Any]:
    """Nodes, those of branches and loops included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _port(one: Any) -> Port:
    import numpy as np
    from onnx import helper

    kind = one.type.tensor_type
    sizes: list[Size] = []
    for size in kind.shape.dim:
        fixed = size.dim_value if size.HasField("dim_value") else None
        sizes.append(fixed if fixed and fixed > 0 else size.dim_param or None)
    if not kind.elem_type:  # a sequence or a map, as skl2onnx makes of probabilities
        return Port(one.name, "map", ())
    found = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return Port(one.name, "string" if found.kind == "O" else found.name, tuple(sizes))


def _names(text: str) -> tuple[str, ...]:
    """`{0: 'cat', 1: 'dog'}` or `['cat', 'dog']`, as exporters of detectors write them."""
    try:
        found = ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError):
        return ()
    if isinstance(found, dict):
        try:
            found = [found[place] for place in range(len(found))]
        except KeyError:
            return ()
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def _invalid(path: Path, why: str) -> Problem:
    return Problem(
        "GRAPH_INVALID",
        f"{path} is no valid ONNX graph",
        why=why,
        fix="export it again; python -m onnx.checker FILE shows more",
    )


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
