"""Our server in a scratch folder, for the length of a measurement."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROLE = "arn:aws:iam::123456789012:role/bench"
PYTHON = f"python3.{sys.version_info.minor}"


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in files.items():
            package.writestr(name, text)
    return buffer.getvalue()


class Platform:
    """A running server; `deploy` functions, then point a client at `port`."""

    def __init__(self, process: subprocess.Popen[str], ready: dict[str, Any]) -> None:
        self.process = process
        self.url: str = ready["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.client = boto3.client(
            "lambda",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
            config=Config(retries={"max_attempts": 0}, read_timeout=120),
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def deploy(self, name: str, package: bytes, handler: str, **options: Any) -> str:
        """A function that is Active; returns the path of its invoke."""
        self.client.create_function(
            FunctionName=name,
            Runtime=options.pop("Runtime", PYTHON),
            Role=ROLE,
            Handler=handler,
            Code={"ZipFile": package},
            MemorySize=options.pop("MemorySize", 1769),
            Timeout=60,
            **options,
        )
        self.client.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 600}
        )
        return f"/2015-03-31/functions/{name}/invocations"

    def delete(self, name: str) -> None:
        self.client.delete_function(FunctionName=name)

    def descendants(self) -> list[int]:
        """Every process that the server started, directly or not."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    children.setdefault(int(stat[1]), []).append(int(entry.name))
        found, queue = [], [self.pid]
        while queue:
            for child in children.get(queue.pop(), []):
                found.append(child)
                queue.append(child)
        return found


def pss_mb(pids: list[int]) -> float:
    """Proportional share of memory of these processes, in MB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


@contextlib.contextmanager
def platform(*, cgroup: str = "", **settings: str) -> Iterator[Platform]:
    """Start a server, hand it over, stop it. `cgroup`: the folder of a group to start it in."""
    with tempfile.TemporaryDirectory(prefix="lambent-bench-") as data_dir:
        environ = {
            **os.environ,
            "LAMBENT_DATA_DIR": data_dir,
            "LAMBENT_PORT": "0",
            "LAMBENT_STATE_DELAY_S": "0",
            **{f"LAMBENT_{name.upper()}": value for name, value in settings.items()},
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "lambent.server"],
            stdout=subprocess.PIPE,
            stderr=open(Path(data_dir) / "server.log", "w"),
            text=True,
            env=environ,
        )
        if cgroup:
            (Path(cgroup) / "cgroup.procs").write_text(str(process.pid))
        try:
            line = process.stdout.readline()
            if not line:
                text = (Path(data_dir) / "server.log").read_text()
                raise RuntimeError(f"the server did not start:\n{text}")
            yield Platform(process, json.loads(line))
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
            process.wait()
            process.stdout.close()
            time.sleep(0.1)
