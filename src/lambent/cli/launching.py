"""Starting `python -m lambent.server` and waiting for its first line, for `up` and for `dev`.

The server gets a session of its own, so Ctrl-C reaches the verb alone, and prints one JSON line
when it serves; everything that can go wrong before becomes a `Problem`.
"""

from __future__ import annotations

import ctypes
import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lambent.cli import local
from lambent.delivery.problem import Problem

if TYPE_CHECKING:
    from lambent.settings import Settings

_PR_SET_PDEATHSIG = 1
READY_S = 90.0  # pools are made ahead before it serves; a slow disk takes its time


def check_port(wanted: Settings) -> None:
    """Fail before anything is started, with words instead of a traceback."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError as error:
            raise Problem(
                "PORT_IN_USE" if error.errno == 98 else "CANNOT_LISTEN",
                f"cannot listen on {wanted.host}:{wanted.port}",
                why=str(error.strerror),
                fix=f"lambent up --port {wanted.port + 1}     or stop what listens there",
            ) from None


def launch(
    environment: dict[str, str],
    stdout: int | IO[bytes],
    stderr: IO[bytes] | None,
    *,
    bound: bool = False,
) -> Any:
    """Start it; a server that is `bound` is asked to stop when this process ends, however it does."""
    # A session of its own: Ctrl-C in the terminal is for `up`, which passes it on as it should be.
    return subprocess.Popen(
        [sys.executable, "-m", local.MODULE],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
        preexec_fn=_end_with_parent if bound else None,  # noqa: PLW1509  one prctl, no threads yet
    )


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def ready_in_log(process: subprocess.Popen[bytes], log: Path, offset: int) -> dict[str, Any]:
    """Wait for the ready line in the log, for the end of the process, or for too long."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read()
        for line in text.splitlines():
            if ready := parse_ready(line):
                return ready
        if ended:
            raise failed(text, process.returncode, log)
        # Wakes at once when the process ends; the log is looked at in between.
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    raise _too_slow(log)


def parse_ready(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("event") == "ready" else None


def failed(text: bytes, code: int, log: Path | None) -> Problem:
    """Why it ended: in the server's own words where it has some."""
    said = text.decode(errors="replace").strip()
    return _named(said) or Problem(
        "SERVER_FAILED",
        f"the server ended while starting (exit code {code})",
        why=said.splitlines()[-1] if said else "",
        fix=f"read {log}" if log else "read what it printed above",
    )


def _too_slow(log: Path | None) -> Problem:
    return Problem(
        "SERVER_SLOW",
        f"the server was not ready after {READY_S:.0f} s",
        fix=f"read {log}" if log else "read what it printed above",
    )


def _named(said: str) -> Problem | None:
    """The failure that `lambent.server` printed last as `error[CODE] message` and `  fix   …`."""
    found = list(re.finditer(r"^error\[(\w+)\] (.*)$", said, re.MULTILINE))
    if not found:
        return None
    code, message = found[-1].groups()
    fix = re.search(r"^  fix   (.*)$", said[found[-1].end() :], re.MULTILINE)
    return Problem(code, message, fix=fix[1] if fix else "")
