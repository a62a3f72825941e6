"""Text in pictures: what the engine reads, put into reading order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import Answer, Box, Feature, Image, ReadText, Task, Text
from lambent_inference.models.formats.reader import Line, Reader
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.decoder import Array, Prepared


class Ocr:
    asks: tuple[type[Task], ...] = (ReadText,)
    classes: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    input_width: int | None = None
    input_height: int | None = None

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        del package
        reader = runners["model"]
        assert isinstance(reader, Reader)
        self.reader = reader

    def prepare(self, task: ReadText, images: Sequence[Image]) -> Prepared:
        if not images:
            raise InvalidRequest("An image is required.")
        self.reader.check(task.languages)
        pixels = np.empty(len(images), object)
        for place, image in enumerate(images):
            pixels[place] = image.pixels
        return Prepared(feeds={"image": pixels}, count=len(images), context=list(images))

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        return tuple(
            _text(image, in_order(lines), boxes=task.boxes)
            for image, lines in zip(prepared.context, outputs[0], strict=True)
        )


def _text(image: Image, lines: Sequence[Line], *, boxes: bool) -> Text:
    found = tuple(_box(line) for line in lines) if boxes else ()
    return Text(image.width, image.height, " ".join(line.text for line in lines), found)


def _box(line: Line) -> Box:
    xs, ys = [x for x, _ in line.corners], [y for _, y in line.corners]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return Box(
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        width=right - left,
        height=bottom - top,
        confidence=line.confidence,
        class_name=line.text,
        class_id=0,
    )


def in_order(lines: Sequence[Line]) -> list[Line]:
    """Top to bottom, and left to right among those whose middles lie within each other's height."""
    rest = sorted(lines, key=lambda line: min(y for _, y in line.corners))
    ordered: list[Line] = []
    while rest:
        top = min(y for _, y in rest[0].corners)
        bottom = max(y for _, y in rest[0].corners)
        row = [line for line in rest if top <= _middle(line) <= bottom]
        row = row or rest[:1]
        ordered += sorted(row, key=lambda line: min(x for x, _ in line.corners))
        rest = [line for line in rest if line not in row]
    return ordered


def _middle(line: Line) -> float:
    ys = [y for _, y in line.corners]
    return (min(ys) + max(ys)) / 2
