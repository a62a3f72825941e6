"""Answers as responses, within what a function may send: 6 MB, of which an envelope takes some.

An answer that is too large gets links in the place of its pictures where the owner named a bucket.
Elsewhere, and when that does not help, the client is told which part is so large.
"""

from __future__ import annotations

import gzip
import uuid
from typing import Any, Final

import msgspec
from fastapi.responses import Response

from lambent_inference import aws, work
from lambent_inference.errors import AnswerTooLarge
from lambent_inference.routes.call import Call

PICTURES: Final = {
    "visualization": "image/jpeg",
    "segmentation_mask": "image/png",
    "confidence_mask": "image/png",
}
"""Where answers hold pictures in base64, and of what kind."""
JSON: Final = "application/json"


async def answer(call: Call, value: Any) -> Response:
    """The JSON of a value; raises AnswerTooLarge."""
    body = msgspec.json.encode(value)
    limit = _limit(call)
    if limit and not await fits(call, body, limit):
        if call.service.settings.answer_bucket:
            value = await _linked(call, value)
            body = msgspec.json.encode(value)
        if not await fits(call, body, limit):
            part, size = largest(value)
            raise AnswerTooLarge(
                f"The answer has {len(body) / 1e6:.1f} MB, more than {limit / 1e6:.1f} MB. Its "
                f"largest part is {part or 'the whole'} with {size / 1e6:.1f} MB. Ask for less, or "
                "set ANSWER_BUCKET on the server for links in the place of pictures."
            )
    return Response(body, media_type=JSON)


async def picture(call: Call, data: bytes, kind: str = "image/jpeg") -> Response:
    """A picture itself, or the way to it."""
    limit = _limit(call)
    if not limit or len(data) * 4 / 3 <= limit:
        return Response(data, media_type=kind)
    if not call.service.settings.answer_bucket:
        raise AnswerTooLarge(
            f"The answer's largest part is visualization with {len(data) / 1e6:.1f} MB, which in a "
            f"function's answer is more than {limit / 1e6:.1f} MB. Set ANSWER_BUCKET on the server."
        )
    return Response(status_code=303, headers={"Location": await _stored(call, data, kind)})


def _limit(call: Call) -> int:
    return int(call.service.settings.max_answer_mb * 1e6)


async def fits(call: Call, body: bytes, limit: int) -> bool:
    """Whether it may be sent: a function's answer is a JSON text, in which quotes are escaped."""
    if len(body) * 2 <= limit:
        return True
    if len(body) + body.count(b'"') + body.count(b"\\") <= limit:
        return True
    if "gzip" not in call.request.headers.get("accept-encoding", ""):
        return False
    packed = await work.run(gzip.compress, body, 5)
    return len(packed) * 4 / 3 <= limit


async def _linked(call: Call, value: Any) -> Any:
    """The same value with links to its pictures."""
    if isinstance(value, dict):
        return {
            key: await _stored(call, _unpacked(inner), PICTURES[key])
            if key in PICTURES and isinstance(inner, str) and inner
            else await _linked(call, inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [await _linked(call, inner) for inner in value]
    return value


def _unpacked(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


async def _stored(call: Call, data: bytes, kind: str) -> str:
    settings, storage = call.service.settings, call.service.images.storage
    assert settings.answer_bucket is not None
    uri = aws.join(settings.answer_bucket, f"{uuid.uuid4().hex}.{kind.rpartition('/')[2]}")
    await work.wait(storage.put, uri, data, kind)
    return await work.wait(storage.link, uri, settings.answer_link_s)


def largest(value: Any, path: str = "") -> tuple[str, int]:
    """The deepest part that still is most of the answer, and its size in bytes."""
    if isinstance(value, dict):
        parts = [(f"{path}.{key}".lstrip("."), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[{number}]", inner) for number, inner in enumerate(value)]
    else:
        parts = []
    size = len(msgspec.json.encode(value))
    sizes = [(len(msgspec.json.encode(inner)), name, inner) for name, inner in parts]
    if sizes:
        most, name, inner = max(sizes, key=lambda one: one[0])
        if most * 2 > size:
            return largest(inner, name)
    return path, size
