"""Gateways of a lambent server: put, listed, deleted over its own pages.

On AWS they are API Gateway's and load balancers', which AWS SAM or Terraform deploy.
"""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from lambent.delivery import log_events
from lambent.delivery.aws import Aws
from lambent.delivery.problem import USAGE, Problem

PATH: Final = "/_lambent/gateways/"
_ASK_S: Final = 60


def put(aws: Aws, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Make it, or replace it whole; its name, id, addresses and configuration."""
    return _asked(aws, "PUT", name, document)


def listed(aws: Aws) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _asked(aws, "GET", "")["gateways"]
    return found


def find(aws: Aws, name: str) -> dict[str, Any] | None:
    return next((one for one in listed(aws) if one["name"] == name), None)


def delete(aws: Aws, name: str) -> dict[str, Any]:
    return _asked(aws, "DELETE", name)


def _asked(
    aws: Aws, method: str, name: str, document: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    if aws.is_aws:
        raise Problem(
            "NOT_ON_AWS",
            "gateways of AWS are API Gateway's and load balancers'",
            why="lambent deploys functions there",
            fix="sam deploy     or     leave --aws away to ask a lambent server",
            exit_code=USAGE,
        )
    body = None if document is None else json.dumps(document).encode()
    try:
        path = PATH + quote(name, safe="")
        with log_events.ask(aws, path, _ASK_S, method=method, body=body) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        what = f"gateway {name}" if name else "gateways"
        raise log_events.refused(error, what, "lambent gateway ls") from None
    return found
