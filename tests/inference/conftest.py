"""The app as a function sees it: a handler call per request, on one event loop."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from lambent_inference.handler import Handler
from lambent_inference.settings import load


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Sends requests to a handler as HTTP-API events."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None, **query):
        return self.send("POST", path, body, headers, query)

    def send(self, method, path, body=None, headers=None, query=None) -> Answer:
        given = {"content-type": "application/json"} if body is not None else {}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": urlencode(query or {}),
            "headers": given | (headers or {}),
            "body": body if isinstance(body, str) or body is None else json.dumps(body),
            "requestContext": {
                "stage": "$default",
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            },
        }
        answer = self.handler(event)
        return Answer(answer["statusCode"], answer["headers"], answer["body"])


@pytest.fixture
def client():
    """`client(ALLOW_NUMPY_INPUT="True")`: a server with these variables."""
    made = []

    def make(**environ: str) -> Client:
        made.append(Handler(load(environ)))
        return Client(made[-1])

    yield make
    for handler in made:
        handler.close()


@pytest.fixture(scope="session")
def aws_server():
    """S3 and SQS over HTTP, in this process; yields the address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
