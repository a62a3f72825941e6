"""What a graph is for: as the user says it, else as its inputs and outputs say it beyond doubt.

Shapes that several tasks share (pictures in, one row of numbers out: a classifier or an embedding)
are not guessed at: the error lists what can be said. docs/models.md has tasks and families.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambent.delivery.graphs.facts import Facts, Port
from lambent.delivery.problem import USAGE, Problem

TASKS: Final = (
    "object-detection", "instance-segmentation", "keypoint-detection", "classification",
    "semantic-segmentation", "embedding", "tabular",
)  # fmt: skip
FAMILIES: Final = {
    "object-detection": "yolov8", "instance-segmentation": "yolov8", "keypoint-detection": "yolov8",
    "classification": "onnx", "semantic-segmentation": "onnx", "embedding": "onnx",
    "tabular": "onnx",
}  # fmt: skip
EXPORTERS: Final = {
    "detect": "object-detection", "segment": "instance-segmentation", "pose": "keypoint-detection",
    "classify": "classification",
}  # fmt: skip
"""Words that exporters of detectors write into the file."""
VECTORS: Final = frozenset({"image_embeds", "embedding", "embeddings", "pooler_output"})
CHANNELS: Final = 3
PICTURE_RANK: Final = 4


@dataclass(frozen=True, slots=True)
class Said:
    """What the command line says; None and empty where it is silent."""

    task: str | None = None
    family: str | None = None
    classes: tuple[str, ...] = ()
    input: dict[str, Any] = field(default_factory=dict)
    """Members of model.json's `input`."""
    activation: str | None = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """What model.json says about a graph, files and features apart."""

    task: str
    family: str
    classes: tuple[str, ...]
    more: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def pictures(self) -> bool:
        return self.task != "tabular"


def tell(facts: Facts, said: Said) -> Purpose:
    """Raises Problem where it was neither said nor can be seen."""
    task = said.task or seen(facts, said)
    if task is None:
        raise Problem(
            "GRAPH_TASK_UNKNOWN",
            "what this graph is for cannot be seen from its inputs and outputs",
            why="; ".join(str(one) for one in (*facts.inputs, *facts.outputs)),
            fix="--task " + "|".join(TASKS) + "  (with --family and --classes where they matter)",
            exit_code=USAGE,
        )
    family = said.family or _family(task, facts)
    notes: list[str] = []
    classes = said.classes or facts.names
    more: dict[str, Any] = {}
    if task != "tabular":
        more["input"] = {**_layout(facts), **said.input}
    if task == "classification":
        more |= _activation(facts, said, family)
    if not classes and task not in {"tabular", "embedding"}:
        count = _count(task, family, facts)
        classes = tuple(str(number) for number in range(count))
        notes.append(f"the {count} classes are called 0…{count - 1}; --classes names them")
    return Purpose(task, family, classes, more, tuple(notes))


def seen(facts: Facts, said: Said) -> str | None:
    """The task, where inputs and outputs leave no doubt; None otherwise."""
    if found := EXPORTERS.get(facts.said):
        return found
    picture = _picture(facts)
    if picture is None:
        return "tabular" if _is_table(facts) else None
    ranks = [len(one.shape) for one in facts.outputs]
    if facts.outputs[0].name in VECTORS:
        return "embedding"
    if ranks == [2] and (
        said.classes or facts.names or facts.last[facts.outputs[0].name] == "Softmax"
    ):
        return "classification"
    if ranks == [3]:
        return "object-detection"
    return "instance-segmentation" if ranks == [3, 4] else None


def _picture(facts: Facts) -> Port | None:
    return next((one for one in facts.inputs if len(one.shape) == PICTURE_RANK), None)


def _is_table(facts: Facts) -> bool:
    """One matrix of numbers, or a column per input; token ids are neither."""
    kinds = {"float32", "float64", "string", "bool", "int32", "int64"}
    words = any(
        one.name in {"input_ids", "attention_mask", "token_type_ids"} for one in facts.inputs
    )
    if words or any(one.kind not in kinds or len(one.shape) > 2 for one in facts.inputs):
        return False
    return len(facts.inputs) == 1 or all(one.shape[1:] in {(), (1,)} for one in facts.inputs)


def _family(task: str, facts: Facts) -> str:
    """Of detectors, the layout of the output tells the head."""
    sizes = facts.outputs[0].shape
    if task != "object-detection" or len(sizes) != 3:
        return FAMILIES[task]
    _, rows, columns = sizes
    if columns == 6 and rows != 6:
        return "yolov10"
    if isinstance(rows, int) and isinstance(columns, int) and rows > columns:
        return "yolov5"
    return FAMILIES[task]


def _layout(facts: Facts) -> dict[str, Any]:
    picture = _picture(facts)
    if picture is None:
        raise unsuitable("it has no input of pictures (four dimensions)")
    first, last = picture.shape[1], picture.shape[3]
    if first != CHANNELS and last == CHANNELS:
        return {"layout": "nhwc"}
    if isinstance(first, int) and first != CHANNELS:
        raise unsuitable(f"it takes {first} channels; pictures have {CHANNELS}")
    return {}


def _activation(facts: Facts, said: Said, family: str) -> dict[str, Any]:
    """The server applies softmax unless the graph did."""
    if said.activation:
        return {"activation": said.activation}
    last = facts.last[facts.outputs[0].name]
    ends = last in {"Softmax", "Sigmoid"} and not family.startswith("yolo")
    return {"activation": "none"} if ends else {}


def _count(task: str, family: str, facts: Facts) -> int:
    sizes = facts.outputs[0].shape
    place, minus = -1, 0
    if task == "semantic-segmentation":
        place = 1
    elif task != "classification" and family.startswith("yolov5"):
        minus = 5
    elif task == "object-detection" and len(sizes) == 3 and not family.startswith("yolov10"):
        place, minus = 1, 4
    elif task != "classification":
        place = len(sizes)  # what the extras of a head are cannot be told from its width
    size = sizes[place] if -len(sizes) <= place < len(sizes) else None
    if not isinstance(size, int) or size <= minus:
        raise Problem(
            "GRAPH_CLASSES_UNKNOWN",
            "how many classes this graph has cannot be seen from its outputs",
            why="; ".join(str(one) for one in facts.outputs),
            fix="--classes cat,dog,…",
            exit_code=USAGE,
        )
    return size - minus


def unsuitable(why: str) -> Problem:
    return Problem(
        "GRAPH_UNSUITABLE",
        "the inference server cannot answer with this graph",
        why=why,
        fix="docs/models.md says what each family's outputs must be; --task and --family say which",
    )
