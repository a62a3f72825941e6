"""Vectors of pictures and of texts (CLIP): one graph for each, the tokenizer from the package.

A package has `parts` `visual` and `textual`, or only one graph for pictures. Vectors come out as
the graph makes them; whoever compares two takes the angle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lambent_inference.errors import InvalidModelConfiguration, InvalidRequest
from lambent_inference.models.contract import (
    Answer,
    Embed,
    Embedding,
    Feature,
    Image,
    Preprocessing,
    Task,
)
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.decoder import Array, Prepared
from lambent_inference.models.tasks.pictures import Pictures
from lambent_inference.models.tasks.words import Words

NAMES = ("text_embeds", "image_embeds", "embedding", "embeddings", "pooler_output")
"""What exporters call the output that is meant, where a graph has several."""


class Embeddings:
    asks: tuple[type[Task], ...] = (Embed,)
    features: tuple[Feature, ...] = ()
    classes: tuple[str, ...] = ()

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        self.runners = runners
        part = "visual" if "visual" in runners else "model"
        self.pictures = Pictures(package, runners, part) if part in runners else None
        self.words = (
            Words(package, runners["textual"], package.manifest.context_length)
            if "textual" in runners
            else None
        )
        if self.pictures is None and self.words is None:
            raise InvalidModelConfiguration(
                detail="the package has neither visual nor textual part"
            )
        self.input_width = self.pictures.input_width if self.pictures else None
        self.input_height = self.pictures.input_height if self.pictures else None

    def prepare(self, task: Embed, images: Sequence[Image]) -> Prepared:
        if bool(task.texts) == bool(images):
            raise InvalidRequest("Either images or texts are required.")
        if task.texts:
            if self.words is None:
                raise InvalidRequest("This model embeds images only.")
            return Prepared(
                feeds=self.words.feeds(task.texts), count=len(task.texts), part="textual"
            )
        if self.pictures is None:
            raise InvalidRequest("This model embeds texts only.")
        batch, _ = self.pictures.tensor(images, Preprocessing())
        return Prepared(
            feeds={self.pictures.port.name: batch}, count=len(images), part=self.pictures.part
        )

    def finish(
        self,
        outputs: Sequence[Array],
        prepared: Prepared,
        task: Any,  # noqa: ARG002 - one of a family
    ) -> tuple[Answer, ...]:
        names = [port.name for port in self.runners[prepared.part].outputs]
        place = next((names.index(name) for name in NAMES if name in names), 0)
        rows = outputs[place].astype(np.float64)
        if rows.ndim != 2:
            raise InvalidModelConfiguration(detail=f"an embedding of shape {rows.shape}")
        return tuple(Embedding(tuple(row.tolist())) for row in rows)
