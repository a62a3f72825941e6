"""A runtime process as the engine starts it, without a sandbox: socket pair, log pipe, real plan."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from lambent.control.targets import VersionTarget
from lambent.observe.log_splitter import LogSplitter
from lambent.runtimes import frames, interpreters
from lambent.runtimes.launch import Facts, Planner

RUNNING = f"python3.{sys.version_info.minor}"
RUNTIMES = [f"python3.{minor}" for minor in range(9, 15)]
PATIENCE_S = 60
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`runtime` runs a test on every interpreter of this machine, at least on the running one."""
    if "runtime" in metafunc.fixturenames:
        params = [
            pytest.param(
                name,
                marks=[]
                if name == RUNNING or interpreters.find(name)
                else [pytest.mark.skip(reason=f"no {name} here")],
            )
            for name in RUNTIMES
        ]
        metafunc.parametrize("runtime", params, scope="session")


def make_target(code: Path, runtime: str | None = RUNNING, **changes: Any) -> VersionTarget:
    values: dict[str, Any] = {
        "account": "123456789012",
        "region": "us-east-1",
        "function_name": "f",
        "version": "$LATEST",
        "function_arn": ARN,
        "generation": "1",
        "runtime": runtime,
        "handler": "app.handler",
        "architecture": "x86_64",
        "code_path": code,
        "layer_paths": (),
        "environment": {},
        "memory_mb": 128,
        "timeout_s": 3,
        "ephemeral_mb": 512,
        "role_arn": "arn:aws:iam::123456789012:role/r",
        "log_group": "/aws/lambda/f",
    }
    return VersionTarget(**{**values, **changes})


@dataclass
class RuntimeProcess:
    """The server's side of one runtime process."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    pipe: int
    splitter: LogSplitter = field(default_factory=LogSplitter)
    _unread: bytes = b""
    """Frames that came together with the one that was asked for."""

    def send(self, payload: bytes, **header: str) -> None:
        fields = {
            "request_id": "11111111-2222-3333-4444-555555555555",
            "deadline": str(int(time.time() * 1000) + 60_000),
            "arn": ARN,
            "trace": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            "tenant": "",
            "client_context": "",
            "identity": "",
            **header,
        }
        self.channel.sendall(frames.encode_invoke("\n".join(fields.values()).encode(), payload))

    def receive(self) -> tuple[int, bytes] | None:
        """(kind, body) of the next frame; None when the runtime has closed the channel."""
        data = bytearray(self._unread)
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            try:
                more = self.channel.recv(1 << 20)
            except ConnectionResetError:
                return None
            if not more:
                assert not data, "half a frame"
                return None
            data += more
        end = 4 + int.from_bytes(data[:4], "big")
        self._unread = bytes(data[end:])
        return data[4], bytes(data[5:end])

    def stream(self, event: Any = None) -> tuple[str, list[bytes], bytes]:
        """(content type, parts, error document) of an answer that streams."""
        kind, content_type = self.call(event)
        assert kind == frames.STREAM, (kind, content_type)
        parts = []
        while (frame := self.receive()) is not None and frame[0] == frames.CHUNK:
            parts.append(frame[1])
        assert frame is not None
        assert frame[0] == frames.STREAM_END
        return content_type.decode(), parts, frame[1]

    def ready(self) -> RuntimeProcess:
        assert self.receive() == (frames.READY, b""), self.events()
        return self

    def invoke(self, event: Any = None, *, raw: bytes | None = None, **header: str) -> Any:
        """What the handler returned, decoded."""
        kind, body = self.call(event, raw=raw, **header)
        assert kind == frames.RESPONSE, body
        return msgspec.json.decode(body)

    def fail(self, event: Any = None, *, raw: bytes | None = None, **header: str) -> Any:
        """The error document."""
        kind, body = self.call(event, raw=raw, **header)
        assert kind == frames.ERROR, body
        return msgspec.json.decode(body)

    def call(self, event: Any = None, *, raw: bytes | None = None, **header: str) -> Any:
        self.send(msgspec.json.encode(event) if raw is None else raw, **header)
        answer = self.receive()
        assert answer is not None, self.events()
        return answer

    def init_error(self) -> Any:
        """The document of a failed Init, after which the process has exited with status 1."""
        answer = self.receive()
        assert answer is not None, self.events()
        assert answer[0] == frames.INIT_ERROR
        assert self.exit() == 1
        return msgspec.json.decode(answer[1])

    def exit(self) -> int:
        return self.process.wait(PATIENCE_S)

    def output(self) -> bytes:
        """What stands in the log pipe now."""
        data = b""
        while True:
            try:
                more = os.read(self.pipe, 1 << 16)
            except BlockingIOError:
                return data
            if not more:
                return data
            data += more

    def wait_for_output(self, text: bytes) -> None:
        """Until `text` has been printed."""
        found, end = b"", time.monotonic() + PATIENCE_S
        while text not in found:
            left = end - time.monotonic()
            assert left > 0
            assert select.select([self.pipe], [], [], left)[0], found
            found += self.output()

    def events(self) -> list[str]:
        """The same as log events, an unfinished line included."""
        found = self.splitter.feed(self.output()) + self.splitter.flush()
        return [text.decode() for _, text in found]

    def close(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            try:
                self.process.wait(PATIENCE_S / 4)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
        os.close(self.pipe)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where /var/lang and /var/runtime are made; shared by the workers of one run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "runtimes-data"


@pytest.fixture(scope="session")
def planner(data_dir: Path) -> Planner:
    return Planner(data_dir, isolated=False)


def start_runtime(planner: Planner, target: VersionTarget, facts: Facts) -> RuntimeProcess:
    plan = planner.plan(target, facts)
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    ours.settimeout(PATIENCE_S)
    # The descriptors' numbers are the runtime's contract; a shell's redirections set them exactly.
    shell = (
        f'exec "$@" 3<&{theirs.fileno()} 4>&{write_end} 1>&4 2>&4 '
        f"{theirs.fileno()}<&- {write_end}>&-"
    )
    try:
        process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "runtime", *plan.argv],
            env=dict(plan.env),
            cwd=plan.cwd,
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), write_end),
        )
    finally:
        theirs.close()
        os.close(write_end)
    return RuntimeProcess(process, ours, read_end)


Start = Callable[..., RuntimeProcess]


@pytest.fixture
def start(planner: Planner, tmp_path: Path) -> Iterator[Start]:
    """`start(source or {file: source}, runtime=…, handler=…, environment=…)` → a process."""
    running: list[RuntimeProcess] = []

    def run(
        files: str | Mapping[str, str | bytes], runtime: str = RUNNING, **changes: Any
    ) -> RuntimeProcess:
        facts = Facts(log_stream="2026/11/21/[$LATEST]0", **changes.pop("facts", {}))
        code = tmp_path / f"code{len(running)}"
        write_files(code, {"app.py": files} if isinstance(files, str) else files)
        process = start_runtime(planner, make_target(code, runtime, **changes), facts)
        running.append(process)
        return process

    yield run
    for process in running:
        process.close()


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


EVALUATOR = """
import os, sys
class Strange(Exception):
    def __str__(self): raise RuntimeError("no text")
class Outer:
    class Inner(Exception): pass
class Plain: pass
def handler(event, context):
    scope = dict(globals(), event=event, context=context)
    if "run" in event:
        exec(compile(event["run"], "/var/task/script.py", "exec"), scope)
    return eval(event.get("do", "result"), scope)
"""


@pytest.fixture(scope="session")
def evaluating_process(
    runtime: str, planner: Planner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RuntimeProcess]:
    """One process per interpreter whose handler evaluates `event["do"]` after `event["run"]`."""
    code = tmp_path_factory.mktemp("evaluator")
    write_files(code, {"app.py": EVALUATOR})
    process = start_runtime(planner, make_target(code, runtime), Facts(log_stream="s"))
    try:
        yield process.ready()
    finally:
        process.close()


@pytest.fixture
def evaluator(evaluating_process: RuntimeProcess) -> RuntimeProcess:
    """The shared process, without what an earlier test left in its log."""
    evaluating_process.events()
    return evaluating_process


@pytest.fixture
def make() -> SimpleNamespace:
    """What tests need of this file: they cannot import it."""
    return SimpleNamespace(target=make_target, files=write_files, running=RUNNING)
