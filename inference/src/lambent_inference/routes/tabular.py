"""`/infer/tabular`: rows in, predictions out; and the schema that a model wants them in.

The one route whose body carries `model_version`: a decision about a customer is only worth keeping
together with what made it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference.models.contract import Description, Family, Feature, Outcome, Predict, Row
from lambent_inference.routes import schema, shapes
from lambent_inference.routes.answers import answer
from lambent_inference.routes.bodies import body as read_body
from lambent_inference.routes.bodies import takes
from lambent_inference.routes.call import Call

router = APIRouter(tags=["tabular"])


@router.post(
    "/infer/tabular",
    summary="Predictions for rows of a table",
    openapi_extra=takes(schema.TabularInferenceRequest),
)
async def tabular(request: Request) -> Response:
    caller, body = Call(request), await read_body(request, schema.TabularInferenceRequest)
    model_id = await caller.named(body.model_id, Family.TABULAR)
    task = Predict(rows=tuple(body.rows))
    outcome = await caller.infer(model_id, task, (), caller.key(body.api_key))
    value = {
        "inference_id": body.id,
        "time": outcome.seconds,
        "model_id": outcome.model.model_id,
        "model_version": outcome.model.version,
        "predictions": [shapes.row(one) for one in rows(outcome)],
    }
    await caller.capture(outcome.model, body.rows, value)
    return await answer(caller, value)


@router.get("/infer/tabular/schema", summary="The features that a model wants")
async def features(request: Request) -> Response:
    caller = Call(request)
    model_id = request.query_params.get("model_id")
    model = await caller.add(await caller.named(model_id, Family.TABULAR), caller.key())
    return await answer(caller, described(model))


def described(model: Description) -> dict[str, Any]:
    return {
        "model_id": model.model_id,
        "model_version": model.version,
        "features": [feature(one) for one in model.features],
        "classes": list(model.classes),
    }


def feature(one: Feature) -> dict[str, Any]:
    """Without what is not said."""
    return {name: value for name, value in msgspec.structs.asdict(one).items() if value is not None}


def rows(outcome: Outcome) -> list[Row]:
    return [one for one in outcome.answers if isinstance(one, Row)]
