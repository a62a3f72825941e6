"""Requests made from botocore's model, and what every answer to one must keep to.

`Maker` draws a request for any operation: members by their shapes, now and then one that breaks a
constraint, names from a small pool so that requests meet each other. `judge` looks at an answer.
`scripts/soak.py` sends thousands; `tests/conformance/test_modelled.py` some for every operation.
"""

from __future__ import annotations

import http.client
import io
import json
import random
import re
import sys
import zipfile
from dataclasses import dataclass
from typing import Any

import botocore.awsrequest
import botocore.parsers
import botocore.serialize
import botocore.session

from lambent.api.model import OperationModel, Shape, load

MODEL = load()
SERIALIZER = botocore.serialize.create_serializer("rest-json", include_validation=False)
PARSER = botocore.parsers.create_parser("rest-json")
SERVICE = botocore.session.Session().get_service_model("lambda")

COMMON_ERRORS = frozenset(
    {
        "AccessDeniedException", "RequestEntityTooLargeException", "SerializationException",
        "UnknownOperationException", "ValidationException",
    }
)  # fmt: skip
"""Beside those that the model lists for an operation."""

BEYOND_THE_MODEL = frozenset(
    {
        # AWS answers these where its model does not list them.
        "CodeStorageExceededException", "InvalidParameterValueException", "InvalidRuntimeException",
        "PreconditionFailedException", "RequestTooLargeException", "ResourceConflictException",
        "ResourceNotFoundException", "TooManyRequestsException",
    }
)  # fmt: skip


def _package() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("app.py", "def handler(event, context):\n    return event\n")
    return buffer.getvalue()


PACKAGE = _package()
NAMES = ("fuzz-a", "fuzz-b", "fuzz-c")
ACCOUNT = "111122223333"
"""Whose requests these are; what another account has must never show."""

POOL: dict[str, tuple[Any, ...]] = {
    "Qualifier": ("$LATEST", "1", "2", "99", "live", "$latest", "$LATEST.PUBLISHED"),
    "FunctionVersion": ("$LATEST", "1", "2", "ALL"),
    "Name": ("live", "next"),
    "Role": ("arn:aws:iam::111122223333:role/fuzz",),
    "Runtime": (f"python3.{sys.version_info.minor}", "provided.al2023", "nodejs22.x"),
    "Handler": ("app.handler",),
    "RevisionId": ("3b1f0c6e-0000-4000-8000-000000000000",),
    "Layers": ([],),
    "KMSKeyArn": ("arn:aws:kms:us-east-1:111122223333:key/fuzz",),
    "TargetArn": ("arn:aws:sqs:us-east-1:111122223333:fuzz",),
    "ZipFile": (PACKAGE, b"not a zip"),
    "Payload": (b"{}", b'"x"', b"{"),
    "InvokeArgs": (b"{}", b"["),
    "Timeout": (1, 3, 900),
    "MemorySize": (128, 256, 1769),
}
"""By member: values that are likely to mean something."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Maker:
    """Draws requests; the same `rng` gives the same ones."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._broken = 0.0
        """How likely a member of this request breaks a constraint; most requests are whole."""

    def members(self, operation: OperationModel) -> dict[str, Any]:
        """Parameters by AWS's names; what is in the path is never empty, as no client can send it."""
        shape = operation.input
        self._broken = self._rng.choice((0.0, 0.0, 0.3))
        optional = self._rng.choice((0.0, 0.1, 0.5))
        found = {}
        for name, member in shape.members.items():
            needed = name in shape.required or member.location == "uri"
            if needed or self._rng.random() < optional:
                value = self._member(name, member.shape)
                if member.location in {"uri", "header"} and isinstance(value, str):
                    value = re.sub(r"[^\x21-\x7e]|^\.+$", "x", value) or "x"
                found[name] = value
        return found

    def _member(self, name: str, shape: Shape) -> Any:
        if self._rng.random() < self._broken:
            return self._any(shape)
        if name == "FunctionName":
            return self._function()
        if name in POOL and isinstance(POOL[name][0], bytes) == (shape.kind == "blob"):
            return self._rng.choice(POOL[name])
        return self._value(name, shape)

    def _function(self) -> str:
        name, rng = self._rng.choice(NAMES), self._rng
        return rng.choice(
            (
                name, name, name, f"{name}:1", f"function:{name}",
                f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}",
                f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
                f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{name}",
                "123456789012:function:theirs", f"{name}:live",
            )
        )  # fmt: skip

    def _value(self, name: str, shape: Shape) -> Any:  # noqa: PLR0911  one per kind
        rng = self._rng
        if shape.enum:
            return rng.choice(shape.enum)
        if shape.kind == "structure":
            return {
                inner: self._member(inner, member.shape)
                for inner, member in shape.members.items()
                if inner in shape.required or rng.random() < 0.5
            }
        if shape.kind == "list" and shape.element:
            return [self._value(name, shape.element) for _ in range(rng.randrange(3))]
        if shape.kind == "map" and shape.key and shape.element:
            return {f"K{n}": self._value(name, shape.element) for n in range(rng.randrange(3))}
        if shape.kind in {"integer", "long"}:
            low = int(shape.minimum or 0)
            return rng.randint(low, int(min(shape.maximum or low + 100, low + 1000)))
        if shape.kind == "double":
            return rng.uniform(float(shape.minimum or 0), float(shape.maximum or 1))
        return self._any(shape)

    def _any(self, shape: Shape) -> Any:  # noqa: PLR0911  one per kind
        """Any value of the right type, mostly outside of what is allowed."""
        rng = self._rng
        if shape.kind == "structure":
            return {}
        if shape.kind == "list":
            return []
        if shape.kind == "map":
            return {}
        if shape.kind in {"integer", "long"}:
            return rng.choice((-1, 0, 1, 2**31 - 1, -(2**31)))
        if shape.kind == "double":
            return rng.choice((-1.5, 0.0, 1e300))
        if shape.kind == "boolean":
            return rng.random() < 0.5
        if shape.kind == "blob":
            return rng.randbytes(rng.randrange(64))
        if shape.kind == "timestamp":
            return 1_700_000_000
        alphabet = "aZ09-_.:/$ é\u2028%"
        return "".join(rng.choices(alphabet, k=rng.choice((1, 3, 12, 65, 141, 300))))


def send(port: int, operation: OperationModel, members: dict[str, Any]) -> Answer:
    """As botocore would send it, less its signature's arithmetic: the server takes any."""
    sent = SERIALIZER.serialize_to_request(members, SERVICE.operation_model(operation.name))
    botocore.awsrequest.prepare_request_dict(sent, f"http://127.0.0.1:{port}")
    request = botocore.awsrequest.create_request_object(sent).prepare()
    path = request.url.partition(f":{port}")[2]
    headers = {key: _text(value) for key, value in request.headers.items()}
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261121/us-east-1/lambda/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(request.method, path, request.body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def judge(operation: OperationModel, answer: Answer, secret: bytes) -> str | None:  # noqa: PLR0911  one per fault
    """What is wrong with an answer, or None. `secret` is what only another account may see."""
    request_id = answer.headers.get("x-amzn-requestid", "")
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", request_id):
        return f"the request id is {request_id!r}"
    if secret in answer.body:
        return "another account's data"
    if answer.status < 300:
        return _judge_success(operation, answer)
    code = answer.headers.get("x-amzn-errortype", "")
    listed = {shape.name for shape in SERVICE.operation_model(operation.name).error_shapes}
    if code not in listed | COMMON_ERRORS | BEYOND_THE_MODEL:
        return f"{answer.status} {code}: {answer.body[:300]!r}"
    if answer.status >= 500 and code != "InvalidRuntimeException":
        return f"{answer.status} {code}: {answer.body[:300]!r}"
    body = json.loads(answer.body)
    if not {"message", "Message"} & body.keys():
        return f"an error without a message: {answer.body[:300]!r}"
    return None


def _judge_success(operation: OperationModel, answer: Answer) -> str | None:
    model = SERVICE.operation_model(operation.name)
    if model.has_event_stream_output:
        return None
    if answer.status != operation.status and answer.status not in {202, 204}:
        return f"{answer.status} instead of {operation.status}"
    streamed = model.has_streaming_output
    body: Any = io.BytesIO(answer.body) if streamed else answer.body
    response = {
        "status_code": answer.status,
        "headers": botocore.awsrequest.HeadersDict(answer.headers),
        "body": body,
    }
    PARSER.parse(response, model.output_shape)
    if model.output_shape is None or streamed or not answer.body:
        return None
    if operation.output is not None and operation.output.payload is None:
        unknown = json.loads(answer.body).keys() - operation.output.members.keys()
        if unknown:
            return f"members that the model lacks: {sorted(unknown)}"
    return None


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def create_call(name: str) -> dict[str, Any]:
    """A CreateFunction that must succeed."""
    return {
        "FunctionName": name,
        "Role": "arn:aws:iam::111122223333:role/fuzz",
        "Runtime": f"python3.{sys.version_info.minor}",
        "Handler": "app.handler",
        "Code": {"ZipFile": PACKAGE},
    }
