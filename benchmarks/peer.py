"""The peers: AWS's own emulator binary with AWS's own runtime client, and a bare Python."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import connect, exchange, request

WORK = Path(__file__).parent / ".work"
SAM_CLI = "aws-sam-cli==1.170.0"
PATH = "/2015-03-31/functions/function/invocations"


def emulator() -> Path:
    """The `aws-lambda-rie` binary, out of the wheel that carries it."""
    machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    binary = WORK / f"aws-lambda-rie-{machine}"
    if not binary.exists():
        WORK.mkdir(exist_ok=True)
        print("  fetching the peer (aws-sam-cli, 8 MB) …", flush=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(WORK), SAM_CLI],
            check=True,
        )
        wheel = next(WORK.glob("aws_sam_cli-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            binary.write_bytes(archive.read(f"samcli/local/rapid/{binary.name}"))
        binary.chmod(0o755)
        wheel.unlink()
    return binary


class Peer:
    """A running emulator with one warm function."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid
        self.path = PATH


@contextlib.contextmanager
def rie(source: str) -> Iterator[Peer]:
    """The emulator serving `app.handler` of `source` through awslambdaric."""
    with tempfile.TemporaryDirectory(prefix="lambent-peer-") as folder:
        (Path(folder) / "app.py").write_text(source)
        port, api_port = _free_port(), _free_port()
        command = [
            str(emulator()),
            "--runtime-interface-emulator-address",
            f"127.0.0.1:{port}",
            "--runtime-api-address",
            f"127.0.0.1:{api_port}",
            sys.executable,
            "-m",
            "awslambdaric",
            "app.handler",
        ]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _first_answer(port)
            yield Peer(port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _first_answer(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with connect(port) as sock:
                exchange(sock, request(port, PATH, b"{}"))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def bare_python_ms(code: str, cwd: Path | None = None, python: str = sys.executable) -> float:
    """A plain `python -c` of the same imports, start to exit, in milliseconds."""
    started = time.perf_counter()
    subprocess.run([python, "-c", code], check=True, cwd=cwd, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
