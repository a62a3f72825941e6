"""Requests as pydantic models; fields that a client sends beyond these are ignored.

There are few on purpose, and none is built before it is needed: each costs milliseconds of a cold
start. Answers are built as plain
dictionaries (`shapes.py`) and never validated.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=4096)]
Threshold = Annotated[float, Field(allow_inf_nan=False)]
Confidence = Threshold | Literal["best", "default"]


class Model(BaseModel):
    """Built when it is first needed (`bodies.py`)."""

    model_config = ConfigDict(defer_build=True, protected_namespaces=())


class Picture(Model):
    """An image: `url`, `base64`, `s3`, and where the owner allows it `numpy` and `file`."""

    type: Text
    value: Any = None


class BaseRequest(Model):
    id: Text = Field(default_factory=lambda: str(uuid.uuid4()))
    api_key: str | None = None
    usage_billable: bool = True
    start: float | None = None
    source: str | None = None
    source_info: str | None = None
    disable_model_monitoring: bool = False


class ModelRequest(BaseRequest):
    model_id: Text | None = None
    model_type: str | None = None


class ImageRequest(ModelRequest):
    image: Picture | list[Picture]
    disable_preproc_auto_orient: bool = False
    disable_preproc_contrast: bool = False
    disable_preproc_grayscale: bool = False
    disable_preproc_static_crop: bool = False


class Drawn(ImageRequest):
    """What may come back as a picture, too."""

    visualize_predictions: bool = False
    visualization_labels: bool = False
    visualization_stroke_width: int = Field(default=1, ge=0, le=100)
    disable_active_learning: bool = False
    active_learning_target_dataset: str | None = None


class ObjectDetection(Drawn):
    confidence: Confidence = 0.4
    iou_threshold: Threshold = 0.3
    max_detections: int = 300
    max_candidates: int = 3000
    class_agnostic_nms: bool = False
    class_filter: list[str] | None = None
    fix_batch_size: bool = False


class InstanceSegmentation(ObjectDetection):
    mask_decode_mode: str = "accurate"
    tradeoff_factor: float = 0.0
    response_mask_format: Literal["polygon", "rle"] = "polygon"
    enforce_dense_masks_in_inference_models: bool = False


class KeypointsDetection(ObjectDetection):
    confidence: Threshold | Literal["default"] = 0.4
    keypoint_confidence: Threshold = 0.0


class Classification(Drawn):
    confidence: Confidence = 0.4


class SemanticSegmentation(ImageRequest):
    confidence: Confidence = 0.4


class Parameters(Model):
    """The legacy route's query."""

    confidence: Annotated[str, Field(max_length=32)] = "0.4"
    keypoint_confidence: Threshold = 0.0
    format: Literal["json", "image", "image_and_json"] = "json"
    image: str | None = None
    image_type: Literal["base64", "numpy"] = "base64"
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


class ModelId(Model):
    """For the model routes."""

    model_id: Text
    model_type: str | None = None
    api_key: str | None = None


class ClipImage(ModelRequest):
    image: Picture | list[Picture]
    clip_version_id: Text = "ViT-B-16"


class ClipText(ModelRequest):
    text: str | list[str]
    clip_version_id: Text = "ViT-B-16"


class ClipCompare(ModelRequest):
    subject: Picture | str
    subject_type: Literal["image", "text"] = "image"
    # In this order: a picture is an object, too, and must not be taken for one of prompts by name.
    prompt: Picture | list[Picture] | str | list[str] | dict[str, Picture | str] = Field(
        union_mode="left_to_right"
    )
    prompt_type: Literal["image", "text"] = "text"
    clip_version_id: Text = "ViT-B-16"


class Ocr(ModelRequest):
    """Both OCR routes; each reads the version that is its own."""

    image: Picture | list[Picture]
    generate_bounding_boxes: bool = False
    language_codes: list[str] = ["en"]
    quantize: bool = False
    doctr_version_id: Text = "default"
    easy_ocr_version_id: Text = "english_g2"


class YoloWorld(ModelRequest):
    image: Picture | list[Picture]
    text: list[str] = Field(min_length=1, max_length=1000)
    yolo_world_version_id: Text = "l"
    confidence: Threshold = 0.4


class GroundingDino(ModelRequest):
    image: Picture | list[Picture]
    text: list[str] = Field(min_length=1, max_length=1000)
    box_threshold: Threshold = 0.5
    text_threshold: Threshold = 0.5
    grounding_dino_version_id: Text = "default"
    class_agnostic_nms: bool = False


class Tabular(ModelRequest):
    """Rows by feature name, or lists in the schema's order."""

    rows: list[dict[str, Any] | list[Any]] = Field(min_length=1, max_length=100_000)


class Embeddings(ModelRequest):
    """Images, texts, or both, which are embedded by the same model."""

    image: Picture | list[Picture] | None = None
    text: str | list[str] | None = None
