"""botocore as oracle, both ways, for every operation of its model.

What botocore serialises, `route` and `parse` must read as the same parameters; what `serialise`
writes, botocore's parser must read as the same members.
"""

import io
import math
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.parsers
import botocore.serialize
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambent.api import model
from lambent.api.parse import parse
from lambent.api.route import Router
from lambent.api.serialise import serialise

SERVICE = model.load()
ROUTER = Router(SERVICE)
SERIALIZER = botocore.serialize.create_serializer("rest-json", include_validation=False)
PARSER = botocore.parsers.create_parser("rest-json")
BOUNDED = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LABEL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text.strip("/") not in {"", ".", ".."}
)
HEADER = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
INTEGER = st.integers(-(2**31), 2**31 - 1)
MOMENT = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


def values(shape, location="body"):
    """Values of a shape; a label or header holds what can travel there."""
    kind = shape.kind
    if kind == "structure":
        return st.fixed_dictionaries(
            {name: values(m.shape) for name, m in shape.members.items() if name in shape.required},
            optional={
                name: values(m.shape)
                for name, m in shape.members.items()
                if name not in shape.required
            },
        )
    if kind == "list":
        return st.lists(values(shape.element, location), min_size=1, max_size=3)
    if kind == "map":
        return st.dictionaries(TEXT, values(shape.element), max_size=3)
    if kind == "string":
        return {"uri": LABEL, "header": HEADER}.get(location, TEXT)
    return {
        "integer": INTEGER,
        "long": INTEGER,
        "double": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "blob": st.binary(max_size=20),
        "timestamp": MOMENT,
    }[kind]


def members(shape, skip=()):
    needed = {n for n, m in shape.members.items() if n in shape.required or m.location == "uri"}
    made = {
        name: values(member.shape, member.location)
        for name, member in shape.members.items()
        if name not in skip
    }
    return st.fixed_dictionaries(
        {name: value for name, value in made.items() if name in needed},
        optional={name: value for name, value in made.items() if name not in needed},
    )


@pytest.mark.parametrize("name", SERVICE.operations)
def test_what_botocore_sends_is_read_as_it_was_meant(name, botocore_model):
    operation = SERVICE.operations[name]

    @BOUNDED
    @given(members(operation.input))
    def check(params):
        sent = SERIALIZER.serialize_to_request(params, botocore_model.operation_model(name))
        botocore.awsrequest.prepare_request_dict(sent, "http://127.0.0.1:9000")
        request = botocore.awsrequest.create_request_object(sent).prepare()
        url = urlsplit(request.url)
        headers = {k.lower().encode(): _bytes(v) for k, v in request.headers.items()}
        match = ROUTER.match(request.method, url.path, url.query.encode())
        assert match.operation is operation
        parsed = parse(match, headers.get, _bytes(request.body or b""))
        payload = operation.input.payload
        if payload and parsed.get(payload) == {}:
            del parsed[payload]  # botocore sends `{}` for a structure that is absent
            params = {k: v for k, v in params.items() if k != payload or v}
        assert _plain(parsed) == _plain(params)

    check()


@pytest.mark.parametrize(
    "name", [n for n, o in SERVICE.operations.items() if n != "InvokeWithResponseStream"]
)
def test_what_we_answer_is_read_by_botocore_as_it_was_meant(name, botocore_model):
    operation = SERVICE.operations[name]
    if operation.output is None:
        reply = serialise(operation, None)
        assert (reply.status, reply.body) == (operation.status, b"")
        return
    codes = {n for n, m in operation.output.members.items() if m.location == "statusCode"}

    @BOUNDED
    @given(members(operation.output, skip=codes))
    def check(answer):
        reply = serialise(operation, {**answer, **dict.fromkeys(codes)})
        streamed = botocore_model.operation_model(name).has_streaming_output
        response = {
            "status_code": reply.status,
            "headers": botocore.awsrequest.HeadersDict(
                {k.decode(): v.decode() for k, v in reply.headers}
            ),
            "body": io.BytesIO(reply.body) if streamed else reply.body,
        }
        output = botocore_model.operation_model(name).output_shape
        parsed = PARSER.parse(response, output)
        parsed.pop("ResponseMetadata")
        for code in codes:
            assert parsed.pop(code) == reply.status
        payload = operation.output.payload
        if streamed:
            parsed[payload] = parsed[payload].read()
        if payload and not answer.get(payload):
            parsed.pop(payload, None)
            answer = {k: v for k, v in answer.items() if k != payload}
        assert _plain(parsed) == _plain(answer)

    check()


def _bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def _plain(value):
    """Empty values that no wire form can tell from absent ones are the same as absent."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v not in (None, b"")}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        return round((value - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    if isinstance(value, float) and not isinstance(value, bool):
        return value if math.isfinite(value) else str(value)
    return value
