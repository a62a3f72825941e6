"""An operation's answer to the wire, as the model says: status, headers, body.

Operations answer with a Struct or a mapping by AWS's names; None and UNSET are left out. Where
AWS's status differs from the model's, `STATUSES` says so. Errors are rendered in `errors`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lambent.api.model import OperationModel, Shape

STATUSES: Final[dict[str, int]] = {"DeleteFunction": 204}
"""The model says 200 there; AWS answers every delete of a function with 204."""

JSON: Final = (b"content-type", b"application/json")

HeaderList = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, less what every answer carries."""

    status: int
    headers: HeaderList
    body: bytes


def serialise(
    operation: OperationModel,
    answer: msgspec.Struct | Mapping[str, Any] | None,
    status: int | None = None,
    json: tuple[bytes, bytes] = JSON,
) -> Reply:
    """`answer` by the model of `operation`; a member that the model lacks is our mistake.

    `json` is the header that names a JSON body's type.
    """
    values = _mapping(answer)
    code = status or STATUSES.get(operation.name, operation.status)
    shape = operation.output
    if shape is None:
        return Reply(code, [], b"")
    unknown = values.keys() - shape.members.keys()
    if unknown:
        raise TypeError(f"{operation.name} has no member {min(unknown)}")
    headers: HeaderList = []
    document: dict[str, Any] = {}
    payload: bytes | None = None
    for member in shape.members.values():
        value = values.get(member.name)
        if value is None:
            continue
        if member.location == "statusCode":
            code = int(value)
        elif member.location == "header":
            headers.append((member.wire_name.lower().encode(), _header(member.shape, value)))
        elif member.name == shape.payload:
            payload = _payload(member.shape, value)
        else:
            document[member.wire_name] = _to_json(member.shape, value)
    if shape.payload:
        return Reply(code, [*headers, json], payload or b"")
    if code == 204:
        return Reply(code, headers, b"")
    return Reply(code, [*headers, json], msgspec.json.encode(document))


def _mapping(answer: msgspec.Struct | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if answer is None:
        return {}
    if isinstance(answer, Mapping):
        return answer
    values: Mapping[str, Any] = msgspec.to_builtins(answer, builtin_types=(bytes, datetime))
    return values


def _payload(shape: Shape, value: Any) -> bytes:
    if shape.kind == "blob":
        return bytes(value)
    if shape.kind == "string":
        return str(value).encode()
    return msgspec.json.encode(_to_json(shape, value))


def _header(shape: Shape, value: Any) -> bytes:
    if shape.kind == "boolean":
        return b"true" if value else b"false"
    return str(value).encode()


def _to_json(shape: Shape, value: Any) -> Any:
    """A value of the body; inner None is left out of structures, and stays in lists and maps."""
    if value is None or shape.kind in _PLAIN:
        return value
    if shape.kind == "structure":
        return _structure(shape, _mapping(value))
    if shape.element:
        element = shape.element
        if isinstance(value, Mapping):
            return {key: _to_json(element, inner) for key, inner in value.items()}
        return [_to_json(element, inner) for inner in value]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_PLAIN: Final = frozenset({"string", "integer", "long", "double", "boolean"})


def _structure(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """By the values, which are fewer than the members that a model's structure may have."""
    members = shape.members
    made: dict[str, Any] = {}
    for name, value in values.items():
        member = members.get(name)
        if member is None:
            raise TypeError(f"{shape.name} has no member {name}")
        if value is not None:
            inner = member.shape
            made[member.wire_name] = value if inner.kind in _PLAIN else _to_json(inner, value)
    return made
