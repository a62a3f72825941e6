"""CloudFormation at the same endpoint: the query protocol, told by the credential's scope.

The operation stands in the body's form, answers and errors are XML. What the model's constraints
refuse is a ValidationError. Next: the operations' modules, and `stacks/service.py` behind them.
"""

from __future__ import annotations

from typing import Final

from lambent.api.cloudformation import model, query, served, xml
from lambent.api.door import Door
from lambent.api.errors import as_aws_error
from lambent.api.model import OperationModel, Shape, Value
from lambent.api.route import Match
from lambent.api.serialise import Reply
from lambent.api.validate import validate
from lambent.errors import LambentError, StackError, UnknownOperation, ValidationException
from lambent.http.exchange import Exchange

_SCOPE: Final = b"/cloudformation/aws4_request"
_QUERY_SCOPE: Final = b"%2Fcloudformation%2Faws4_request"
_UNNAMED: Final = OperationModel(
    "CloudFormation", "POST", "/", (), 200, Shape("", "structure"), None
)
"""Before the body is read."""


def is_cloudformation(exchange: Exchange) -> bool:
    """Whether a request is for this door."""
    if exchange.path != "/":
        return False
    authorization = exchange.headers.get(b"authorization") or b""
    return _SCOPE in authorization or _QUERY_SCOPE in exchange.query


def cloudformation_door() -> Door:
    operations = model().operations

    def match(exchange: Exchange) -> Match:
        if exchange.method != "POST":
            raise UnknownOperation("CloudFormation is asked by POST here")
        return Match(_UNNAMED, {}, [])

    return Door(
        service="cloudformation",
        match=match,
        operations=served(),
        validate=_validate,
        serialise=xml.serialise,
        render=render,
        named=lambda body: query.operation_of(operations, body),
        parse=query.parse,
        renders_id=xml.with_request_id,
    )


def _validate(operation: OperationModel, values: dict[str, Value]) -> None:
    try:
        validate(operation, values)
    except ValidationException as error:
        raise StackError(error.message) from None


def render(error: LambentError) -> Reply:
    """An error as the query protocol has it; CloudFormation calls an unknown operation so."""
    error = as_aws_error(error)
    code = "InvalidAction" if isinstance(error, UnknownOperation) else error.code
    status = 400 if isinstance(error, UnknownOperation) else error.status
    return xml.error(
        status, code.removesuffix("Exception") if status == 403 else code, error.message or ""
    )
