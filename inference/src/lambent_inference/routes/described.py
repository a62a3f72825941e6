"""What answers look like, for /openapi.json: the structures that `shapes.py` fills, under their public names.

Only looked at when somebody asks for the description; a test holds the answers of every route against
it. A field that may be UNSET is left out of an answer rather than null.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

REFERENCE: Final = "#/components/schemas/{name}"


class Exact(Struct, kw_only=True, forbid_unknown_fields=True):
    """These fields and no others."""


class InferenceResponseImage(Exact, kw_only=True):
    width: int
    height: int


class ObjectDetectionPrediction(Exact, kw_only=True):
    """`x` and `y` are the centre, in pixels of the picture."""

    x: float
    y: float
    width: float
    height: float
    confidence: float
    class_: str = field(name="class")
    class_id: int
    detection_id: str
    class_confidence: float | UnsetType | None = UNSET
    tracker_id: int | UnsetType | None = UNSET
    parent_id: str | UnsetType | None = UNSET


class Point(Exact, kw_only=True):
    x: float
    y: float


class Rle(Exact, kw_only=True):
    """COCO's compressed run lengths; `size` is height, width."""

    size: tuple[int, int]
    counts: str


class InstanceSegmentationPrediction(ObjectDetectionPrediction, kw_only=True):
    points: list[Point] | UnsetType = UNSET
    rle: Rle | UnsetType = UNSET
    mask_format: Literal["polygon", "rle"]


class Keypoint(Exact, kw_only=True):
    x: float
    y: float
    confidence: float
    class_id: int
    class_: str = field(name="class")


class KeypointsPrediction(ObjectDetectionPrediction, kw_only=True):
    keypoints: list[Keypoint]


class Seen(Exact, kw_only=True):
    inference_id: str
    time: float
    image: InferenceResponseImage
    frame_id: int | UnsetType | None = UNSET
    visualization: str | UnsetType | None = UNSET
    """A JPEG in base64."""


class ObjectDetectionInferenceResponse(Seen, kw_only=True):
    predictions: list[ObjectDetectionPrediction]


class InstanceSegmentationInferenceResponse(Seen, kw_only=True):
    predictions: list[InstanceSegmentationPrediction]


class KeypointsDetectionInferenceResponse(Seen, kw_only=True):
    predictions: list[KeypointsPrediction]


class ClassificationPrediction(Exact, kw_only=True):
    class_: str = field(name="class")
    class_id: int
    confidence: float


class ClassificationInferenceResponse(Seen, kw_only=True):
    predictions: list[ClassificationPrediction]
    top: str
    confidence: float


class MultiLabelClassificationPrediction(Exact, kw_only=True):
    confidence: float
    class_id: int


class MultiLabelClassificationInferenceResponse(Seen, kw_only=True):
    predictions: dict[str, MultiLabelClassificationPrediction]
    predicted_classes: list[str]


class SemanticSegmentationPrediction(Exact, kw_only=True):
    """Two grey PNGs in base64: class ids, and how sure of them (0…255)."""

    segmentation_mask: str
    class_map: dict[str, str]
    confidence_mask: str


class SemanticSegmentationInferenceResponse(Seen, kw_only=True):
    predictions: SemanticSegmentationPrediction


class ClipEmbeddingResponse(Exact, kw_only=True):
    inference_id: str
    frame_id: int | None
    time: float
    embeddings: list[list[float]]


class ClipCompareResponse(Exact, kw_only=True):
    inference_id: str
    frame_id: int | None
    time: float
    similarity: list[float] | dict[str, float]
    parent_id: str | None


class OCRInferenceResponse(Exact, kw_only=True):
    result: str
    image: InferenceResponseImage | UnsetType = UNSET
    predictions: list[ObjectDetectionPrediction] | UnsetType = UNSET
    time: float
    parent_id: str | None


class ModelDescriptionEntity(Exact, kw_only=True):
    model_id: str
    task_type: str
    batch_size: int | None
    input_height: int | None
    input_width: int | None
    vram_bytes: int | None
    request_aliases: list[str]
    request_paths: list[str]


class ModelsDescriptions(Exact, kw_only=True):
    models: list[ModelDescriptionEntity]
    total_vram_bytes: int | None
    gpu_memory_used: int | None
    gpu_memory_total: int | None
    torch_cuda_allocated: int | None
    torch_cuda_reserved: int | None
    torch_cuda_allocator_cache: int | None
    non_torch_gpu_memory: int | None


class ServerVersionInfo(Exact, kw_only=True):
    name: str
    version: str
    uuid: str
    server: str
    device: Literal["cpu", "cuda"]


class TabularPrediction(Exact, kw_only=True):
    prediction: str | float | bool | None
    probability: float | UnsetType | None = UNSET
    probabilities: dict[str, float] | UnsetType = UNSET


class TabularInferenceResponse(Exact, kw_only=True):
    inference_id: str
    time: float
    model_id: str
    model_version: str
    predictions: list[TabularPrediction]


class Message(Struct):
    """What is wrong with a request, or with the server."""

    message: str


class ValidationError(Exact, kw_only=True):
    type: str
    loc: list[str | int]
    msg: str
    input: Any
    ctx: dict[str, Any] | UnsetType = UNSET


class HTTPValidationError(Exact, kw_only=True):
    detail: list[ValidationError]


CLASSIFIED: Final = (ClassificationInferenceResponse, MultiLabelClassificationInferenceResponse)
SEEN: Final = (
    ObjectDetectionInferenceResponse,
    InstanceSegmentationInferenceResponse,
    KeypointsDetectionInferenceResponse,
    *CLASSIFIED,
    SemanticSegmentationInferenceResponse,
)
ANSWERS: Final[dict[str, tuple[type, ...]]] = {
    # One of these, and where a list of images was sent a list of them.
    "/infer/object_detection": (ObjectDetectionInferenceResponse, list),
    "/infer/instance_segmentation": (InstanceSegmentationInferenceResponse, list),
    "/infer/keypoints_detection": (KeypointsDetectionInferenceResponse, list),
    "/infer/classification": (*CLASSIFIED, list),
    "/infer/semantic_segmentation": (SemanticSegmentationInferenceResponse, list),
    "/{dataset_id}/{version_id}": SEEN,
    "/yolo_world/infer": (ObjectDetectionInferenceResponse, list),
    "/grounding_dino/infer": (ObjectDetectionInferenceResponse, list),
    "/doctr/ocr": (OCRInferenceResponse, list),
    "/easy_ocr/ocr": (OCRInferenceResponse, list),
    "/clip/embed_image": (ClipEmbeddingResponse,),
    "/clip/embed_text": (ClipEmbeddingResponse,),
    "/clip/compare": (ClipCompareResponse,),
    "/infer/embeddings": (ClipEmbeddingResponse,),
    "/infer/tabular": (TabularInferenceResponse,),
    "/model/registry": (ModelsDescriptions,),
    "/model/add": (ModelsDescriptions,),
    "/model/remove": (ModelsDescriptions,),
    "/model/clear": (ModelsDescriptions,),
    "/info": (ServerVersionInfo,),
}


def describe(document: dict[str, Any]) -> None:
    """Add the answers to an OpenAPI document."""
    wanted = {part for parts in ANSWERS.values() for part in parts if part is not list}
    named = sorted(wanted | {Message, HTTPValidationError}, key=lambda one: one.__name__)
    schemas, components = msgspec.json.schema_components(named, ref_template=REFERENCE)
    by_type = dict(zip(named, schemas, strict=True))
    errors = {"4XX": by_type[Message], "422": by_type[HTTPValidationError]}
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    for path, operations in document["paths"].items():
        parts = ANSWERS.get(path, ())
        for operation in operations.values():
            answers = operation["responses"]
            if parts:
                answers["200"] = _response("What was asked for", _any(parts, by_type))
            if parts or "requestBody" in operation:
                answers |= {status: _response(TOLD[status], one) for status, one in errors.items()}


TOLD: Final = {
    "4XX": "What is wrong with the request",
    "422": "Which fields cannot be read",
}


def _any(parts: tuple[type, ...], by_type: dict[type, Any]) -> Any:
    found = [by_type[part] for part in parts if part is not list]
    if list in parts:
        found += [{"type": "array", "items": one} for one in found]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _response(text: str, schema: Any) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
