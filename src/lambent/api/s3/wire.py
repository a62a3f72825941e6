"""S3's protocol, rest-xml: members from path, query, headers and XML, and back.

Bodies of objects travel as they are, out of chunks where the client signs or sums them in chunks.
What a document holds is read as the model says; what the model does not know is ignored, as on S3.
(AWS documentation, "AWS restXml protocol".)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import msgspec

from lambent.api import chunked_payload
from lambent.api.model import OperationModel, Shape, Value
from lambent.api.operation import Answer
from lambent.api.parse import Header, outside
from lambent.api.route import Match
from lambent.api.serialise import HeaderList, Reply
from lambent.errors import S3Error
from lambent.http.headers import Headers

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
XML: Final = (b"content-type", b"application/xml")
DOCUMENT_LIMIT: Final = 2 << 20
_ID: Final = b"@request-id@"


@dataclass(frozen=True, slots=True)
class S3Match(Match):
    """With the headers, since metadata are all of a prefix."""

    headers: Headers


def parse(match: Match, header: Header, body: bytes) -> dict[str, Value]:
    """Members by AWS's names; raises `S3Error`."""
    assert isinstance(match, S3Match)
    shape = match.operation.input
    found: dict[str, Value] = {}
    for member in shape.members.values():
        value: Value = None
        if member.name == shape.payload:
            value = _payload(member.shape, header, body)
        elif member.location == "headers":
            prefix = member.wire_name.lower()
            value = {
                name.decode("latin-1").removeprefix(prefix): text.decode("latin-1")
                for name, text in match.headers
                if name.decode("latin-1").startswith(prefix)
            }
        elif member.location in ("uri", "querystring", "header"):
            if member.shape.kind == "timestamp":
                continue  # dates of conditions: entity tags are what is compared here
            value = outside(member, match, header)
        if value is not None:
            found[member.name] = value
    return found


def validate(operation: OperationModel, values: dict[str, Value]) -> None:
    """What the model demands, in S3's words; it checks little else before it looks."""
    for name in operation.input.required - values.keys():
        raise S3Error("MissingSecurityHeader" if name.startswith("Content") else "InvalidRequest",
            f"Your request was missing a required part: {name}", 400)  # fmt: skip


def _payload(shape: Shape, header: Header, body: bytes) -> Value:
    body = chunked_payload.unframed(body, header)
    if shape.kind == "blob":
        return body
    if not body.strip():
        return None
    if shape.kind == "string":
        return body.decode("utf-8", "replace")
    return _read(shape, document(body))


def document(body: bytes) -> ET.Element:
    """Raises `S3Error` for what is no XML, or is more than that."""
    wrong = S3Error(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        400,
    )
    # Entities are the one part of XML by which a small text becomes a large one.
    if len(body) > DOCUMENT_LIMIT or b"<!DOCTYPE" in body:
        raise wrong
    try:
        return ET.fromstring(body)  # noqa: S314  no DOCTYPE, so no entities
    except ET.ParseError:
        raise wrong from None


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _read(shape: Shape, element: ET.Element) -> Value:
    if shape.kind != "structure":
        return _scalar(shape, element.text or "")
    found: dict[str, Value] = {}
    for name, member in shape.members.items():
        same = [one for one in element if _plain(one.tag) == member.wire_name]
        if not same:
            continue
        if member.shape.kind != "list":
            found[name] = _read(member.shape, same[0])
            continue
        inner = member.shape.element
        assert inner is not None
        items = same if member.shape.flattened else list(same[0])
        found[name] = [_read(inner, one) for one in items]
    return found


def _scalar(shape: Shape, text: str) -> Value:
    if shape.kind in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise S3Error("MalformedXML", f"{text[:100]!r} is not a number", 400) from None
    return text.lower() == "true" if shape.kind == "boolean" else text


def serialise(operation: OperationModel, answer: Answer, status: int | None) -> Reply:
    """`answer` by AWS's names; a member that the model lacks is our mistake."""
    values = _mapping(answer)
    code = status or operation.status
    shape = operation.output
    if shape is None:
        return Reply(code, [], b"")
    if unknown := values.keys() - shape.members.keys():
        raise TypeError(f"{operation.name} has no member {min(unknown)}")
    headers: HeaderList = []
    inside: list[str] = []
    for member in shape.members.values():
        value = values.get(member.name)
        if value is None:
            continue
        if member.location == "header":
            headers.append((member.wire_name.lower().encode(), _header(value)))
        elif operation.name in _TEXTS:
            inside.append(str(value))
        elif member.name == shape.payload:
            inside.append(_content(member.shape, value))
        else:
            inside.append(_element(member.wire_name, member.shape, value))
    bodied = any(member.location == "body" for member in shape.members.values())
    if not bodied or code == 204:
        return Reply(code, headers, b"")
    if operation.name == "GetBucketPolicy":
        return Reply(code, [*headers, (b"content-type", b"application/json")], inside[0].encode())
    name = _ROOTS.get(operation.name, shape.payload or f"{operation.name}Result")
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">'
        f"{''.join(inside)}</{name}>"
    )
    return Reply(code, [*headers, XML], text.encode())


def _mapping(answer: Answer) -> Mapping[str, Any]:
    if answer is None:
        return {}
    if isinstance(answer, Mapping):
        return answer
    found: Mapping[str, Any] = msgspec.to_builtins(answer, builtin_types=(bytes, datetime))
    return found


_TEXTS: Final = frozenset({"GetBucketLocation", "GetBucketPolicy"})
"""Answers that are a text: a region as the root element's own, and a policy's JSON."""

_ROOTS: Final = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketLocation": "LocationConstraint",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
"""The root elements of S3's answers, which its model does not name."""


def error(status: int, code: str, message: str, members: Mapping[str, Any]) -> Reply:
    more = "".join(f"<{name}>{_text(str(one))}</{name}>" for name, one in members.items())
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{escape(code)}</Code>'
        f"<Message>{_text(message)}</Message>{more}<RequestId>{_ID.decode()}</RequestId></Error>"
    )
    return Reply(status, [XML], text.encode())


def with_request_id(reply: Reply, request_id: str) -> Reply:
    """In S3's own header, and at the end of an error's text."""
    before, mark, after = reply.body.rpartition(_ID)
    body = before + request_id.encode() + after if mark else reply.body
    return Reply(reply.status, [*reply.headers, (b"x-amz-request-id", request_id.encode())], body)


def _element(name: str, shape: Shape, value: Any) -> str:
    if shape.kind == "list":
        assert shape.element is not None
        item = name if shape.flattened else shape.item_name
        inside = "".join(f"<{item}>{_content(shape.element, one)}</{item}>" for one in value)
        return inside if shape.flattened else f"<{name}>{inside}</{name}>"
    return f"<{name}>{_content(shape, value)}</{name}>"


def _content(shape: Shape, value: Any) -> str:
    if shape.kind != "structure":
        return _text(_written(value))
    if unknown := value.keys() - shape.members.keys():
        raise TypeError(f"{shape.name} has no member {min(unknown)}")
    return "".join(
        _element(member.wire_name, member.shape, value[name])
        for name, member in shape.members.items()
        if value.get(name) is not None
    )


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    return str(value)


def _header(value: Any) -> bytes:
    if isinstance(value, datetime):
        return http_date(value)
    return _written(value).encode()


def http_date(moment: datetime) -> bytes:
    return format_datetime(moment.astimezone(UTC), usegmt=True).encode()


def _text(value: str) -> str:
    """Escaped; a control character that XML cannot hold becomes a question mark."""
    return escape("".join(c if c >= " " or c in "\t\n\r" else "?" for c in value))
