"""Answers drawn on the picture they are about, as a JPEG. Blocking: call it through `work.run`."""

from __future__ import annotations

import io
from typing import Final

from lambent_inference.models.contract import (
    Answer,
    Box,
    Detections,
    Image,
    MultiLabel,
    SingleLabel,
)

QUALITY: Final = 90
COLOURS: Final = (
    "#a351fb", "#ff4040", "#00b7eb", "#ffc800", "#31c950", "#ff8000", "#f03cc0", "#0050ff",
    "#7d5a3c", "#00c8a0",
)  # fmt: skip


def drawn(image: Image, answer: Answer, *, labels: bool, stroke: int) -> bytes:
    """The picture with boxes, outlines, points and classes on it."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    picture = PillowImage.fromarray(image.pixels)
    pen = ImageDraw.Draw(picture)
    match answer:
        case Detections():
            for one in reversed(answer.boxes):  # the surest on top
                _box(pen, one, labels=labels, stroke=stroke)
        case SingleLabel():
            _lines(pen, [f"{one.class_name} {one.confidence:.2f}" for one in answer.scores[:5]])
        case MultiLabel():
            _lines(pen, list(answer.predicted))
        case _:
            pass
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _box(pen: object, one: Box, *, labels: bool, stroke: int) -> None:
    from PIL.ImageDraw import ImageDraw

    assert isinstance(pen, ImageDraw)
    colour = COLOURS[one.class_id % len(COLOURS)]
    left, top = one.x - one.width / 2, one.y - one.height / 2
    right, bottom = left + max(one.width, 0), top + max(one.height, 0)
    pen.rectangle((left, top, right, bottom), outline=colour, width=max(stroke, 1))
    if one.points and len(one.points) > 1:
        pen.line([*one.points, one.points[0]], fill=colour, width=max(stroke, 1))
    for point in one.keypoints or ():
        size = stroke + 2
        pen.ellipse((point.x - size, point.y - size, point.x + size, point.y + size), fill=colour)
    if labels:
        text = _latin(f"{one.class_name} {one.confidence:.2f}")
        at = (left, max(top - 14, 0))
        pen.rectangle(pen.textbbox(at, text), fill=colour)
        pen.text(at, text, fill="#ffffff")


def _lines(pen: object, lines: list[str]) -> None:
    from PIL.ImageDraw import ImageDraw

    assert isinstance(pen, ImageDraw)
    for number, line in enumerate(lines):
        at = (4, 4 + 14 * number)
        pen.rectangle(pen.textbbox(at, _latin(line)), fill="#000000")
        pen.text(at, _latin(line), fill="#ffffff")


def _latin(text: str) -> str:
    """What Pillow's built-in face can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")
