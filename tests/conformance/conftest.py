"""A live server as its users run it, driven by boto3, the AWS CLI and raw sockets.

`server` is one per session and worker; a test that kills, fills or reconfigures starts its own with
`start_server`. Each test makes functions under names of its own (`name`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import boto3
import pytest
from botocore.config import Config
from scripts import fetch_interpreters

from lambent.sandbox.choose import probe
from lambent.sandbox.instance import Instance
from lambent.sandbox.leftovers import clean

ROLE = "arn:aws:iam::123456789012:role/test"
PYTHON = f"python3.{sys.version_info.minor}"
ECHO = "def handler(event, context):\n    return event\n"


def archive(files: Mapping[str, str | bytes], *, mode: int = 0o755) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            package.writestr(info, content)
    return buffer.getvalue()


class LiveServer:
    """A server process and clients for it."""

    def __init__(self, data_dir: Path, path: str | None = None, **settings: Any) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir.parent / f"{data_dir.name}-{uuid.uuid4().hex[:6]}.log"
        environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LAMBENT_", "AWS_"))},
            "LAMBENT_DATA_DIR": str(data_dir),
            "LAMBENT_PORT": "0",
            "XDG_CONFIG_HOME": str(data_dir / "no-config"),
            # A busy machine is paced, too; only those who test that want to be refused for it.
            "LAMBENT_START_WAIT_S": "100",
            **{f"LAMBENT_{key.upper()}": str(value) for key, value in settings.items()},
        }
        if path is not None:
            environ["PATH"] = path
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lambent.server"],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environ,
            )
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(30)
            self.process.stdout.close()
            raise RuntimeError(f"the server did not start:\n{self.log_file.read_text()}")
        self.facts = json.loads(line)
        self.url: str = self.facts["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = self.boto3()

    def boto3(self, key: str = "test", secret: str = "test", region: str = "us-east-1") -> Any:
        return boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}, read_timeout=120),
        )

    def function(
        self, name: str, source: str | Mapping[str, str | bytes] = ECHO, **options: Any
    ) -> str:
        """Create a function and wait until it is Active."""
        files = {"app.py": source} if isinstance(source, str) else source
        options = {
            "Runtime": PYTHON,
            "Handler": "app.handler",
            "Role": ROLE,
            "Timeout": 30,
            **options,
        }
        self.client.create_function(FunctionName=name, Code={"ZipFile": archive(files)}, **options)
        self.active(name)
        return name

    def active(self, name: str) -> None:
        for waiter in ("function_active_v2", "function_updated_v2"):
            self.client.get_waiter(waiter).wait(
                FunctionName=name, WaiterConfig={"Delay": 0.02, "MaxAttempts": 3000}
            )

    def invoke(self, name: str, payload: Any = None, **options: Any) -> Any:
        """The decoded payload of a call that must succeed."""
        answer = self.client.invoke(
            FunctionName=name, Payload=json.dumps(payload or {}).encode(), **options
        )
        body = answer["Payload"].read()
        assert "FunctionError" not in answer, body
        return json.loads(body)

    def log(self, name: str) -> list[str]:
        """All that has reached the log files of a function so far, stream by stream."""
        return [text for stream in self.log_streams(name).values() for text in stream]

    def log_streams(self, name: str) -> dict[str, list[str]]:
        """The same, by the name of the stream: one per environment."""
        folder = self.data_dir / "logs/123456789012/us-east-1" / quote(f"/aws/lambda/{name}", "")
        return {
            unquote(file.name.removesuffix(".log")): [
                json.loads(line.split(" ", 2)[2])
                for line in file.read_text().splitlines(keepends=True)
                if line.endswith("\n")
            ]
            for file in sorted(folder.glob("*.log"))
        }

    def raw(self, data: bytes, *, wait: float = 10.0) -> bytes:
        """Send bytes, return all that comes until the server closes or `wait` seconds pass."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as sock:
            sock.sendall(data)
            got = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while piece := sock.recv(65536):
                    got += piece
            return got

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            self.client.close()


@pytest.fixture(scope="session")
def live_server() -> type[LiveServer]:
    """For fixtures that keep a server of their own for a file."""
    return LiveServer


@pytest.fixture(name="archive")
def _archive() -> Callable[..., bytes]:
    return archive


@pytest.fixture(scope="session")
def shared_runtimes(tmp_path_factory) -> Path:
    """A data directory's `runtimes` folder, so that each server need not lay them out again."""
    return tmp_path_factory.mktemp("runtimes")


@pytest.fixture
def start_server(tmp_path: Path, shared_runtimes: Path) -> Iterator[Callable[..., LiveServer]]:
    """Start servers on this test's own data directory; all are ended with the test."""
    started: list[LiveServer] = []
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "runtimes").symlink_to(shared_runtimes)

    def start(**settings: Any) -> LiveServer:
        server = LiveServer(data_dir, **{"state_delay_s": 0, **settings})
        started.append(server)
        return server

    yield start
    ends = [server.stop() for server in started]
    if any(ends):
        instance = Instance(data_dir)
        instance.lock()
        clean(instance)  # what the next start of this folder would do, but there is none
        instance.unlock()


@pytest.fixture(scope="session")
def server(tmp_path_factory, shared_runtimes: Path) -> Iterator[LiveServer]:
    """One server for all tests that leave it as it was. Pending and InProgress last 0.2 s."""
    data_dir = tmp_path_factory.mktemp("server")
    (data_dir / "runtimes").symlink_to(shared_runtimes)
    live = LiveServer(data_dir, state_delay_s=0.2)
    yield live
    assert live.stop() == 0, live.log_file.read_text()


@pytest.fixture(scope="session")
def node_server(tmp_path_factory) -> Iterator[LiveServer]:
    """A server that finds Node.js 20, 22 and 24 on its PATH."""
    try:
        folders = [str(fetch_interpreters.node(major)) for major in fetch_interpreters.NODE_MAJORS]
    except fetch_interpreters.Unavailable as reason:
        pytest.skip(f"no Node.js to test with: {reason}")
    live = LiveServer(
        tmp_path_factory.mktemp("node-server"),
        path=os.pathsep.join([*folders, os.environ["PATH"]]),
        state_delay_s=0,
    )
    yield live
    assert live.stop() == 0, live.log_file.read_text()


@pytest.fixture(scope="session")
def forks() -> None:
    """Skips where environments cannot be forked, saying why."""
    problem = probe()
    if problem is not None:
        pytest.skip(f"{problem}; {problem.fix}")
    if os.uname().machine != "x86_64":
        pytest.skip("templates are written for x86_64")


@pytest.fixture
def name(server: LiveServer) -> Iterator[str]:
    """A function name of this test's own; what stands under it is deleted afterwards."""
    chosen = f"test-{uuid.uuid4().hex[:12]}"
    yield chosen
    with contextlib.suppress(server.client.exceptions.ResourceNotFoundException):
        server.client.delete_function(FunctionName=chosen)


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


def pytest_collection_modifyitems(items):
    """Everything here drives a live server: `make check` leaves all of it to `make test`."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
