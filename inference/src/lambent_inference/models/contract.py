"""The seam between the HTTP side and the models: what is asked, what comes back, who answers.

Routes parse a request, decode its images and call `Manager.infer` with one of the `Task` questions
below; the answers are plain values that `routes/shapes.py` alone turns into JSON. Values are frozen
msgspec structs (`msgspec.structs.replace` makes changed ones; thirty dataclasses cost 60 ms of every
cold start, these 3) and say nothing of HTTP. numpy is named for its types only: importing this module is cheap.

`models/manager.py` has `make(settings: Settings) -> Manager`, which the app calls on the first use of
a model; making it must not import numpy or onnxruntime. `aws.py` signs and sends S3 requests and
`security.py` fetches URLs, for registries as for images.

Images arrive decoded: RGB, orientation applied unless the request switched that off (`images.py`).
Coordinates in answers are pixels of that image. Errors are those of `errors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Confidence = float | Literal["best", "default"]
"""A threshold, or the package's own: `best` is its tuned one, `default` its plain one."""
Scalar = str | int | float | bool | None


class Family(StrEnum):
    """What a model does; the values are the registry's `task_type`."""

    DETECTION = "object-detection"
    SEGMENTATION = "instance-segmentation"
    KEYPOINTS = "keypoint-detection"
    CLASSIFICATION = "classification"
    """Multi-class and multi-label: the answer's type tells which."""
    SEMANTIC = "semantic-segmentation"
    EMBEDDING = "embedding"
    GROUNDED = "open-vocabulary-detection"
    """Detection of what a text names: YOLO-World, Grounding DINO."""
    OCR = "ocr"
    TABULAR = "tabular"


# ── what goes in ─────────────────────────────────────────────────────────────────────────────────


class Image(Struct, frozen=True):
    """A decoded picture. `pixels` is RGB, uint8, height × width × 3, read only."""

    pixels: NDArray[np.uint8]
    padded: NDArray[np.uint8] | None = None
    """The same with a fourth byte that means nothing, where the decoder left it so: quicker to work on."""

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


class Preprocessing(Struct, frozen=True, kw_only=True):
    """Steps of the package that this request switches off (orientation was dealt with before)."""

    contrast: bool = True
    grayscale: bool = True
    static_crop: bool = True


class Detect(Struct, frozen=True, kw_only=True):
    """Boxes. `confidence` is kept when reached (>=); the filter applies after `max_detections`."""

    confidence: Confidence = 0.4
    iou_threshold: float = 0.3
    max_detections: int = 300
    class_agnostic_nms: bool = False
    class_filter: tuple[str, ...] | None = None
    preprocessing: Preprocessing = Preprocessing()


class Segment(Detect, frozen=True, kw_only=True):
    """Boxes with masks; `tradeoff_factor` (0…1) matters in the mode of that name."""

    mask_decode_mode: Literal["accurate", "tradeoff", "fast"] = "accurate"
    tradeoff_factor: float = 0.0
    mask_format: Literal["polygon", "rle"] = "polygon"


class DetectKeypoints(Detect, frozen=True, kw_only=True):
    keypoint_confidence: float = 0.0


class Classify(Struct, frozen=True, kw_only=True):
    confidence: Confidence = 0.4
    preprocessing: Preprocessing = Preprocessing()


class SegmentSemantics(Struct, frozen=True, kw_only=True):
    confidence: Confidence = 0.4
    preprocessing: Preprocessing = Preprocessing()


class Embed(Struct, frozen=True, kw_only=True):
    """Vectors of the images given beside it and of `texts`; one of the two is empty."""

    texts: tuple[str, ...] = ()


class DetectNamed(Struct, frozen=True, kw_only=True):
    """Boxes of what the texts name; `class_id` is the index into `texts`."""

    texts: tuple[str, ...]
    confidence: float = 0.4
    """YOLO-World's threshold, Grounding DINO's `box_threshold`."""
    text_threshold: float = 0.5
    iou_threshold: float = 0.5
    class_agnostic_nms: bool = False
    max_detections: int = 300


class ReadText(Struct, frozen=True, kw_only=True):
    languages: tuple[str, ...] = ("en",)
    boxes: bool = False
    """Whether the answer carries where each piece of text stands."""


class Predict(Struct, frozen=True, kw_only=True):
    """Rows of a table: by feature name, or in the schema's order."""

    rows: tuple[Mapping[str, Scalar] | Sequence[Scalar], ...]


Task = (
    Detect
    | Segment
    | DetectKeypoints
    | Classify
    | SegmentSemantics
    | Embed
    | DetectNamed
    | ReadText
    | Predict
)


# ── what comes back: one answer per image, text or row, in order ─────────────────────────────────


class Keypoint(Struct, frozen=True):
    x: float
    y: float
    confidence: float
    class_id: int
    class_name: str


class Box(Struct, frozen=True, kw_only=True):
    """One detection; `x`, `y` are its centre."""

    x: float
    y: float
    width: float
    height: float
    confidence: float
    class_name: str
    class_id: int
    points: tuple[tuple[float, float], ...] | None = None
    """The mask's outline, when polygons were asked for."""
    rle: str | None = None
    """The mask as COCO's compressed run lengths over the whole image, when those were asked for."""
    keypoints: tuple[Keypoint, ...] | None = None


class Detections(Struct, frozen=True):
    """Answers Detect, Segment, DetectKeypoints and DetectNamed: the highest confidence first."""

    width: int
    height: int
    boxes: tuple[Box, ...]


class ClassScore(Struct, frozen=True):
    class_name: str
    class_id: int
    confidence: float


class SingleLabel(Struct, frozen=True):
    """Classes at or above the threshold, the most likely first; confidences have 4 decimals."""

    width: int
    height: int
    scores: tuple[ClassScore, ...]


class MultiLabel(Struct, frozen=True):
    """Every class in the model's order, and the names of those over the threshold."""

    width: int
    height: int
    scores: tuple[ClassScore, ...]
    predicted: tuple[str, ...]


class SemanticMask(Struct, frozen=True):
    """Per pixel of the image: the class id, and how sure of it (0…255 is 0…1)."""

    width: int
    height: int
    classes: NDArray[np.uint8]
    confidences: NDArray[np.uint8]
    class_names: tuple[str, ...]
    """By class id."""


class Embedding(Struct, frozen=True):
    vector: tuple[float, ...]


class Text(Struct, frozen=True):
    """What stands in a picture; `lines` in reading order, with boxes where they were asked for."""

    width: int
    height: int
    text: str
    lines: tuple[Box, ...] = ()
    """`class_name` is the line's text."""


class Row(Struct, frozen=True):
    """The answer for one row of a table."""

    prediction: Scalar
    probabilities: Mapping[str, float] | None = None
    """By class, for classifiers."""


Answer = Detections | SingleLabel | MultiLabel | SemanticMask | Embedding | Text | Row


# ── models and who holds them ────────────────────────────────────────────────────────────────────


class Feature(Struct, frozen=True, kw_only=True):
    """One column that a tabular model wants."""

    name: str
    kind: Literal["number", "integer", "string", "boolean"] = "number"
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    required: bool = True


class Description(Struct, frozen=True, kw_only=True):
    """A loaded model as the registry lists it; `model_id` is the resolved one, not an alias."""

    model_id: str
    family: Family
    version: str
    batch_size: int | None = None
    """None where the model takes any."""
    input_height: int | None = None
    input_width: int | None = None
    aliases: tuple[str, ...] = ()
    """Names under which it was asked for."""
    classes: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    memory_bytes: int = 0
    """What it holds, as far as that can be told."""
    provider: str = "cpu"
    """`cpu` or `cuda`: where it really runs."""


class Load(Struct, frozen=True):
    """A model that this call had to load first."""

    model_id: str
    seconds: float


class Loaded(Struct, frozen=True):
    """What `Manager.add` returns; `load` is None where the model was there already."""

    model: Description
    load: Load | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What one call of `Manager.infer` returns."""

    model: Description
    answers: tuple[Answer, ...]
    seconds: float
    """From the first byte of preprocessing to the last of postprocessing."""
    loads: tuple[Load, ...] = ()


class Usage(Struct, frozen=True):
    """What one loaded model has done and holds, for `/metrics`."""

    model_id: str
    version: str
    calls: int
    runs: int
    """Of the graph: fewer than calls where requests shared some."""
    in_flight: int
    memory_bytes: int


class Manager(Protocol):
    """Loads on demand, once at a time per model, within its budget.

    Nothing of it may belong to an event loop between calls: a function's process is forked after
    Init and goes on with another loop. Blocking work goes to `work.run`, the one bounded pool.
    `api_key` is whose models these are; it is passed on to the registry and kept nowhere else.
    """

    async def add(
        self, model_id: str, *, api_key: str | None = None, model_type: str | None = None
    ) -> Loaded:
        """Load it now. Idempotent, and cheap where it is loaded: the legacy route asks every time."""
        ...

    async def remove(self, model_id: str) -> None:
        """Unload and free its cache once running calls are done; raises ModelNotLoaded."""
        ...

    async def clear(self) -> None: ...

    def describe(self) -> Sequence[Description]:
        """What is loaded, the least recently used first."""
        ...

    def usage(self) -> Sequence[Usage]:
        """One per loaded model."""
        ...

    def fixed(self, family: Family) -> str | None:
        """The pinned or only model of a family, for routes whose requests may name none."""
        ...

    async def infer(
        self,
        model_id: str,
        task: Task,
        images: Sequence[Image] = (),
        *,
        api_key: str | None = None,
    ) -> Outcome:
        """One answer per image (per text, per row). A task of another family raises WrongFamily."""
        ...
