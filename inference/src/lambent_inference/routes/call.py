"""What every prediction goes through: the key, the images, the model, what is written down of it.

A route makes a `Call` of its request, asks it for images and answers, and hands the shaped result to
`answers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request

from lambent_inference.errors import InvalidImage, InvalidModelId
from lambent_inference.models.contract import Description, Family, Image, Load, Outcome, Task
from lambent_inference.observe import write_prediction
from lambent_inference.record import Record
from lambent_inference.routes.schema import InferenceRequestImage
from lambent_inference.routes.shapes import sureness
from lambent_inference.security import checked_model_id
from lambent_inference.service import Service

AT_ONCE: Final = 8
"""Images of one request that are fetched and decoded together."""
TOGETHER: Final = 2
"""How many times the largest image all of one request may have; they are in memory at once."""


class Call:
    """One request on its way."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.service: Service = request.app.state.service
        self.record: Record = request.scope["lambent"]
        self.captured = self.service.capture.chosen()
        self.pictures: list[bytes] = []
        """The encoded pictures of a request that is captured."""

    def key(self, in_body: str | None = None) -> str | None:
        """Query before header before body before the server's own."""
        if given := self.request.query_params.get("api_key"):
            return given
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        return in_body or self.service.settings.roboflow_api_key

    async def images(
        self, given: InferenceRequestImage | Sequence[InferenceRequestImage], *, orient: bool = True
    ) -> list[Image]:
        """Decoded, in order."""
        pictures = [given] if isinstance(given, InferenceRequestImage) else list(given)
        most = self.service.settings.max_images_per_request
        if len(pictures) > most:
            raise InvalidImage(f"more than {most} images in one request (MAX_IMAGES_PER_REQUEST).")
        if not pictures:
            raise InvalidImage("there is none in the request.")
        turn = asyncio.Semaphore(AT_ONCE)
        left = self.service.settings.max_image_megapixels * 1_000_000 * TOGETHER

        async def one(picture: InferenceRequestImage) -> Image:
            nonlocal left
            async with turn:
                image = await self.image(picture.type, picture.value, orient=orient)
            left -= image.width * image.height
            if left < 0:
                raise InvalidImage("the images of one request are too large together.")
            return image

        if len(pictures) == 1:
            return [await one(pictures[0])]
        try:
            async with asyncio.TaskGroup() as tasks:
                under_way = [tasks.create_task(one(picture)) for picture in pictures]
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        return [task.result() for task in under_way]

    async def image(self, kind: str, value: Any, *, orient: bool = True) -> Image:
        image, data = await self.service.images.load(kind, value, orient=orient)
        if self.captured and data is not None:
            self.pictures.append(data)
        return image

    async def add(
        self, model_id: str, key: str | None, *, model_type: str | None = None
    ) -> Description:
        """The model, loaded if it was not."""
        loaded = await self.service.models.add(
            checked_model_id(model_id), api_key=key, model_type=model_type
        )
        self._note(loaded.model, (loaded.load,) if loaded.load else ())
        return loaded.model

    async def named(self, model_id: str | None, *families: Family) -> str:
        """The model that a request names, or the only one here of the first family that has one."""
        if model_id:
            return checked_model_id(model_id)
        models, settings = self.service.models, self.service.settings
        for load in (False, True):
            if load:  # Init had no time for them, or unloaded them since
                for wanted in (*settings.pinned_models, *settings.preload_models):
                    await self.add(wanted, settings.roboflow_api_key)
            for family in families:
                if fixed := models.fixed(family):
                    return fixed
        raise InvalidModelId(
            "Invalid Model ID sent in request: it names none, and no single one is pinned here "
            "(PINNED_MODELS)."
        )

    async def infer(
        self, model_id: str, task: Task, images: Sequence[Image], key: str | None
    ) -> Outcome:
        outcome = await self.service.models.infer(
            checked_model_id(model_id), task, images, api_key=key
        )
        self._note(outcome.model, outcome.loads)
        self.service.paths[outcome.model.model_id].add(self.request.scope["path"])
        of = (outcome.model.model_id, outcome.model.version)
        metrics, settings = self.service.metrics, self.service.settings
        metrics.predictions[of] += len(outcome.answers)
        metrics.seconds[of] += outcome.seconds
        if settings.prediction_log:
            sure = [sureness(answer) for answer in outcome.answers]
            write_prediction(settings, self.record.request_id, outcome.model, outcome.seconds, sure)
        return outcome

    async def capture(self, model: Description, inputs: object, output: object) -> None:
        """Keep what went in and came out, if this request is one of the sample."""
        if self.captured:
            await self.service.capture.keep(
                self.record.request_id,
                model,
                self.request.scope["path"],
                inputs,
                self.pictures,
                output,
            )

    def _note(self, model: Description, loads: Sequence[Load]) -> None:
        self.record.add(model, *loads)
        for load in loads:
            self.service.metrics.loads[load.model_id] += 1
