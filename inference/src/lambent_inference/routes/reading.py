"""`/doctr/ocr` and `/easy_ocr/ocr`: what is written in a picture. One engine stands behind both."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference.models.contract import ReadText, Text
from lambent_inference.routes import schema, shapes
from lambent_inference.routes.answers import answer
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call

doctr = APIRouter(tags=["ocr"])
easy_ocr = APIRouter(tags=["ocr"])


@doctr.post(
    "/doctr/ocr", summary="Text in images", openapi_extra=takes(schema.DoctrOCRInferenceRequest)
)
async def read_doctr(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.DoctrOCRInferenceRequest)
    return await read(caller, body, body.model_id or f"doctr/{body.doctr_version_id}", ("en",))


@easy_ocr.post(
    "/easy_ocr/ocr",
    summary="Text in images, by languages",
    openapi_extra=takes(schema.EasyOCRInferenceRequest),
)
async def read_easy_ocr(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.EasyOCRInferenceRequest)
    model_id = body.model_id or f"easy_ocr/{body.easy_ocr_version_id}"
    return await read(caller, body, model_id, body.language_codes)


async def read(
    caller: Call,
    body: schema.DoctrOCRInferenceRequest | schema.EasyOCRInferenceRequest,
    model_id: str,
    languages: Sequence[str],
) -> Response:
    images = await caller.images(body.image)
    task = ReadText(languages=tuple(languages), boxes=body.generate_bounding_boxes)
    outcome = await caller.infer(model_id, task, images, caller.key(body.api_key))
    values = [
        shapes.text(one, outcome.seconds, boxes=body.generate_bounding_boxes)
        for one in outcome.answers
        if isinstance(one, Text)
    ]
    return await answer(caller, values if isinstance(body.image, list) else values[0])
