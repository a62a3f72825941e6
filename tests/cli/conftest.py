"""The command line as its users have it: a process of its own, with an empty home."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import select
import socket
import subprocess
import sys
import tempfile
import termios
import time
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

    def on_terminal(
        self, *words: str, cwd: Path | None = None, keys: str = "", until: str = "", **env: str
    ) -> Screen:
        """Run on a pseudo-terminal; `keys` are typed once `until` stands on it."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [str(LAMBENT), *words],
                cwd=cwd or self.folder,
                env=self.env | {"TERM": "xterm"} | env,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                # Ctrl-C comes from the terminal that controls the process.
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
            )
        finally:
            os.close(theirs)
        try:
            text = _read_screen(ours, keys, until)
            return Screen(process.wait(60), text)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


@dataclass(frozen=True)
class Screen:
    """What stood on a terminal, colours included, when the command was over."""

    returncode: int
    coloured: str

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.coloured).replace("\r\n", "\n")


def _read_screen(ours: int, keys: str, until: str) -> str:
    """Until the other side is closed; a terminal says so with EIO."""
    seen, typed, give_up = b"", False, time.monotonic() + 100
    while time.monotonic() < give_up:
        if not select.select([ours], [], [], 3)[0]:
            # An interrupt between Python's last look for one and the read of a line is seen only
            # when the next key comes, so a user would press it again.
            if typed and keys == "\x03":
                os.write(ours, keys.encode())
            continue
        try:
            part = os.read(ours, 65536)
        except OSError as error:
            if error.errno == errno.EIO:
                return seen.decode(errors="replace")
            raise
        seen += part
        if keys and not typed and until.encode() in seen:
            os.write(ours, keys.encode())
            typed = True
    raise AssertionError(f"the command did not end after {seen!r}")


INSTALLED = {
    "XDG_CACHE_HOME": str(Path(tempfile.gettempdir()) / f"lambent-installed-{os.getuid()}"),
}
"""For commands that package hundreds of megabytes: what one test installed, the next one finds."""


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


LIVE = """import json, time
print('loading')
def handler(event, context):
    if 'rawPath' in event:
        return answer(event)
    print('the event is', event)
    if 'fail' in event:
        raise ValueError(event['fail'])
    time.sleep(event.get('sleep', 0))
    return event

def answer(event):
    path = event['rawPath']
    if path == '/echo':
        return event
    if path == '/teapot':
        return {'statusCode': '418', 'headers': {'X-Kind': 'pot'}, 'cookies': ['a=1; Secure'],
                'body': 'short and stout'}
    if path == '/image':
        return {'statusCode': 200, 'headers': {'content-type': 'image/png'},
                'body': '/wA=', 'isBase64Encoded': True}
    if path == '/wrong':
        return {'statusCode': 'many'}
    raise ValueError('no such path')
"""


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with a server for the whole run, and the function `live`, which nobody changes."""
    found = make_place(tmp_path_factory.mktemp("live") / "place")
    try:
        started = found.run("up", "-d")
        assert started.returncode == 0, started.stderr
        make_function(found, "live", LIVE)
        yield found
    finally:
        found.run("down", "--kill")


def make_function(place: Place, name: str, code: str) -> Path:
    """A deployed project; its folder."""
    assert place.run("init", name).returncode == 0
    (place.folder / name / "handler.py").write_text(code)
    deployed = place.run("deploy", "--json", cwd=place.folder / name)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return place.folder / name


@pytest.fixture
def make(live: Place) -> Callable[..., Path]:
    """Makes functions of a test's own: `make(name, code)`."""
    return lambda name, code="def handler(event, context):\n    return 1\n": make_function(
        live, name, code
    )
