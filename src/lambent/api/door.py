"""One AWS service behind the endpoint: how its requests are told, checked and answered.

`app` owns what all services share (authentication, request ids, bodies, tasks); a `Door` is what
differs. Lambda's is here; CloudWatch Logs' is in `cloudwatch_logs/door.py`, S3's in `s3/door.py`;
CloudFormation's and STS's are `query_door`s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from lambent.api.errors import render
from lambent.api.model import OperationModel, ServiceModel, Value
from lambent.api.operation import Answer, Operation
from lambent.api.parse import parse
from lambent.api.route import Match, Router
from lambent.api.serialise import Reply, serialise
from lambent.api.validate import validate
from lambent.errors import LambentError
from lambent.http.exchange import Exchange


class Parse(Protocol):
    def __call__(
        self, match: Match, header: Callable[[bytes], bytes | None], body: bytes
    ) -> dict[str, Value]: ...


class Serialise(Protocol):
    def __call__(self, operation: OperationModel, answer: Answer, status: int | None) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Door:
    """The ways of one service."""

    service: str
    """As credentials are scoped."""
    match: Callable[[Exchange], Match]
    """By the head alone. Raises `UnknownOperation`."""
    operations: Mapping[str, Operation]
    validate: Callable[[OperationModel, dict[str, Value]], None]
    serialise: Serialise
    render: Callable[[LambentError], Reply]
    named: Callable[[bytes], Match] | None = None
    """Where the body names the operation: what it is. Raises `UnknownOperation`."""
    parse: Parse = parse
    renders_id: Callable[[Reply, str], Reply] | None = None
    """Where the request's id stands in the body, too."""


def scoped(exchange: Exchange, service: str) -> bool:
    """Whether the request's credential, in a header or in the query, is one for `service`."""
    authorization = exchange.headers.get(b"authorization") or b""
    return (
        f"/{service}/aws4_request".encode() in authorization
        or f"%2F{service}%2Faws4_request".encode() in exchange.query
    )


def lambda_door(model: ServiceModel, operations: Mapping[str, Operation]) -> Door:
    """rest-json: method and path name the operation."""
    router = Router(model)
    return Door(
        service="lambda",
        match=lambda exchange: router.match(exchange.method, exchange.path, exchange.query),
        operations=operations,
        validate=validate,
        serialise=serialise,
        render=render,
    )
