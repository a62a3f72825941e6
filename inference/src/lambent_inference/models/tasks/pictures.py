"""What all families that look at pictures share: the input's size and the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lambent_inference.errors import InvalidModelConfiguration, InvalidRequest
from lambent_inference.models.contract import Feature, Image, Preprocessing
from lambent_inference.models.formats.runner import Port, Runner
from lambent_inference.models.package import Package
from lambent_inference.models.preprocessing import Frame, prepare
from lambent_inference.models.tasks.decoder import Array, Prepared

DEFAULT_SIZE = 640


class Pictures:
    """The part of a decoder before the model."""

    features: tuple[Feature, ...] = ()

    def __init__(
        self, package: Package, runners: Mapping[str, Runner], part: str = "model"
    ) -> None:
        self.manifest = package.manifest
        self.classes = package.manifest.classes
        self.part = part
        self.port = _picture_port(runners[part].inputs)
        self.outputs = runners[part].outputs
        self.input_height, self.input_width = self._size()

    def _size(self) -> tuple[int, int]:
        """The graph's own size where it is fixed, else the package's."""
        shape = self.port.shape
        height, width = shape[1:3] if self.manifest.input.layout == "nhwc" else shape[2:4]
        how = self.manifest.input
        for fixed, said in ((height, how.height), (width, how.width)):
            if fixed is not None and said is not None and fixed != said:
                raise InvalidModelConfiguration(
                    detail=f"model.json says {said} pixels, the graph takes {fixed}"
                )
        return height or how.height or DEFAULT_SIZE, width or how.width or DEFAULT_SIZE

    def tensor(self, images: Sequence[Image], steps: Preprocessing) -> tuple[Array, list[Frame]]:
        if not images:
            raise InvalidRequest("An image is required.")
        batch, frames = prepare(
            list(images), self.manifest.input, self.input_width, self.input_height, steps
        )
        return (batch if self.port.kind == np.float32 else batch.astype(self.port.kind)), frames

    def prepare(self, task: Any, images: Sequence[Image]) -> Prepared:
        batch, frames = self.tensor(images, task.preprocessing)
        return Prepared(
            feeds={self.port.name: batch}, count=len(images), context=frames, part=self.part
        )


def _picture_port(inputs: Sequence[Port]) -> Port:
    for port in inputs:
        if len(port.shape) == 4:
            return port
    raise InvalidModelConfiguration(detail="the graph has no input of four dimensions")
