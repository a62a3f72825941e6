"""A direct invoke, `{"features": …}` → a prediction: the tabular route without an envelope of HTTP.

One row as an object, or several as a list; the answer has the same form, with the model's version in
each. A refusal is an error of the invoke, so that callers see it without reading a status.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

ALLOWED: Final = frozenset({"features", "model_id", "api_key"})
Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


class InvalidFeatures(ValueError):  # noqa: N818  the errorType that callers see
    """What the model's schema refuses; Lambda shows the class's name as `errorType`."""


def is_direct(event: Mapping[str, Any]) -> bool:
    return "features" in event and isinstance(event["features"], dict | list)


def request(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a request to `/infer/tabular`."""
    unknown = sorted(set(event) - ALLOWED)
    if unknown:
        raise InvalidFeatures(f"a direct invoke takes features and model_id, not {unknown[0]}")
    given = event["features"]
    body = {name: event[name] for name in ("model_id", "api_key") if name in event}
    body["rows"] = [given] if isinstance(given, dict) else given
    return {"httpMethod": "POST", "path": "/infer/tabular", "body": body}


def unwrapped(event: Mapping[str, Any], response: Mapping[str, Any]) -> Any:
    """The predictions of the route's answer; raises InvalidFeatures or RuntimeError."""
    body = json.loads(response["body"])
    if response["statusCode"] >= 500:
        raise RuntimeError(body.get("message", "the model failed"))
    if response["statusCode"] >= 400:
        raise InvalidFeatures(json.dumps(body, ensure_ascii=False))
    rows = [{**one, "model_version": body["model_version"]} for one in body["predictions"]]
    return rows[0] if isinstance(event["features"], dict) else rows
