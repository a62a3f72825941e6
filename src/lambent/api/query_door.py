"""Services of the query protocol at the same endpoint, told by the credential's scope.

The operation stands in the body's form, answers and errors are XML. What the model's constraints
refuse is a ValidationError. Next: the operations' modules of the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from lambent.api import query_form, query_xml
from lambent.api.door import Door, scoped
from lambent.api.model import OperationModel, ServiceModel, Shape, Value
from lambent.api.operation import Operation
from lambent.api.route import Match
from lambent.api.validate import validate
from lambent.errors import StackError, UnknownOperation, ValidationException
from lambent.http.exchange import Exchange


def is_query(service: str, exchange: Exchange) -> bool:
    """Whether a request is for the door of `service`."""
    return exchange.path == "/" and scoped(exchange, service)


def query_door(
    service: str,
    model: Callable[[], ServiceModel],
    operations: Mapping[str, Operation],
    namespace: str,
) -> Door:
    """`model` is loaded when the first request comes."""
    unnamed = OperationModel(service, "POST", "/", (), 200, Shape("", "structure"), None)

    def match(exchange: Exchange) -> Match:
        """Before the body is read, which says more."""
        if exchange.method != "POST":
            raise UnknownOperation(f"{service} is asked by POST here")
        return Match(unnamed, {}, [])

    return Door(
        service=service,
        match=match,
        operations=operations,
        validate=_validate,
        serialise=partial(query_xml.serialise, namespace=namespace),
        render=partial(query_xml.render, namespace=namespace),
        named=lambda body: query_form.operation_of(model().operations, body),
        parse=query_form.parse,
        renders_id=query_xml.with_request_id,
    )


def _validate(operation: OperationModel, values: dict[str, Value]) -> None:
    try:
        validate(operation, values)
    except ValidationException as error:
        raise StackError(error.message) from None
