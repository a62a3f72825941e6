"""Answers as JSON: exactly the keys that clients of the public API know, in their order.

Plain dictionaries, encoded once by msgspec. What is null in the original is null here, what it leaves
out is left out. Masks of whole pictures become PNGs, which is work: `semantic` blocks.
"""

from __future__ import annotations

import base64
import io
import uuid
from typing import Any

from lambent_inference.models.contract import (
    Answer,
    Box,
    ClassScore,
    Detections,
    Embedding,
    MultiLabel,
    Row,
    SemanticMask,
    SingleLabel,
    Text,
)

Json = dict[str, Any]


def shaped(answer: Answer, inference_id: str, seconds: float) -> Json:
    """Any answer; blocks for a semantic mask."""
    if isinstance(answer, Embedding):
        return embeddings([answer], inference_id, seconds)
    if isinstance(answer, Text):
        return text(answer, seconds)
    if isinstance(answer, Row):
        return row(answer)
    return seen(answer, inference_id, seconds)


def seen(
    answer: Detections | SingleLabel | MultiLabel | SemanticMask, inference_id: str, seconds: float
) -> Json:
    """What a model says about one picture."""
    match answer:
        case Detections():
            return detections(answer, inference_id, seconds)
        case SingleLabel():
            return single_label(answer, inference_id, seconds)
        case MultiLabel():
            return multi_label(answer, inference_id, seconds)
        case SemanticMask():
            return semantic(answer, inference_id, seconds)


def head(inference_id: str, seconds: float, width: int, height: int) -> Json:
    return {
        "inference_id": inference_id,
        "time": seconds,
        "image": {"width": width, "height": height},
    }


def detections(answer: Detections, inference_id: str, seconds: float) -> Json:
    return {
        **head(inference_id, seconds, answer.width, answer.height),
        "predictions": [box(one, answer) for one in answer.boxes],
    }


def detections_with_nulls(answer: Detections, inference_id: str, seconds: float) -> Json:
    """Grounding DINO's route is the one that keeps what is null."""
    shape = detections(answer, inference_id, seconds)
    nulls = {"class_confidence": None, "tracker_id": None, "parent_id": None}
    shape["predictions"] = [{**one, **nulls} for one in shape["predictions"]]
    return {**shape, "frame_id": None, "visualization": None}


def box(one: Box, picture: Detections) -> Json:
    shape: Json = {
        "x": one.x,
        "y": one.y,
        "width": one.width,
        "height": one.height,
        "confidence": one.confidence,
        "class": one.class_name,
        "class_id": one.class_id,
        "detection_id": str(uuid.uuid4()),
    }
    if one.points is not None:
        shape["points"] = [{"x": x, "y": y} for x, y in one.points]
        shape["mask_format"] = "polygon"
    if one.rle is not None:
        shape["rle"] = {"size": [picture.height, picture.width], "counts": one.rle}
        shape["mask_format"] = "rle"
    if one.keypoints is not None:
        shape["keypoints"] = [
            {
                "x": point.x,
                "y": point.y,
                "confidence": point.confidence,
                "class_id": point.class_id,
                "class": point.class_name,
            }
            for point in one.keypoints
        ]
    return shape


def single_label(answer: SingleLabel, inference_id: str, seconds: float) -> Json:
    top = answer.scores[0] if answer.scores else ClassScore("", -1, 0.0)
    return {
        **head(inference_id, seconds, answer.width, answer.height),
        "predictions": [
            {"class": one.class_name, "class_id": one.class_id, "confidence": one.confidence}
            for one in answer.scores
        ],
        "top": top.class_name,
        "confidence": top.confidence,
    }


def multi_label(answer: MultiLabel, inference_id: str, seconds: float) -> Json:
    return {
        **head(inference_id, seconds, answer.width, answer.height),
        "predictions": {
            one.class_name: {"confidence": one.confidence, "class_id": one.class_id}
            for one in answer.scores
        },
        "predicted_classes": list(answer.predicted),
    }


def semantic(answer: SemanticMask, inference_id: str, seconds: float) -> Json:
    return {
        **head(inference_id, seconds, answer.width, answer.height),
        "predictions": {
            "segmentation_mask": png(answer.classes),
            "class_map": {str(index): name for index, name in enumerate(answer.class_names)},
            "confidence_mask": png(answer.confidences),
        },
    }


def png(plane: Any) -> str:
    """A plane of bytes as a grey PNG, in base64."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(plane).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def embeddings(answers: list[Embedding], inference_id: str, seconds: float) -> Json:
    return {
        "inference_id": inference_id,
        "frame_id": None,
        "time": seconds,
        "embeddings": [list(one.vector) for one in answers],
    }


def text(answer: Text, seconds: float, *, boxes: bool = False) -> Json:
    shape: Json = {"result": answer.text}
    if boxes:
        picture = Detections(answer.width, answer.height, answer.lines)
        shape["image"] = {"width": answer.width, "height": answer.height}
        shape["predictions"] = [box(one, picture) for one in answer.lines]
    return {**shape, "time": seconds, "parent_id": None}


def row(answer: Row) -> Json:
    shape: Json = {"prediction": answer.prediction}
    if answer.probabilities:
        shape["probability"] = probability(answer)
        shape["probabilities"] = dict(answer.probabilities)
    return shape


def probability(answer: Row) -> float | None:
    """How sure a classifier is of what it says."""
    if not answer.probabilities:
        return None
    said = answer.probabilities.get(str(answer.prediction))
    return max(answer.probabilities.values()) if said is None else said


def sureness(answer: Answer) -> float | None:
    """The highest confidence or the probability, for the log; None where there is no such thing."""
    match answer:
        case Detections():
            return max((one.confidence for one in answer.boxes), default=0.0)
        case SingleLabel() | MultiLabel():
            return max((one.confidence for one in answer.scores), default=0.0)
        case Row():
            return probability(answer)
    return None
