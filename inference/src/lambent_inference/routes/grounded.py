"""`/yolo_world/infer` and `/grounding_dino/infer`: boxes of what a text names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference.models.contract import Detections, DetectNamed
from lambent_inference.routes import schema, shapes
from lambent_inference.routes.answers import answer
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call

yolo_world = APIRouter(tags=["inference"])
grounding_dino = APIRouter(tags=["inference"])

Shape = Callable[[Detections, str, float], dict[str, Any]]


@yolo_world.post(
    "/yolo_world/infer",
    summary="Boxes of what the texts name (YOLO-World)",
    openapi_extra=takes(schema.YOLOWorldInferenceRequest),
)
async def infer_yolo_world(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.YOLOWorldInferenceRequest)
    task = DetectNamed(texts=tuple(body.text), confidence=body.confidence)
    model_id = body.model_id or f"yolo_world/{body.yolo_world_version_id}"
    return await find(caller, body, model_id, task, shapes.detections)


@grounding_dino.post(
    "/grounding_dino/infer",
    summary="Boxes of what the texts name (Grounding DINO)",
    openapi_extra=takes(schema.GroundingDINOInferenceRequest),
)
async def infer_grounding_dino(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.GroundingDINOInferenceRequest)
    task = DetectNamed(
        texts=tuple(body.text),
        confidence=body.box_threshold,
        text_threshold=body.text_threshold,
        class_agnostic_nms=body.class_agnostic_nms,
    )
    model_id = body.model_id or f"grounding_dino/{body.grounding_dino_version_id}"
    return await find(caller, body, model_id, task, shapes.detections_with_nulls)


async def find(
    caller: Call,
    body: schema.YOLOWorldInferenceRequest | schema.GroundingDINOInferenceRequest,
    model_id: str,
    task: DetectNamed,
    shape: Shape,
) -> Response:
    images = await caller.images(body.image, orient=not body.disable_preproc_auto_orient)
    outcome = await caller.infer(model_id, task, images, caller.key(body.api_key))
    values = [
        shape(one, body.id, outcome.seconds)
        for one in outcome.answers
        if isinstance(one, Detections)
    ]
    return await answer(caller, values if isinstance(body.image, list) else values[0])
