"""What the control operations' tests add to the live server: whole bodies, and functions made."""

from __future__ import annotations

import http.client
import io
import json
import time
import zipfile

import pytest

ROLE = "arn:aws:iam::123456789012:role/lambda"


class Live:
    """Plain HTTP beside boto3, for bodies as they are on the wire."""

    ROLE = ROLE

    def __init__(self, server):
        self.url = server.url
        self.client = server.boto3
        self._port = server.port

    def request(self, method, path, body=None, **headers):
        """Status, headers by lower-case name, and the body as bytes; unsigned, as curl sends."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        sent = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    @staticmethod
    def zipped(text="def handler(event, context):\n    return event\n", name="app.py"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr(name, text)
        return made.getvalue()


@pytest.fixture(scope="session")
def live(server):
    return Live(server)


@pytest.fixture
def aws(server):
    """boto3's Lambda client, unchanged but for its endpoint."""
    return server.client


@pytest.fixture
def create(aws, live):
    """`create(name, **members)` makes a function and waits until it is Active; gone afterwards."""
    made = []

    def make(name, *, wait=True, **members):
        asked = {
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": live.zipped()},
            **members,
        }
        answer = aws.create_function(FunctionName=name, **asked)
        made.append(name)
        if wait:
            _settled(aws, name)
        return answer

    yield make
    for name in made:
        try:
            aws.delete_function(FunctionName=name)
        except aws.exceptions.ResourceNotFoundException:
            continue


@pytest.fixture
def settled(aws):
    """Wait until a version is neither Pending nor being updated; its configuration then."""
    return lambda name, qualifier="$LATEST": _settled(aws, name, qualifier)


def _settled(aws, name, qualifier="$LATEST"):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        shown = aws.get_function_configuration(FunctionName=name, Qualifier=qualifier)
        if shown["State"] != "Pending" and shown.get("LastUpdateStatus") != "InProgress":
            return shown
        time.sleep(0.02)
    raise AssertionError(f"{name} did not settle: {shown}")
