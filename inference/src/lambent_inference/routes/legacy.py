"""`/{dataset}/{version}`: any model by its path, parameters in the query, the image in one of three dresses.

A URL in the query, a part named `file` of a multipart body, or the body itself as base64 text whatever
its content type says: clients send it as application/json. Matched last, after every other route.
"""

from __future__ import annotations

import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from lambent_inference import draw, work
from lambent_inference.errors import InvalidImage, InvalidRequest, WrongFamily
from lambent_inference.models.contract import (
    Classify,
    Confidence,
    Detect,
    DetectKeypoints,
    Family,
    Preprocessing,
    SegmentSemantics,
    Task,
)
from lambent_inference.routes.answers import answer, picture
from lambent_inference.routes.bodies import asks
from lambent_inference.routes.bodies import query as read_query
from lambent_inference.routes.call import Call
from lambent_inference.routes.schema import Parameters
from lambent_inference.routes.tasks import check_count, drawing, segment, shape

router = APIRouter(tags=["inference"])

CONFIDENCE_MIN = 0.01


PATH = "/{dataset_id}/{version_id}"


@router.post(PATH, summary="Any model, by its id in the path", openapi_extra=asks(PATH, Parameters))
@router.get(PATH, summary="The same, for an image by URL")
async def legacy(dataset_id: str, version_id: str, request: Request) -> Response:
    caller, query = Call(request), read_query(request, Parameters)
    check_count(caller)
    model_id = f"{dataset_id}/{version_id}"
    given = await source(caller, query)
    key = caller.key()
    model = await caller.add(model_id, key)
    task = question(model.family, query)
    image = await caller.image(*given, orient=not query.disable_preproc_auto_orient)
    outcome = await caller.infer(model_id, task, [image], key)
    if query.format == "image":
        one = outcome.answers[0]
        data = await work.run(draw.drawn, image, one, labels=query.labels, stroke=query.stroke)
        return await picture(caller, data)
    (value,) = await shape(outcome, str(uuid.uuid4()))
    if query.format == "image_and_json":
        one = outcome.answers[0]
        value["visualization"] = await drawing(image, one, labels=query.labels, stroke=query.stroke)
    await caller.capture(outcome.model, None, value)
    return await answer(caller, value)


async def source(caller: Call, query: Parameters) -> tuple[str, Any]:
    """Where the image is: its type and its value."""
    if query.image:
        return "url", query.image
    kind = caller.request.headers.get("content-type")
    if not kind:
        raise InvalidRequest("Content-Type header not provided with request.")
    if "/" not in kind:
        raise InvalidRequest("Invalid Content-Type header provided with request.")
    if kind.lower().startswith("multipart/form-data"):
        return "numpy" if query.image_type == "numpy" else "bytes", await part(caller)
    body = await caller.request.body()
    if not body:
        raise InvalidImage("Empty image payload.")
    # Pictures as they are cannot be taken for base64: each has bytes that are no letters.
    return query.image_type if query.image_type == "numpy" or body.isascii() else "bytes", body


async def part(caller: Call) -> bytes:
    """The part named `file`."""
    most = caller.service.settings.max_image_mb << 20
    async with caller.request.form(max_files=1, max_fields=50, max_part_size=most) as form:
        file = form.get("file")
        if isinstance(file, UploadFile):
            return await file.read()
        if isinstance(file, str):
            return file.encode("latin-1", "replace")
    raise InvalidImage("there is no part named `file` in the form.")


def question(family: Family, query: Parameters) -> Task:
    """What to ask a model of this family."""
    preprocessing = Preprocessing(
        contrast=not query.disable_preproc_contrast,
        grayscale=not query.disable_preproc_grayscale,
        static_crop=not query.disable_preproc_static_crop,
    )
    confidence = threshold(query.confidence)
    classes = [name for name in (query.classes or "").split(",") if name]
    common: dict[str, Any] = {
        "confidence": confidence,
        "iou_threshold": query.overlap / 100 if query.overlap >= 1 else query.overlap,
        "max_detections": max(query.max_detections, 0),
        "class_agnostic_nms": query.class_agnostic_nms,
        "class_filter": tuple(classes) or None,
        "preprocessing": preprocessing,
    }
    match family:
        case Family.DETECTION:
            return Detect(**common)
        case Family.SEGMENTATION:
            mask = (query.mask_decode_mode, query.tradeoff_factor, query.response_mask_format)
            return segment(common, *mask)
        case Family.KEYPOINTS:
            return DetectKeypoints(**common, keypoint_confidence=query.keypoint_confidence)
        case Family.CLASSIFICATION:
            return Classify(confidence=confidence, preprocessing=preprocessing)
        case Family.SEMANTIC:
            return SegmentSemantics(confidence=confidence, preprocessing=preprocessing)
    raise WrongFamily("in the path", family.value, "a picture alone")


def threshold(given: Confidence) -> Confidence:
    """0…1, per cent from 1 on, or the package's own by name. Past either end all or nothing comes."""
    if isinstance(given, str):
        return given
    return max(given / 100 if given >= 1 else given, CONFIDENCE_MIN)
