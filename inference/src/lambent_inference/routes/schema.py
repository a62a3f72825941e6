"""Requests as pydantic models; fields that a client sends beyond these are ignored.

They bear the names that the public API's description gives them, which clients meet in
/openapi.json and in the places of 422 errors. There are few on purpose, and none is built before it
is needed: each costs milliseconds of a cold start. Answers are built as plain dictionaries
(`shapes.py`) and never validated.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=4096)]
Threshold = Annotated[float, Field(allow_inf_nan=False)]
Confidence = Threshold | Literal["best", "default"]


class Model(BaseModel):
    """Built when it is first needed (`bodies.py`). A null is a field left out, as clients mean it."""

    model_config = ConfigDict(defer_build=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        if not isinstance(given, dict) or None not in given.values():
            return given
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {k: value for k, value in given.items() if value is not None or k not in optional}


class InferenceRequestImage(Model):
    """An image: `url`, `base64`, `s3`, and where the owner allows it `numpy` and `file`."""

    type: Text
    value: Any = None


Images = list[InferenceRequestImage] | InferenceRequestImage
"""In this order, which the places of errors follow."""


class BaseRequest(Model):
    id: Text = Field(default_factory=lambda: str(uuid.uuid4()))
    api_key: str | None = None
    usage_billable: bool = True
    start: float | None = None
    source: str | None = None
    source_info: str | None = None
    disable_model_monitoring: bool = False


class InferenceRequest(BaseRequest):
    model_id: Text | None = None
    model_type: str | None = None


class CVInferenceRequest(InferenceRequest):
    image: Images
    disable_preproc_auto_orient: bool = False
    disable_preproc_contrast: bool = False
    disable_preproc_grayscale: bool = False
    disable_preproc_static_crop: bool = False


class Drawn(CVInferenceRequest):
    """What may come back as a picture, too."""

    visualize_predictions: bool = False
    visualization_labels: bool = False
    visualization_stroke_width: int = Field(default=1, ge=0, le=100)
    disable_active_learning: bool = False
    active_learning_target_dataset: str | None = None


class ObjectDetectionInferenceRequest(Drawn):
    confidence: Confidence = 0.4
    iou_threshold: Threshold = 0.3
    max_detections: int = 300
    max_candidates: int = 3000
    class_agnostic_nms: bool = False
    class_filter: list[str] | None = None
    fix_batch_size: bool = False


class InstanceSegmentationInferenceRequest(ObjectDetectionInferenceRequest):
    mask_decode_mode: str = "accurate"
    tradeoff_factor: float = 0.0
    response_mask_format: Literal["polygon", "rle"] = "polygon"
    enforce_dense_masks_in_inference_models: bool = False


class KeypointsDetectionInferenceRequest(ObjectDetectionInferenceRequest):
    confidence: Threshold | Literal["default"] = 0.4
    keypoint_confidence: Threshold = 0.0


class ClassificationInferenceRequest(Drawn):
    confidence: Confidence = 0.4


class SemanticSegmentationInferenceRequest(CVInferenceRequest):
    confidence: Confidence = 0.4


class Parameters(Model):
    """The legacy route's query."""

    confidence: Confidence = 0.4
    keypoint_confidence: Threshold = 0.0
    format: str = "json"
    """`image` and `image_and_json` are what is not JSON alone."""
    image: str | None = None
    image_type: str = "base64"
    labels: bool = False
    mask_decode_mode: str = "accurate"
    tradeoff_factor: float = 0.0
    max_detections: int = 300
    overlap: Threshold = 0.3
    stroke: int = Field(default=1, ge=0, le=100)
    class_agnostic_nms: bool = False
    classes: str | None = None
    response_mask_format: Literal["polygon", "rle"] = "polygon"
    disable_preproc_auto_orient: bool = False
    disable_preproc_contrast: bool = False
    disable_preproc_grayscale: bool = False
    disable_preproc_static_crop: bool = False


class Counting(Model):
    """The part of every prediction's query that says whether it counts."""

    countinference: bool | None = None
    service_secret: str | None = None


class AddModelRequest(Model):
    model_id: Text
    model_type: str | None = None
    api_key: str | None = None


class ClearModelRequest(Model):
    model_id: Text


class ClipImageEmbeddingRequest(InferenceRequest):
    image: Images
    clip_version_id: Text = "ViT-B-16"


class ClipTextEmbeddingRequest(InferenceRequest):
    text: list[str] | str
    clip_version_id: Text = "ViT-B-16"


class ClipCompareRequest(InferenceRequest):
    subject: InferenceRequestImage | str
    subject_type: Literal["image", "text"] = "image"
    # In this order: a picture is an object, too, and must not be taken for one of prompts by name.
    prompt: (
        list[InferenceRequestImage]
        | InferenceRequestImage
        | str
        | list[str]
        | dict[str, InferenceRequestImage | str]
    ) = Field(union_mode="left_to_right")
    prompt_type: Literal["image", "text"] = "text"
    clip_version_id: Text = "ViT-B-16"


class DoctrOCRInferenceRequest(InferenceRequest):
    image: Images
    doctr_version_id: Text = "default"
    generate_bounding_boxes: bool = False


class EasyOCRInferenceRequest(InferenceRequest):
    """This one brings boxes unless they are declined."""

    image: Images
    easy_ocr_version_id: Text = "english_g2"
    language_codes: list[str] = ["en"]
    quantize: bool = False
    generate_bounding_boxes: bool = True


class YOLOWorldInferenceRequest(CVInferenceRequest):
    text: list[str] = Field(min_length=1, max_length=1000)
    yolo_world_version_id: Text = "l"
    confidence: Threshold = 0.4


class GroundingDINOInferenceRequest(CVInferenceRequest):
    text: list[str] = Field(min_length=1, max_length=1000)
    box_threshold: Threshold = 0.5
    text_threshold: Threshold = 0.5
    grounding_dino_version_id: Text = "default"
    class_agnostic_nms: bool = False


class TabularInferenceRequest(InferenceRequest):
    """Rows by feature name, or lists in the schema's order."""

    rows: list[dict[str, Any] | list[Any]] = Field(min_length=1, max_length=100_000)


class EmbeddingsRequest(InferenceRequest):
    """Images, texts, or both, which are embedded by the same model."""

    image: Images | None = None
    text: list[str] | str | None = None
