"""`/infer/<task>`: one image or several, by a model that is loaded if it is not.

Each route turns its body into the task's question; `predict` does the rest, for the legacy route too.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference import draw, work
from lambent_inference.errors import InvalidMaskMode, InvalidModelId, ServiceMisconfigured
from lambent_inference.models.contract import (
    Answer,
    Classify,
    Detect,
    Detections,
    DetectKeypoints,
    Image,
    Outcome,
    Preprocessing,
    Segment,
    SegmentSemantics,
    SemanticMask,
    Task,
)
from lambent_inference.routes import schema, shapes
from lambent_inference.routes.answers import answer
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import query as read_query
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call

router = APIRouter(prefix="/infer", tags=["inference"])

MASK_MODES = ("accurate", "tradeoff", "fast")


@router.post(
    "/object_detection",
    summary="Boxes",
    openapi_extra=takes(schema.ObjectDetectionInferenceRequest),
)
async def object_detection(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.ObjectDetectionInferenceRequest)
    return await respond(caller, body, Detect(**detection(body)))


@router.post(
    "/instance_segmentation",
    summary="Boxes with masks",
    openapi_extra=takes(schema.InstanceSegmentationInferenceRequest),
)
async def instance_segmentation(request: Request) -> Response:
    caller, body = (
        Call(request),
        await read_body(request, schema.InstanceSegmentationInferenceRequest),
    )
    return await respond(
        caller,
        body,
        segment(
            detection(body), body.mask_decode_mode, body.tradeoff_factor, body.response_mask_format
        ),
    )


@router.post(
    "/keypoints_detection",
    summary="Boxes with keypoints",
    openapi_extra=takes(schema.KeypointsDetectionInferenceRequest),
)
async def keypoints_detection(request: Request) -> Response:
    caller, body = (
        Call(request),
        await read_body(request, schema.KeypointsDetectionInferenceRequest),
    )
    task = DetectKeypoints(**detection(body), keypoint_confidence=body.keypoint_confidence)
    return await respond(caller, body, task)


@router.post(
    "/classification",
    summary="Classes, one or several per image",
    openapi_extra=takes(schema.ClassificationInferenceRequest),
)
async def classification(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.ClassificationInferenceRequest)
    task = Classify(confidence=body.confidence, preprocessing=preprocessing(body))
    return await respond(caller, body, task)


@router.post(
    "/semantic_segmentation",
    summary="A class per pixel",
    openapi_extra=takes(schema.SemanticSegmentationInferenceRequest),
)
async def semantic_segmentation(request: Request) -> Response:
    caller, body = (
        Call(request),
        await read_body(request, schema.SemanticSegmentationInferenceRequest),
    )
    task = SegmentSemantics(confidence=body.confidence, preprocessing=preprocessing(body))
    return await respond(caller, body, task)


# ── bodies → questions ───────────────────────────────────────────────────────────────────────────


def detection(body: schema.ObjectDetectionInferenceRequest) -> dict[str, Any]:
    return {
        "confidence": body.confidence,
        "iou_threshold": body.iou_threshold,
        "max_detections": max(body.max_detections, 0),
        "class_agnostic_nms": body.class_agnostic_nms,
        "class_filter": tuple(body.class_filter) if body.class_filter else None,
        "preprocessing": preprocessing(body),
    }


def preprocessing(body: schema.CVInferenceRequest) -> Preprocessing:
    return Preprocessing(
        contrast=not body.disable_preproc_contrast,
        grayscale=not body.disable_preproc_grayscale,
        static_crop=not body.disable_preproc_static_crop,
    )


def segment(common: dict[str, Any], mode: str, factor: float, mask_format: str) -> Segment:
    if mode not in MASK_MODES or not 0 <= factor <= 1:
        raise InvalidMaskMode
    return Segment(
        **common,
        mask_decode_mode=mode,  # type: ignore[arg-type]  # checked above
        tradeoff_factor=factor,
        mask_format=mask_format,  # type: ignore[arg-type]  # checked by the schema
    )


# ── the way of a prediction ──────────────────────────────────────────────────────────────────────


async def respond(caller: Call, body: schema.CVInferenceRequest, task: Task) -> Response:
    if not body.model_id:
        raise InvalidModelId
    check_count(caller)
    images = await caller.images(body.image, orient=not body.disable_preproc_auto_orient)
    outcome = await caller.infer(body.model_id, task, images, caller.key(body.api_key))
    values = await shape(outcome, body.id)
    if isinstance(body, schema.Drawn) and body.visualize_predictions:
        labels, stroke = body.visualization_labels, body.visualization_stroke_width
        for each, image, one in zip(values, images, outcome.answers, strict=True):
            each["visualization"] = await drawing(image, one, labels=labels, stroke=stroke)
    value = values if isinstance(body.image, list) else values[0]
    inputs = body.model_dump(exclude={"image", "api_key"}) if caller.captured else None
    await caller.capture(outcome.model, inputs, value)
    return await answer(caller, value)


async def shape(outcome: Outcome, inference_id: str) -> list[dict[str, Any]]:
    """The answers as JSON; what masks take is for the pool."""
    answers = outcome.answers
    if any(_has_masks(one) for one in answers):
        return await work.run(_shape, answers, inference_id, outcome.seconds)
    return _shape(answers, inference_id, outcome.seconds)


def _has_masks(one: Answer) -> bool:
    if isinstance(one, Detections):
        return any(box.points is not None for box in one.boxes)
    return isinstance(one, SemanticMask)


def _shape(answers: Sequence[Answer], inference_id: str, seconds: float) -> list[dict[str, Any]]:
    return [shapes.shaped(one, inference_id, seconds) for one in answers]


async def drawing(image: Image, one: Answer, *, labels: bool, stroke: int) -> str:
    data = await work.run(draw.drawn, image, one, labels=labels, stroke=stroke)
    return base64.b64encode(data).decode()


def check_count(caller: Call) -> None:
    """Not to count a call is for those who know the platform's secret."""
    if "countinference" not in caller.request.query_params:
        return
    query = read_query(caller.request, schema.Counting)
    if query.countinference is not False:
        return
    secret = caller.service.settings.roboflow_service_secret
    given = query.service_secret or ""
    if not secret or not hmac.compare_digest(secret.encode(), given.encode()):
        raise ServiceMisconfigured
