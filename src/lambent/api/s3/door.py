"""S3 at the same endpoint: told by the credential's scope, bucket and key from the path.

A bucket may stand in front of a host's name (`bucket.localhost:9000`) as well as first in the path;
a request without credentials is never S3's here. Errors are S3's XML. The door is closed, and says
where to go, where the settings name an S3 of their own. Next: `wire`, then the operations' modules.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote

from lambent.api.door import Door, scoped
from lambent.api.errors import as_aws_error
from lambent.api.model import OperationModel, Shape
from lambent.api.s3 import model, served, wire
from lambent.api.serialise import Reply
from lambent.errors import LambentError, NotAvailable, S3Error, UnknownOperation
from lambent.http.exchange import Exchange

_UNNAMED: Final = OperationModel("S3", "GET", "/", (), 200, Shape("", "structure"), None)


def is_s3(exchange: Exchange) -> bool:
    """Whether a request is for this door."""
    return scoped(exchange, "s3")


def s3_door() -> Door:
    return Door(
        service="s3",
        match=_match,
        operations=served(),
        validate=wire.validate,
        serialise=wire.serialise,
        render=render,
        parse=wire.parse,
        renders_id=wire.with_request_id,
    )


def _match(exchange: Exchange) -> wire.S3Match:
    bucket, key = _place(exchange)
    query = exchange.query.decode("utf-8", "replace")
    pairs = parse_qsl(query, keep_blank_values=True)
    path = "/{Bucket}/{Key+}" if key else "/{Bucket}" if bucket else "/"
    copies = b"x-amz-copy-source" in exchange.headers
    names = {name for name, _ in pairs}
    for operation in _rivals(exchange.method, path):
        if (operation.name in _COPIES) == copies and _asked(operation, pairs, names):
            return wire.S3Match(operation, {"Bucket": bucket, "Key": key}, pairs, exchange.headers)
    raise UnknownOperation(f"No operation of S3 is {exchange.method} {exchange.path[:200]}")


def _place(exchange: Exchange) -> tuple[str, str]:
    path = exchange.path.lstrip("/")
    host = (exchange.headers.get(b"host") or b"").decode("latin-1").rpartition(":")[0]
    bucket, dot, rest = host.partition(".")
    if dot and (rest == "localhost" or rest.startswith("s3")):
        return bucket, unquote(path)
    bucket, _, key = path.partition("/")
    return unquote(bucket), unquote(key)


_COPIES: Final = frozenset({"CopyObject", "UploadPartCopy"})


def _rivals(method: str, path: str) -> list[OperationModel]:
    """Those of one method and path, the most demanding first."""
    found = [
        one
        for one in model().operations.values()
        if one.method == method and (one.path.rstrip("/") or "/") == path
    ]
    return sorted(found, key=lambda one: (-len(one.query) - len(_demanded(one)), one.name))


def _demanded(operation: OperationModel) -> set[str]:
    """Members of the query that must be there: they tell UploadPart from PutObject."""
    shape = operation.input
    return {
        member.wire_name
        for name, member in shape.members.items()
        if member.location == "querystring" and name in shape.required
    }


def _asked(operation: OperationModel, pairs: list[tuple[str, str]], names: set[str]) -> bool:
    literal = all(pair in pairs or (pair[1] == "" and pair[0] in names) for pair in operation.query)
    return literal and _demanded(operation) <= names


def render(error: LambentError) -> Reply:
    error = as_aws_error(error)
    if isinstance(error, S3Error):
        return wire.error(error.wire_status, error.wire_code, error.message or "", error.members)
    if isinstance(error, (NotAvailable, UnknownOperation)):
        text = "A header or operation you provided implies functionality that is not implemented."
        return wire.error(501, "NotImplemented", f"{text} ({error.message})", {})
    code = _CODES.get(error.code, error.code.removesuffix("Exception"))
    return wire.error(error.status, code, error.message or "", {})


_CODES: Final = {
    "AccessDeniedException": "AccessDenied",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidAccessKeyId",
    "RequestEntityTooLargeException": "EntityTooLarge",
    "RequestTooLargeException": "EntityTooLarge",
    "ServiceException": "InternalError",
}
"""Where S3 has another name for what all services may answer."""
