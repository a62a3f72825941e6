"""What the tests of the front door share: botocore's model as oracle, and a served door.

The door is real: our HTTP server on loopback, in a thread with a loop of its own. Behind it is a
small engine that satisfies the same Protocol as the real one: it echoes payloads.
"""

import asyncio
import dataclasses
import http.client
import io
import json
import threading
from contextlib import contextmanager
from pathlib import Path

import boto3
import botocore.config
import botocore.loaders
import botocore.model
import msgspec
import pytest

from lambent.api import model
from lambent.api.app import App
from lambent.api.context import Services
from lambent.api.operation import Operation
from lambent.api.operations import invoke_async
from lambent.clock import SystemClock
from lambent.control.targets import VersionTarget
from lambent.engine.invocation import Outcome
from lambent.errors import ResourceNotFound, TooManyRequests
from lambent.http.server import Server
from lambent.observe.server_log import configure
from lambent.settings import Settings


@pytest.fixture(scope="session")
def botocore_model():
    document = botocore.loaders.Loader().load_service_model("lambda", "service-2")
    return botocore.model.ServiceModel(document, "lambda")


@pytest.fixture(scope="session")
def service():
    return model.load()


@pytest.fixture(autouse=True)
def server_log(own_log):
    """The server's own log, as one JSON object a line."""
    stream = io.StringIO()
    configure(stream, pretty=False)
    return stream


class Engine:
    """Echoes; functions by name do what their names say."""

    def __init__(self):
        self.seen = []
        self.accepted = []
        self.waiting = threading.Event()

    def invoke(self, invocation):
        target = self.resolve(
            invocation.account, invocation.region, invocation.name, invocation.qualifier
        )
        self.seen.append(invocation)
        if invocation.name == "busy":
            raise TooManyRequests("Rate Exceeded.", reason="ConcurrentInvocationLimitExceeded")
        if invocation.name == "slow":
            self.waiting.set()
            return
        failed = "Unhandled" if invocation.name == "fails" else None
        tail = b"START\nEND\n" if invocation.want_log_tail else b""
        outcome = Outcome(invocation.payload, target.version, failed, tail)
        asyncio.get_running_loop().call_soon(invocation.on_done, outcome)

    def resolve(self, account, region, name, qualifier, tenant_id=""):
        arn = f"arn:aws:lambda:{region}:{account}:function:{name}"
        if name == "unknown":
            raise ResourceNotFound(f"Function not found: {arn}:{qualifier or '$LATEST'}")
        return VersionTarget(
            account, region, name, qualifier or "$LATEST", arn, "g", "python3.12", "h.h", "x86_64",
            Path("/none"), (), {}, 128, 3, 512, "role", "group",
        )  # fmt: skip

    async def accept(self, **event):
        self.accepted.append(event)


class GetFunction(msgspec.Struct, rename="pascal"):
    function_name: str
    qualifier: str | None = None


class CreateFunction(msgspec.Struct, rename="pascal"):
    function_name: str
    code: dict


async def get_function(ctx, req):
    if req.function_name == "broken":
        raise RuntimeError("a mistake of ours")
    if req.function_name == "unknown":
        raise ResourceNotFound(f"Function not found: {ctx.account}:{ctx.region}:unknown")
    arn = f"arn:aws:lambda:{ctx.region}:{ctx.account}:function:{req.function_name}"
    return {
        "Configuration": {"FunctionName": req.function_name, "FunctionArn": arn},
        "Code": {"Location": f"{ctx.base_url}/_code/token"},
    }


async def create_function(ctx, req):
    return {"FunctionName": req.function_name, "CodeSize": len(req.code["ZipFile"])}


OPERATIONS = {
    "GetFunction": Operation("GetFunction", GetFunction, get_function),
    "CreateFunction": Operation("CreateFunction", CreateFunction, create_function),
    "InvokeAsync": invoke_async.OPERATIONS[0],
}


class Door:
    """A served front door; its methods block, as a client does."""

    def __init__(self, engine, port):
        self.engine = engine
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def client(self, *, key="AKIDEXAMPLE", secret="secret", region="us-east-1", token=None):
        config = botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False)
        return boto3.Session(key, secret, token, region).client(
            "lambda", endpoint_url=self.url, config=config
        )

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def invoke(self, name, body=b"{}", query="", **headers):
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        path = f"/2015-03-31/functions/{name}/invocations{query}"
        status, headers, body = self.request("POST", path, body, named)
        return status, headers, json.loads(body) if body else None


@contextmanager
def serving(settings, **services):
    """Serve in a thread until the block ends; nothing of it is left then."""
    engine = Engine()
    started, stop, found = threading.Event(), [], []

    async def serve():
        unused = (field.name for field in dataclasses.fields(Services))
        given = {"dispatcher": engine, "events": engine, **services}
        found_services = Services(**{**dict.fromkeys(unused), **given})
        app = App(settings, SystemClock(), found_services, operations=OPERATIONS)
        stop.extend([asyncio.get_running_loop(), asyncio.Event()])
        async with Server(app.handle) as server:
            server.on_too_large = app.too_large
            listener = await server.listen("127.0.0.1", 0)
            found.append(listener.port)
            started.set()
            await stop[1].wait()
        app.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(30)
        yield Door(engine, found[0])
    finally:
        stop[0].call_soon_threadsafe(stop[1].set)
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    package = tmp_path_factory.mktemp("code") / "package.zip"
    package.write_bytes(b"PK" * 400_000)

    async def download(token):
        return package if token == "token" else None

    with serving(Settings(), code_download=download) as served:
        yield served


@pytest.fixture(scope="module")
def locked_door():
    """Only this key's signatures are accepted."""
    keys = {"AKIDEXAMPLE": "secret", "111122223333": "other"}
    with serving(Settings(auth="sigv4", auth_keys=keys)) as served:
        yield served
