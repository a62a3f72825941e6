"""`/v2/…`: the open inference protocol of KServe and Triton, in JSON.

A tabular model takes one tensor per feature, or one tensor of rows; the outputs are `prediction` and,
of a classifier, `probabilities`. A model of pictures takes BYTES tensors of base64 and answers with
the JSON of each in a BYTES tensor. Ids of models may have slashes.
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from lambent_inference import __version__
from lambent_inference.errors import InvalidRequest, NotFound
from lambent_inference.models.contract import Description, Family, Outcome, Predict, Row, Scalar
from lambent_inference.routes.answers import answer
from lambent_inference.routes.call import Call
from lambent_inference.routes.failures import as_json
from lambent_inference.routes.legacy import question
from lambent_inference.routes.schema import Parameters
from lambent_inference.routes.tabular import rows as rows_of
from lambent_inference.routes.tasks import shape

router = APIRouter(prefix="/v2", tags=["other contracts"])

DATATYPES: Final = {"number": "FP64", "integer": "INT64", "string": "BYTES", "boolean": "BOOL"}


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferRequest(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None


@router.get("", summary="What this server is, in KServe's words")
async def server() -> Response:
    return as_json({"name": "lambent-inference", "version": __version__, "extensions": []})


@router.get("/health/live", summary="Whether the process works")
async def live() -> Response:
    return as_json({"live": True})


@router.get("/health/ready", summary="Whether the preloaded models are there")
async def ready(request: Request) -> Response:
    caller = Call(request)
    return as_json({"ready": caller.service.ready}, status=200 if caller.service.ready else 503)


@router.get(
    "/models/{rest:path}", summary="A model's inputs and outputs; with /ready, whether it is there"
)
async def model(rest: str, request: Request) -> Response:
    caller = Call(request)
    name, readiness = rest.removesuffix("/ready"), rest.endswith("/ready")
    found = await versioned(caller, name)
    if readiness:
        return as_json({"name": found.model_id, "ready": True})
    return as_json(metadata(found))


@router.post("/models/{rest:path}/infer", summary="A prediction")
async def infer(rest: str, request: Request) -> Response:
    caller = Call(request)
    try:
        body = msgspec.json.decode(await caller.request.body(), type=InferRequest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is no inference request: {error}") from None
    if not body.inputs:
        raise InvalidRequest("The request has no inputs.")
    found = await versioned(caller, rest)
    outputs, outcome = await (tables if found.family is Family.TABULAR else pictures)(
        caller, found, body
    )
    value = {
        "model_name": found.model_id,
        "model_version": outcome.model.version,
        "id": body.id or str(uuid.uuid4()),
        "outputs": outputs,
    }
    return await answer(caller, value)


async def versioned(caller: Call, name: str) -> Description:
    """The model of `name` or `name/versions/version`."""
    name, _, version = name.partition("/versions/")
    found = await caller.add(name, caller.key())
    if version and version != found.version:
        raise NotFound(f"Model {name} has version {found.version}, not {version}.")
    return found


def metadata(found: Description) -> dict[str, Any]:
    if found.family is Family.TABULAR:
        inputs = [
            {"name": one.name, "datatype": DATATYPES[one.kind], "shape": [-1]}
            for one in found.features
        ]
        outputs = [
            {"name": "prediction", "datatype": "BYTES" if found.classes else "FP64", "shape": [-1]}
        ]
        if found.classes:
            shape = [-1, len(found.classes)]
            outputs.append({"name": "probabilities", "datatype": "FP64", "shape": shape})
    else:
        inputs = [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
        outputs = [{"name": "answer", "datatype": "BYTES", "shape": [-1]}]
    return {
        "name": found.model_id,
        "versions": [found.version],
        "platform": "onnxruntime",
        "inputs": inputs,
        "outputs": outputs,
    }


async def tables(
    caller: Call, found: Description, body: InferRequest
) -> tuple[list[dict[str, Any]], Outcome]:
    task = Predict(rows=tuple(rows(body.inputs, [one.name for one in found.features])))
    outcome = await caller.infer(found.model_id, task, (), caller.key())
    await caller.capture(outcome.model, task.rows, [one.prediction for one in rows_of(outcome)])
    return outputs_of(rows_of(outcome)), outcome


def rows(inputs: list[Tensor], names: list[str]) -> list[dict[str, Scalar] | list[Scalar]]:
    """One tensor of rows, or a tensor for each feature."""
    for one in inputs:
        count = 1
        for size in one.shape:
            count *= size
        if count != len(flat(one.data)) or any(size < 0 for size in one.shape):
            raise InvalidRequest(f"Input '{one.name}' has another number of values than its shape.")
    if len(inputs) == 1 and inputs[0].name not in names and len(inputs[0].shape) == 2:
        width = inputs[0].shape[1]
        values = flat(inputs[0].data)
        return [values[start : start + width] for start in range(0, len(values), width or 1)]
    columns = {one.name: flat(one.data) for one in inputs}
    if len({len(column) for column in columns.values()}) != 1:
        raise InvalidRequest("The inputs have different numbers of rows.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def flat(data: list[Any]) -> list[Scalar]:
    """Values in row order, whether they came nested or not."""
    found: list[Scalar] = []
    waiting = [iter(data)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            if not isinstance(value, str | int | float | bool | None):
                raise InvalidRequest("A tensor holds plain values only.")
            found.append(value)
        else:
            waiting.pop()
    return found


def outputs_of(answers: list[Row]) -> list[dict[str, Any]]:
    values = [one.prediction for one in answers]
    outputs = [tensor("prediction", values, [len(values)])]
    if answers and (first := answers[0].probabilities):
        table = [p for one in answers for p in (one.probabilities or {}).values()]
        outputs.append(
            {
                **tensor("probabilities", list(table), [len(values), len(first)]),
                "parameters": {"classes": list(first)},
            }
        )
    return outputs


def tensor(name: str, data: list[Scalar], shape: list[int]) -> dict[str, Any]:
    kinds = {type(value) for value in data}
    datatype = "FP64"
    if kinds == {bool}:
        datatype = "BOOL"
    elif kinds == {int}:
        datatype = "INT64"
    elif not kinds <= {int, float}:
        datatype, data = "BYTES", ["" if value is None else str(value) for value in data]
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


async def pictures(
    caller: Call, found: Description, body: InferRequest
) -> tuple[list[dict[str, Any]], Outcome]:
    given = [value for one in body.inputs for value in flat(one.data)]
    most = caller.service.settings.max_images_per_request
    if not 0 < len(given) <= most:
        raise InvalidRequest(f"Send between 1 and {most} images.")
    images = [await caller.image("base64", value) for value in given]
    task = question(found.family, Parameters())
    outcome = await caller.infer(found.model_id, task, images, caller.key())
    values = await shape(outcome, body.id or caller.record.request_id)
    await caller.capture(outcome.model, None, values)
    texts: list[Scalar] = [msgspec.json.encode(value).decode() for value in values]
    return [tensor("answer", texts, [len(texts)])], outcome
