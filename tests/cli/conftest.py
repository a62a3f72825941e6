"""The command line as its users have it: a process of its own, with an empty home."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LAMBENT = Path(sys.executable).parent / "lambent"
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Place:
    """A folder, an environment and a port for one server."""

    folder: Path
    env: dict[str, str]
    port: int

    def run(
        self, *words: str, cwd: Path | None = None, stdin: str | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(LAMBENT), *words],
            cwd=cwd or self.folder,
            env=self.env | env,
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_place(folder: Path) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LAMBENT_"))}
    port = free_port()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Place(
        folder,
        kept
        | {
            "HOME": str(folder / "home"),
            # Every call of the command line is a process; boto3 without bytecode takes seconds.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"lambent-pyc-{os.getuid()}"),
            "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or f"{cache}/uv",
            "LAMBENT_DATA_DIR": str(folder / "data"),
            "LAMBENT_PORT": str(port),
            "LAMBENT_NETWORK": "none",
            "LAMBENT_STATE_DELAY_S": "0.05",
        },
        port,
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place without a server; whatever a test starts there is stopped after it."""
    found = make_place(tmp_path / "place")
    yield found
    found.run("down", "--kill")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a server that `lambent up -d` started, and one function."""
    found = make_place(tmp_path_factory.mktemp("cli") / "place")
    try:
        started = found.run("up", "-d")
        assert started.returncode == 0, started.stderr
        assert found.run("init", "hello").returncode == 0
        (found.folder / "hello" / "handler.py").write_text(
            "def handler(event, context):\n"
            "    print('the event is', event)\n"
            "    if event.get('fail'):\n"
            "        raise ValueError(event['fail'])\n"
            "    return event\n"
        )
        deployed = found.run("deploy", "--json", cwd=found.folder / "hello")
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        yield found
    finally:
        found.run("down", "--kill")
