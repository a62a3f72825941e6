"""A request's parts to the members of its model: a plain dict by AWS's names.

Path labels, query, headers and body are read as the model says (rest-json). Members that the
model does not know are ignored, and null is the same as absent, as on AWS. What has the wrong
type is a SerializationException, before any validation. Next: `validate`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lambent.api.model import Member, Shape, Value
from lambent.api.route import Match
from lambent.errors import SerializationException

Header = Callable[[bytes], bytes | None]
"""Looks a header up by its lower-case name."""

_decode: Final = msgspec.json.Decoder().decode

_ARTICLES: Final = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "double": "a Double",
    "boolean": "a Boolean",
    "blob": "a Blob",
    "timestamp": "a Timestamp",
}


def parse(match: Match, header: Header, body: bytes) -> dict[str, Value]:
    """All members that the request carries; raises `SerializationException`."""
    shape = match.operation.input
    found: dict[str, Value] = {}
    document = _document(shape, body)
    for member in shape.members.values():
        value: Value = None
        if member.location == "body":
            if member.name == shape.payload:
                value = _payload(member.shape, body)
            elif member.wire_name in document:
                value = _from_json(member.shape, document[member.wire_name])
        else:
            value = outside(member, match, header)
        if value is not None:
            found[member.name] = value
    return found


def outside(member: Member, match: Match, header: Header) -> Value:
    """A member that travels beside the body: in the path, the query or a header."""
    if member.location == "uri":
        return _from_text(member.shape, match.labels[member.wire_name])
    if member.location == "querystring":
        return _from_query(member, match.query)
    raw = header(member.wire_name.lower().encode())
    return None if raw is None else _from_text(member.shape, raw.decode("latin-1").strip())


def _document(shape: Shape, body: bytes) -> dict[str, Any]:
    """The body as a JSON object; empty when the model has no use for one."""
    in_body = any(m.location == "body" for m in shape.members.values())
    if shape.payload or not in_body or not body.strip():
        return {}
    document = _json(body)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SerializationException(_unexpected(document, "structure"))
    return document


def _json(body: bytes) -> Any:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SerializationException(f"Could not parse request body into json: {error}") from None


def _payload(shape: Shape, body: bytes) -> Value:
    """The member that is the whole body: bytes as they are, a structure from its JSON."""
    if shape.kind == "blob":
        return body or None
    if shape.kind == "string":
        return body.decode("utf-8", "replace") or None
    return _from_json(shape, _json(body)) if body.strip() else None


def _from_query(member: Member, pairs: list[tuple[str, str]]) -> Value:
    texts = [text for name, text in pairs if name == member.wire_name]
    if not texts:
        return None
    if member.shape.kind == "list" and member.shape.element:
        element = member.shape.element
        return [_from_text(element, text) for text in texts]
    return _from_text(member.shape, texts[0])


def _from_text(shape: Shape, text: str) -> Value:
    """A label, query or header value, which travel as text."""
    read = _TEXT_READERS.get(shape.kind)
    if read is None:
        return text
    try:
        return read(text)
    except (ValueError, KeyError, OverflowError):
        raise _refusal(text, shape.kind) from None


def _from_json(shape: Shape, value: Any) -> Value:
    """A value of the body, checked for its type and made what the model says."""
    if value is None:
        return None
    kind = shape.kind
    if kind == "structure" and isinstance(value, dict):
        return {
            member.name: inner
            for member in shape.members.values()
            if (inner := _from_json(member.shape, value.get(member.wire_name))) is not None
        }
    if kind == "list" and isinstance(value, list) and shape.element:
        element = shape.element
        return [_from_json(element, inner) for inner in value]
    if kind == "map" and isinstance(value, dict) and shape.element:
        element = shape.element
        return {key: _from_json(element, inner) for key, inner in value.items()}
    if kind in _ARTICLES and not isinstance(value, dict | list):
        return _scalar(kind, value)
    raise SerializationException(_unexpected(value, kind))


def _scalar(kind: str, value: Any) -> Value:
    types, read = _JSON_READERS[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
        raise _refusal(value, kind)
    try:
        return read(value) if read else value
    except (ValueError, OverflowError):
        raise _refusal(value, kind) from None


def _timestamp(value: str | float) -> datetime:
    """Epoch seconds, as rest-json bodies carry them, or ISO 8601, as queries do."""
    try:
        seconds = float(value)
    except ValueError:
        moment = datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(seconds, UTC)


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _digits(text: str) -> int:
    """`int` alone would take `1_000` and other scripts' digits."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return int(text)


def _bits32(value: int) -> int:
    """AWS's Integer; past it is not a matter of the model's `max`."""
    if not -(2**31) <= value < 2**31:
        raise OverflowError(value)
    return value


def _bits64(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise OverflowError(value)
    return value


def _finite(value: str | float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


_TEXT_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "integer": lambda text: _bits32(_digits(text)),
    "long": lambda text: _bits64(_digits(text)),
    "double": _finite,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "timestamp": _timestamp,
    "blob": _base64,
}

_JSON_READERS: Final[dict[str, tuple[Any, Callable[[Any], Value] | None]]] = {
    "string": (str, None),
    "boolean": (bool, None),
    "integer": (int, _bits32),
    "long": (int, _bits64),
    "double": ((int, float), _finite),
    "blob": (str, _base64),
    "timestamp": ((str, int, float), _timestamp),
}


def _refusal(value: Any, kind: str) -> SerializationException:
    return SerializationException(f"{_token(value)} can not be converted to {_ARTICLES[kind]}")


def _unexpected(value: Any, kind: str) -> str:
    """AWS's words for a structure where a scalar belongs, and the other way round."""
    if isinstance(value, dict):
        return "Start of structure or map found where not expected."
    if isinstance(value, list):
        return "Start of list found where not expected"
    return "Expected list or null" if kind == "list" else "Expected map or null"


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    return "NUMBER_VALUE" if isinstance(value, int) else "STRING_VALUE"
