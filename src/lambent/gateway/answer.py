"""From what a function returned to an HTTP response, for function URLs and the three gateways.

A URL and an HTTP API take anything: a JSON object with `statusCode` is a response, whatever else
is a body of its own (LAMBDA.md 63). A REST API and a load balancer insist on the object, and what
is not one is the gateway's own 502. Each raises `AnswerError` for what its AWS page calls malformed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

JSON: Final = "application/json"
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

Fields = list[tuple[bytes, bytes]]


class AnswerError(Exception):
    """The function's answer is no HTTP response."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    fields: Fields
    body: bytes


def answer_v2(payload: bytes) -> HttpAnswer:
    """Of a function URL or an HTTP API with payload format 2.0."""
    value = _decode(payload)
    if not (isinstance(value, dict) and "statusCode" in value):
        body = value.encode() if isinstance(value, str) else payload
        return HttpAnswer(200, [(b"Content-Type", JSON.encode())], body)
    fields = prelude_fields(value)
    return HttpAnswer(_status(value["statusCode"]), fields, _body(value))


def prelude_fields(value: Mapping[str, Any]) -> Fields:
    """Headers and cookies of a response object, or of the prelude of a stream."""
    fields = _fields(value.get("headers"))
    cookies = value.get("cookies")
    if cookies is not None:
        if not isinstance(cookies, list):
            raise AnswerError("cookies is not a list")
        fields += [(b"Set-Cookie", _value(cookie)) for cookie in cookies]
    return _typed(fields)


def answer_v1(payload: bytes, *, binary: bool = True) -> HttpAnswer:
    """Of a REST API, or of an HTTP API with payload format 1.0.

    Without `binary` a body in base64 stays so: a REST API decodes it only for its media types.
    """
    value = _object(payload)
    many = value.get("multiValueHeaders")
    fields = _fields(value.get("headers"))
    if many is not None:
        # A name that stands in both is the list's.
        listed = _listed(many)
        names = {name.lower() for name, _ in listed}
        fields = [field for field in fields if field[0].lower() not in names] + listed
    status = _status(value.get("statusCode", 200))
    if not binary:
        value = {**value, "isBase64Encoded": False}
    return HttpAnswer(status, _typed(fields), _body(value))


def answer_alb(payload: bytes, *, multi_value: bool = False) -> HttpAnswer:
    """Of a load balancer's target: the group's form of headers, and no other."""
    value = _object(payload)
    if "statusCode" not in value:
        raise AnswerError("no statusCode")
    fields = (
        _listed(value.get("multiValueHeaders") or {})
        if multi_value
        else _fields(value.get("headers"))
    )
    return HttpAnswer(_status(value["statusCode"]), fields, _body(value))


def _decode(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise AnswerError("not JSON") from None


def _object(payload: bytes) -> dict[str, Any]:
    value = _decode(payload)
    if not isinstance(value, dict):
        raise AnswerError("not an object")
    return value


def _status(value: object) -> int:
    """A number, or its digits in a string."""
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise AnswerError("statusCode is no number")
    try:
        status = int(value)
    except ValueError:
        raise AnswerError("statusCode is no number") from None
    if not 200 <= status <= 599:
        raise AnswerError(f"{status} is not the status of a response")
    return status


def _fields(headers: object) -> Fields:
    if headers is None:
        return []
    if not isinstance(headers, dict):
        raise AnswerError("headers is not an object")
    return [(_name(name), _value(value)) for name, value in headers.items()]


def _listed(headers: object) -> Fields:
    if not isinstance(headers, dict) or not all(isinstance(v, list) for v in headers.values()):
        raise AnswerError("multiValueHeaders is not an object of lists")
    return [(_name(name), _value(value)) for name, values in headers.items() for value in values]


def _name(name: str) -> bytes:
    if not _NAME.fullmatch(name):
        raise AnswerError(f"{name[:100]!r} is not the name of a header")
    return name.encode()


def _value(value: object) -> bytes:
    """As text; a CR or LF would end the header, and what follows pose as another."""
    if value is None:
        return b""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str | int | float):
        text = str(value)
    else:
        raise AnswerError("a header's value is neither text nor a number")
    if "\r" in text or "\n" in text or "\0" in text:
        raise AnswerError("a header's value has a line break in it")
    return text.strip().encode()


def _typed(fields: Fields) -> Fields:
    if any(name.lower() == b"content-type" for name, _ in fields):
        return fields
    return [*fields, (b"Content-Type", JSON.encode())]


def _body(value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        # Objects are written out by function URLs; a framework never sends one.
        return msgspec.json.encode(body)
    if value.get("isBase64Encoded") is True:
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise AnswerError("body is not base64") from None
    return body.encode()
