"""CloudWatch Logs at the same endpoint: JSON 1.1, `POST /` with `X-Amz-Target`.

The operation stands in a header, everything else in the body, and an error's code in the body's
`__type`. Every fault of the client is a 400, and what the model's constraints refuse is an
InvalidParameterException with the same text that Lambda's ValidationException has.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.api.cloudwatch_logs import TARGET, model, served
from lambent.api.door import Door
from lambent.api.errors import as_aws_error
from lambent.api.model import OperationModel, Value
from lambent.api.operation import Answer
from lambent.api.route import Match
from lambent.api.serialise import Reply, serialise
from lambent.api.validate import validate
from lambent.errors import (
    InvalidParameter,
    LambentError,
    NotAvailable,
    UnknownOperation,
    ValidationException,
)
from lambent.http.exchange import Exchange

JSON: Final = (b"content-type", b"application/x-amz-json-1.1")
_PREFIX: Final = f"{TARGET}.".encode()
_SCOPE: Final = b"/logs/aws4_request"


def is_logs(exchange: Exchange) -> bool:
    """Whether a request is for this door."""
    target = exchange.headers.get(b"x-amz-target")
    if target is not None and target.startswith(_PREFIX):
        return True
    return exchange.path == "/" and _SCOPE in (exchange.headers.get(b"authorization") or b"")


def logs_door() -> Door:
    operations = model().operations

    def match(exchange: Exchange) -> Match:
        target = exchange.headers.get(b"x-amz-target") or b""
        operation = operations.get(target.removeprefix(_PREFIX).decode("latin-1"))
        if operation is None or exchange.method != "POST" or exchange.path != "/":
            shown = target.decode("latin-1")[:200]
            raise UnknownOperation(
                f"No operation of CloudWatch Logs is {shown or 'without a name'}"
            )
        return Match(operation, {}, [])

    return Door(
        service="logs",
        match=match,
        operations=served(),
        validate=_validate,
        serialise=_serialise,
        render=render,
    )


def _validate(operation: OperationModel, values: dict[str, Value]) -> None:
    try:
        validate(operation, values)
    except ValidationException as error:
        raise InvalidParameter(error.message) from None


def _serialise(operation: OperationModel, answer: Answer, status: int | None) -> Reply:
    return serialise(operation, answer, status, JSON)


def render(error: LambentError) -> Reply:
    """An error as JSON 1.1 has it."""
    error = as_aws_error(error)
    status = 400 if error.status < 500 else 500
    if isinstance(error, NotAvailable):
        status = error.status
    body = {"__type": error.code, **error.members, "message": error.message}
    return Reply(status, [JSON], msgspec.json.encode(body))
