"""Bodies and queries → the models of `schema.py`, and the same models → OpenAPI.

FastAPI would build every validator while routes are registered: 130 ms of each cold start, for
routes that a function may never see. Here a model is built when its route is first asked, and reads
the body's bytes itself, which for five megabytes of base64 is also the faster way. What cannot be
read is answered as FastAPI does: 422, with each error's place.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)

MODELS: dict[str, type[BaseModel]] = {}
"""By name, those that OpenAPI has to describe."""
QUERIES: dict[str, type[BaseModel]] = {}
"""By path, the models of queries."""


async def body(request: Request, model: type[Model]) -> Model:
    """The request's body; raises what becomes a 422."""
    raw = await request.body()
    if not raw:
        missing = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
        raise RequestValidationError([missing])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise RequestValidationError([_no_json(raw, str(first["ctx"]["error"]))]) from None
        return _read_again(raw, model)


def _no_json(raw: bytes, why: str) -> dict[str, Any]:
    """FastAPI's words; what only we refuse (half characters, depths beyond any use) in pydantic's."""
    place = 0
    try:
        json.loads(raw)
    except json.JSONDecodeError as error:
        place, why = error.pos, error.msg
    except (ValueError, RecursionError):
        pass
    return {
        "type": "json_invalid",
        "loc": ("body", place),
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": why},
    }


def _read_again(raw: bytes, model: type[Model]) -> Model:
    """The slow way, which is FastAPI's own, so that its errors are the ones that clients know."""
    try:
        return model.model_validate(json.loads(raw), from_attributes=True)
    except ValidationError as error:
        raise RequestValidationError(_placed(error, "body")) from None


def query(request: Request, model: type[Model]) -> Model:
    """The request's query; of a parameter that comes twice the last counts."""
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError(_placed(error, "query")) from None


def _placed(error: ValidationError, place: str) -> list[dict[str, Any]]:
    found = error.errors(include_url=False)
    return [{**one, "loc": (place, *one["loc"])} for one in found]


def build() -> None:
    """Have every model built now, not when its route is first asked."""
    for model in (*MODELS.values(), *QUERIES.values()):
        model.model_rebuild()


# ── OpenAPI ──────────────────────────────────────────────────────────────────────────────────────


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's `openapi_extra`: its body, by reference."""
    MODELS[model.__name__] = model
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}
    }


def asks(path: str, model: type[BaseModel]) -> dict[str, Any]:
    """The same for a query."""
    QUERIES[path] = model
    return {}


def describe(app: FastAPI) -> None:
    """Let the app's OpenAPI tell about bodies and answers; both are built when somebody asks for it."""
    plain = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            from lambent_inference.routes import described

            document = plain()
            described.describe(document)
            document.setdefault("components", {}).setdefault("schemas", {}).update(_schemas())
            for path, model in QUERIES.items():
                for operation in document["paths"].get(path, {}).values():
                    operation["parameters"] = [*operation.get("parameters", []), *_fields(model)]
        return app.openapi_schema or {}

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _schemas() -> dict[str, Any]:
    from pydantic.json_schema import models_json_schema

    wanted = [(model, "validation") for model in MODELS.values()]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a literal in a list
    return dict(found["$defs"])


def _fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    properties = model.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": one} for name, one in properties.items()]
