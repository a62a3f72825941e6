"""`lambent dev` over a small project: how long a save of the handler takes to be live code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks import load

LAMBENT = Path(sys.executable).parent / "lambent"
SAVES = 15
HANDLER = "def handler(event, context):\n    return {number}\n"


@dataclass(frozen=True)
class Save:
    live_ms: float
    """Until `dev` says so."""
    answer_ms: float
    """Until a call that was sent then is answered by the new code, its cold start included."""


def saves() -> list[Save]:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))}
        port = _free_port()
        environ = kept | {
            "HOME": str(home),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
            "LAMBENT_DATA_DIR": str(home / "data"),
            "LAMBENT_NETWORK": "none",
            "LAMBENT_PORT": str(port),
        }
        done = subprocess.run(
            [LAMBENT, "init", "saved"], cwd=home, env=environ, check=True, capture_output=True
        )
        assert not done.returncode
        handler = home / "saved" / "handler.py"
        handler.write_text(HANDLER.format(number=-1))
        with subprocess.Popen(
            [LAMBENT, "dev"],
            cwd=home / "saved",
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as session:
            try:
                assert session.stdout is not None
                _until(session.stdout, "watching")
                return [_save(session.stdout, port, handler, number) for number in range(SAVES)]
            finally:
                session.terminate()
                session.wait(60)


def _save(events: IO[str], port: int, handler: Path, number: int) -> Save:
    path = "/2015-03-31/functions/saved/invocations"
    text = HANDLER.format(number=number)
    time.sleep(0.3)  # between the saves of a person, and of measurements
    started = time.perf_counter()
    handler.write_text(text)
    _until(events, "live")
    live_ms = (time.perf_counter() - started) * 1000
    with load.connect(port) as sock:
        answer = load.exchange(sock, load.request(port, path, b"{}"))
    answer_ms = (time.perf_counter() - started) * 1000
    assert answer.endswith(str(number).encode()), answer
    return Save(live_ms, answer_ms)


def _until(events: IO[str], kind: str) -> dict[str, Any]:
    for line in events:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == kind:
            return event
    raise RuntimeError(f"dev ended before it said {kind}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
