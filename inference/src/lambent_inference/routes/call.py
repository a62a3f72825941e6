"""What every prediction goes through: the key, the images, the model, what is written down of it.

A route gets a `Call` by dependency, asks it for images and answers, and shapes the result.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request

from lambent_inference.errors import InvalidModelId
from lambent_inference.models.contract import Description, Family, Image, Outcome, Task
from lambent_inference.record import Record
from lambent_inference.security import checked_model_id
from lambent_inference.service import Service


class Call:
    """One request on its way."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.service: Service = request.app.state.service
        self.record: Record = request.scope["lambent"]

    def key(self, in_body: str | None = None) -> str | None:
        """Query before header before body before the server's own."""
        if given := self.request.query_params.get("api_key"):
            return given
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        return in_body or self.service.settings.roboflow_api_key

    async def add(
        self, model_id: str, key: str | None, *, model_type: str | None = None
    ) -> Description:
        """The model, loaded if it was not."""
        loaded = await self.service.models.add(
            checked_model_id(model_id), api_key=key, model_type=model_type
        )
        self.record.add(loaded.model, *((loaded.load,) if loaded.load else ()))
        if loaded.load:
            self.service.metrics.loads[loaded.model.model_id] += 1
        return loaded.model

    def named(self, model_id: str | None, family: Family) -> str:
        """The model that a request names, or the one that its family has here."""
        if model_id:
            return checked_model_id(model_id)
        if fixed := self.service.models.fixed(family):
            return fixed
        raise InvalidModelId

    async def infer(
        self, model_id: str, task: Task, images: Sequence[Image], key: str | None
    ) -> Outcome:
        outcome = await self.service.models.infer(model_id, task, images, api_key=key)
        self.record.add(outcome.model, *outcome.loads)
        metrics = self.service.metrics
        for load in outcome.loads:
            metrics.loads[load.model_id] += 1
        of = (outcome.model.model_id, outcome.model.version)
        metrics.predictions[of] += len(outcome.answers)
        metrics.seconds[of] += outcome.seconds
        return outcome


async def call(request: Request) -> Call:
    return Call(request)
