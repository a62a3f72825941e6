"""`/ping` and `/invocations`: the contract of SageMaker and of MLflow, for the pinned or only model.

A table as CSV or JSON, a picture as it is, or a JSON body with `image`. The model is the one that
`X-Amzn-SageMaker-Target-Model` names, a `model_id` in the body, or the only one of its family.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
"""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import Description, Family, Predict, Scalar
from lambent_inference.routes.answers import answer
from lambent_inference.routes.call import Call
from lambent_inference.routes.legacy import question
from lambent_inference.routes.schema import Parameters
from lambent_inference.routes.tabular import rows as rows_of
from lambent_inference.routes.tasks import shape

router = APIRouter(tags=["other contracts"])

TARGET: Final = "x-amzn-sagemaker-target-model"
TABLES: Final = ("dataframe_split", "dataframe_records", "instances", "inputs", "rows")
ROWS_MAX: Final = 100_000
PICTURES: Final = (Family.DETECTION, Family.CLASSIFICATION, Family.SEGMENTATION, Family.KEYPOINTS,
                   Family.SEMANTIC)  # fmt: skip
Row = dict[str, Scalar] | list[Scalar]


class Split(msgspec.Struct):
    """A table as pandas writes it with `orient="split"`."""

    data: list[list[Any]]
    columns: list[str] | None = None


@router.get("/ping", summary="Whether models are ready")
async def ping(request: Request) -> Response:
    caller = Call(request)
    return Response(status_code=200 if caller.service.ready else 503)


@router.post("/invocations", summary="A prediction by the only model of its kind")
async def invocations(request: Request) -> Response:
    caller = Call(request)
    kind = caller.request.headers.get("content-type", "application/json").lower()
    data = await caller.request.body()
    if kind.startswith("text/csv"):
        model = await table_model(caller, None)
        return await predict(caller, model, from_csv(data, kind, model))
    if kind.startswith(("image/", "application/x-image")):
        return await see(caller, await picture_model(caller, None), ("bytes", data), caller.key())
    if kind.startswith(("application/json", "text/json")):
        return await from_body(caller, data)
    raise InvalidRequest("Send text/csv, application/json, or a picture.")


async def from_body(caller: Call, data: bytes) -> Response:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("The body is not JSON.") from None
    named = body.get("model_id") if isinstance(body, dict) else None
    named = named if isinstance(named, str) else None
    key = body.get("api_key") if isinstance(body, dict) else None
    if isinstance(body, dict) and isinstance(image := body.get("image"), dict):
        source = (str(image.get("type", "base64")), image.get("value"))
        key = caller.key(key if isinstance(key, str) else None)
        return await see(caller, await picture_model(caller, named), source, key)
    model = await table_model(caller, named)
    return await predict(caller, model, from_json(body))


# ── which model ──────────────────────────────────────────────────────────────────────────────────


async def table_model(caller: Call, named: str | None) -> Description:
    model_id = caller.request.headers.get(TARGET) or named
    return await caller.add(await caller.named(model_id, Family.TABULAR), caller.key())


async def picture_model(caller: Call, named: str | None) -> str:
    return await caller.named(caller.request.headers.get(TARGET) or named, *PICTURES)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


async def predict(caller: Call, model: Description, rows: list[Row]) -> Response:
    if not 0 < len(rows) <= ROWS_MAX:
        raise InvalidRequest(f"Send between 1 and {ROWS_MAX} rows.")
    outcome = await caller.infer(model.model_id, Predict(rows=tuple(rows)), (), caller.key())
    predictions = [one.prediction for one in rows_of(outcome)]
    value = {"predictions": predictions}
    await caller.capture(outcome.model, rows, value)
    if caller.request.headers.get("accept", "").startswith("text/csv"):
        return PlainTextResponse(to_csv(predictions), media_type="text/csv")
    return await answer(caller, value)


async def see(caller: Call, model_id: str, source: tuple[str, Any], key: str | None) -> Response:
    _, value = await look(caller, model_id, source, key, Parameters())
    return await answer(caller, value)


async def look(
    caller: Call, model_id: str, source: tuple[str, Any], key: str | None, parameters: Parameters
) -> tuple[Description, dict[str, Any]]:
    """What a model of any kind says about one picture."""
    model = await caller.add(model_id, key)
    task = question(model.family, parameters)
    image = await caller.image(*source, orient=not parameters.disable_preproc_auto_orient)
    outcome = await caller.infer(model_id, task, [image], key)
    (value,) = await shape(outcome, caller.record.request_id)
    await caller.capture(outcome.model, None, value)
    return outcome.model, value


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def from_json(body: Any) -> list[Row]:
    """Rows of any of the shapes that SageMaker's and MLflow's clients send."""
    if isinstance(body, list):
        return checked(body)
    if not isinstance(body, dict) or not (given := [name for name in TABLES if name in body]):
        raise InvalidRequest(f"The body has none of {', '.join(TABLES)}, and no image.")
    value = body[given[0]]
    if given[0] == "dataframe_split":
        return from_split(value)
    if isinstance(value, dict):  # by column
        return from_columns(value)
    if isinstance(value, list) and value and not isinstance(value[0], list | dict):
        value = [value]
    return checked(value)


def from_split(value: Any) -> list[Row]:
    try:
        split = msgspec.convert(value, Split)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"dataframe_split cannot be read: {error}") from None
    if split.columns is None:
        return checked(split.data)
    if any(len(row) != len(split.columns) for row in split.data):
        raise InvalidRequest("A row of dataframe_split has another length than `columns`.")
    return checked([dict(zip(split.columns, row, strict=True)) for row in split.data])


def from_columns(value: dict[str, Any]) -> list[Row]:
    columns = {name: v if isinstance(v, list) else [v] for name, v in value.items()}
    if len({len(column) for column in columns.values()}) != 1:
        raise InvalidRequest("The columns have different lengths.")
    return checked(
        [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    )


def checked(value: Any) -> list[Row]:
    scalar = (str, int, float, bool, type(None))
    if isinstance(value, list) and all(
        isinstance(row, list | dict)
        and all(isinstance(v, scalar) for v in (row.values() if isinstance(row, dict) else row))
        for row in value
    ):
        return value
    raise InvalidRequest("A row is a list or an object of plain values.")


def from_csv(data: bytes, kind: str, model: Description) -> list[Row]:
    """With a header if it says so, or if its first line names the model's features."""
    try:
        lines = [row for row in csv.reader(io.StringIO(data.decode())) if row]
    except (UnicodeDecodeError, csv.Error):
        raise InvalidRequest("The body is not CSV.") from None
    if not lines:
        raise InvalidRequest("The body has no rows.")
    names = {one.name for one in model.features}
    first = [cell.strip() for cell in lines[0]]
    if "header=present" in kind or ("header=absent" not in kind and names & set(first)):
        if any(len(row) != len(first) for row in lines):
            raise InvalidRequest("A line has another length than the header.")
        return [dict(zip(first, map(cell_of, row), strict=True)) for row in lines[1:]]
    return [[cell_of(cell) for cell in row] for row in lines]


def cell_of(text: str) -> Scalar:
    text = text.strip()
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def to_csv(values: list[Scalar]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([value] for value in values)
    return stream.getvalue()
