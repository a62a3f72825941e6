"""A graph that ends in a row of logits, made to answer as tables are answered: label, then shares.

Networks for tables are exported with their last layer; the inference server wants the label first.
The label is the class's name where it has one.
"""

from __future__ import annotations

from pathlib import Path

from lambent.delivery.graphs.facts import Facts


def wanted(facts: Facts) -> int | None:
    """How many classes the one output has, where it is a row of logits or shares; else None."""
    if len(facts.outputs) != 1 or not facts.outputs[0].kind.startswith("float"):
        return None
    sizes = facts.outputs[0].shape
    last = sizes[-1] if len(sizes) == 2 else None
    return last if isinstance(last, int) and last > 1 else None


def add(path: Path, target: Path, facts: Facts, classes: tuple[str, ...]) -> None:
    """Write the graph with a label and probabilities as its outputs."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    source = graph.output[0].name
    shares = source
    if facts.last[source] != "Softmax":
        shares = f"{source}_shares"
        graph.node.append(helper.make_node("Softmax", [source], [shares], axis=-1))
    place = f"{source}_place"
    graph.node.append(helper.make_node("ArgMax", [source], [place], axis=-1, keepdims=0))
    label, kind = place, TensorProto.INT64
    if classes:
        label, kind = f"{source}_label", TensorProto.STRING
        names = numpy_helper.from_array(np.array(classes, object), f"{source}_names")
        graph.initializer.append(names)
        graph.node.append(helper.make_node("Gather", [names.name, place], [label], axis=0))
    count = wanted(facts)
    element = graph.output[0].type.tensor_type.elem_type
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(label, kind, [None]))
    graph.output.append(helper.make_tensor_value_info(shares, element, [None, count]))
    onnx.checker.check_model(model)
    onnx.save_model(model, target)
