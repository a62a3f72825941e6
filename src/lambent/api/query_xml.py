"""Answers and errors of the query protocol: XML, as the model says.

The answer of `X` is `<XResponse><XResult>…</XResult><ResponseMetadata><RequestId>…`, where the
request's id is filled in last (`with_request_id`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec

from lambent.api.errors import as_aws_error
from lambent.api.model import OperationModel, Shape
from lambent.api.operation import Answer
from lambent.api.serialise import Reply
from lambent.errors import CodedError, LambentError, UnknownOperation

CONTENT_TYPE: Final = (b"content-type", b"text/xml")
_ID: Final = b"@request-id@"


def serialise(
    operation: OperationModel, answer: Answer, status: int | None, *, namespace: str
) -> Reply:
    """`answer` by AWS's names; a member that the model lacks is our mistake."""
    values: Mapping[str, Any]
    if answer is None:
        values = {}
    elif isinstance(answer, Mapping):
        values = answer
    else:
        values = msgspec.to_builtins(answer, builtin_types=(bytes, datetime))
    inner = (
        _element(f"{operation.name}Result", operation.output, values) if operation.output else ""
    )
    name = operation.name
    text = (
        f'<{name}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{_ID.decode()}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Reply(status or 200, [CONTENT_TYPE], text.encode())


def render(error: LambentError, *, namespace: str) -> Reply:
    """An error as the query protocol has it, which calls an unknown operation InvalidAction."""
    error = as_aws_error(error)
    unknown = isinstance(error, UnknownOperation)
    code = "InvalidAction" if unknown else error.code
    status = 400 if unknown else error.status
    if isinstance(error, CodedError):
        code, status = error.wire_code, error.wire_status
    code = code.removesuffix("Exception") if status == 403 else code
    return _error(status, code, error.message or "", namespace)


def _error(status: int, code: str, message: str, namespace: str) -> Reply:
    sender = "Sender" if status < 500 else "Receiver"
    text = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{sender}</Type><Code>{escape(code)}</Code>'
        f"<Message>{_text(message)}</Message></Error><RequestId>{_ID.decode()}</RequestId>"
        "</ErrorResponse>"
    )
    return Reply(status, [CONTENT_TYPE], text.encode())


def with_request_id(reply: Reply, request_id: str) -> Reply:
    """The id stands at the end: nothing before it can pose as its place."""
    before, _, after = reply.body.rpartition(_ID)
    return Reply(reply.status, reply.headers, before + request_id.encode() + after)


def _element(name: str, shape: Shape, value: Any) -> str:
    return f"<{name}>{_inner(shape, value)}</{name}>"


def _inner(shape: Shape, value: Any) -> str:
    if shape.kind == "structure":
        unknown = value.keys() - shape.members.keys()
        if unknown:
            raise TypeError(f"{shape.name} has no member {min(unknown)}")
        return "".join(
            _element(member.wire_name, member.shape, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        )
    if shape.kind == "list":
        assert shape.element is not None
        return "".join(_element("member", shape.element, item) for item in value)
    return _text(_scalar(value))


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    return str(value)


def _text(value: str) -> str:
    """Escaped; a control character that XML cannot hold becomes a question mark."""
    kept = "".join(c if c >= " " or c in "\t\n\r" else "?" for c in value)
    return escape(kept)
