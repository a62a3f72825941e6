"""`/clip/…`: vectors of images and texts, and how near they are; nulls stay in these answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import Embed, Embedding, Family, Outcome
from lambent_inference.routes import schema, shapes
from lambent_inference.routes.answers import answer
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call

router = APIRouter(tags=["embeddings"])
by_any = APIRouter(tags=["embeddings"])

Side = schema.InferenceRequestImage | str


@router.post(
    "/clip/embed_image",
    summary="Vectors of images",
    openapi_extra=takes(schema.ClipImageEmbeddingRequest),
)
async def embed_image(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.ClipImageEmbeddingRequest)
    images = await caller.images(body.image)
    outcome = await caller.infer(model(body), Embed(), images, caller.key(body.api_key))
    return await answer(caller, shapes.embeddings(vectors(outcome), body.id, outcome.seconds))


@router.post(
    "/clip/embed_text",
    summary="Vectors of texts",
    openapi_extra=takes(schema.ClipTextEmbeddingRequest),
)
async def embed_text(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.ClipTextEmbeddingRequest)
    texts = tuple([body.text] if isinstance(body.text, str) else body.text)
    outcome = await caller.infer(model(body), Embed(texts=texts), (), caller.key(body.api_key))
    return await answer(caller, shapes.embeddings(vectors(outcome), body.id, outcome.seconds))


@router.post(
    "/clip/compare",
    summary="How near a subject is to each prompt",
    openapi_extra=takes(schema.ClipCompareRequest),
)
async def compare(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.ClipCompareRequest)
    prompts = body.prompt if isinstance(body.prompt, list | dict) else [body.prompt]
    sides: list[Side] = list(prompts.values() if isinstance(prompts, dict) else prompts)
    asked = Asked(caller, model(body), caller.key(body.api_key))
    (subject,) = await asked.embedded([body.subject], body.subject_type)
    others = await asked.embedded(sides, body.prompt_type)
    near = [similarity(subject, other) for other in others]
    named = dict(zip(prompts, near, strict=True)) if isinstance(prompts, dict) else near
    value = {
        "inference_id": body.id,
        "frame_id": None,
        "time": asked.seconds,
        "similarity": named,
        "parent_id": None,
    }
    return await answer(caller, value)


@by_any.post(
    "/infer/embeddings",
    summary="Vectors of images and texts, by any embedding model",
    openapi_extra=takes(schema.EmbeddingsRequest),
)
async def embeddings(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.EmbeddingsRequest)
    model_id = await caller.named(body.model_id, Family.EMBEDDING)
    asked = Asked(caller, model_id, caller.key(body.api_key))
    images = (
        [body.image]
        if isinstance(body.image, schema.InferenceRequestImage)
        else list(body.image or ())
    )
    texts = [body.text] if isinstance(body.text, str) else list(body.text or ())
    found = await asked.embedded(images, "image") if images else []
    found += await asked.embedded(texts, "text") if texts else []
    if not found:
        raise InvalidRequest("Send at least one image or one text.")
    return await answer(caller, shapes.embeddings(found, body.id, asked.seconds))


class Asked:
    """One model, asked once or twice; sums the time up."""

    def __init__(self, caller: Call, model_id: str, key: str | None) -> None:
        self.caller, self.model_id, self.key = caller, model_id, key
        self.seconds = 0.0

    async def embedded(self, sides: Sequence[Side], kind: str) -> list[Embedding]:
        if not sides:
            raise InvalidRequest("There is nothing to compare with.")
        if kind == "text":
            texts = tuple(side for side in sides if isinstance(side, str))
            if len(texts) < len(sides):
                raise InvalidRequest("A text was announced and an image sent.")
            outcome = await self.caller.infer(self.model_id, Embed(texts=texts), (), self.key)
        else:
            pictures = [
                schema.InferenceRequestImage(type="base64", value=side)
                if isinstance(side, str)
                else side
                for side in sides
            ]
            images = await self.caller.images(pictures)
            outcome = await self.caller.infer(self.model_id, Embed(), images, self.key)
        self.seconds += outcome.seconds
        return vectors(outcome)


def model(
    body: schema.ClipImageEmbeddingRequest
    | schema.ClipTextEmbeddingRequest
    | schema.ClipCompareRequest,
) -> str:
    return body.model_id or f"clip/{body.clip_version_id}"


def vectors(outcome: Outcome) -> list[Embedding]:
    return [one for one in outcome.answers if isinstance(one, Embedding)]


def similarity(one: Embedding, other: Embedding) -> float:
    """The cosine of their angle."""
    product = math.fsum(a * b for a, b in zip(one.vector, other.vector, strict=True))
    lengths = math.hypot(*one.vector) * math.hypot(*other.vector)
    return product / lengths if lengths else 0.0
