"""What the tests of the sandboxes share: a world to make sandboxes in, and the attack programs."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from lambent.sandbox.choose import probe
from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.spec import Exit, ProcessSpec, Sandbox, SandboxSpec

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"
PATIENCE_S = 60


class World:
    """Folders, a way to open a host, and a way to run things in a sandbox of it."""

    python: ClassVar = f"/var/lang/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    env: ClassVar = {"PATH": "/var/lang/bin:/usr/bin:/bin", "LD_LIBRARY_PATH": "/var/lang/lib"}

    def __init__(self, folder: Path, make_host: type[NamespaceHost | ProcessHost]) -> None:
        self.folder = folder
        self.task = folder / "task"
        self.task.mkdir()
        self.data = folder / "data"
        self._make_host = make_host
        self._numbers = itertools.count(1)

    def spec(self, **changes) -> SandboxSpec:
        whole = SandboxSpec(
            id=f"{next(self._numbers):08x}",
            owner="arn:aws:lambda:us-east-1:123456789012:function:f",
            task_dir=self.task,
            lang_dir=Path(sys.base_prefix),
        )
        return replace(whole, **changes)

    @asynccontextmanager
    async def host(self):
        host = self._make_host(self.data)
        await host.open()
        try:
            yield host
        finally:
            await host.close()

    @asynccontextmanager
    async def sandbox(self, **changes):
        """A host with one sandbox."""
        async with self.host() as host:
            sandbox = await host.create(self.spec(**changes))
            try:
                yield sandbox
            finally:
                await sandbox.close()

    async def start(self, sandbox: Sandbox, *argv: str, fds=None, **env: str):
        return await sandbox.start(
            ProcessSpec(argv=argv, env={**self.env, **env}, cwd="/tmp", fds=fds or {})
        )

    async def run(self, sandbox: Sandbox, *argv: str, **env: str) -> tuple[Exit, str]:
        """Start a process, and how it ended and what it wrote."""
        read_end, write_end = os.pipe()
        try:
            process = await self.start(sandbox, *argv, fds={1: write_end, 2: write_end}, **env)
        finally:
            os.close(write_end)
        text = await asyncio.get_running_loop().run_in_executor(None, _read_all, read_end)
        return await process.exited, text

    async def shell(self, sandbox: Sandbox, script: str, **env: str) -> str:
        """What a shell script wrote; it must end well."""
        end, text = await self.run(sandbox, "/bin/sh", "-c", script, **env)
        assert end == Exit(0), (end, text)
        return text

    def go(self, main) -> None:
        """Run a test's coroutine, within limits."""

        async def bounded():
            async with asyncio.timeout(PATIENCE_S):
                await main

        asyncio.run(bounded())


def _read_all(fd: int) -> str:
    with open(fd, "rb") as file:
        return file.read().decode(errors="replace")


@pytest.fixture(scope="session")
def isolation():
    """Skips where this machine cannot isolate, saying why."""
    problem = probe()
    if problem is not None:
        pytest.skip(f"{problem}; {problem.fix}")


@pytest.fixture
def world(tmp_path, isolation):
    return World(tmp_path, NamespaceHost)


@pytest.fixture
def plain_world(tmp_path):
    """The same without isolation."""
    return World(tmp_path, ProcessHost)


def attack_names() -> list[str]:
    return sorted(path.stem for path in (HERE / "programs").glob("*.py"))


def pytest_generate_tests(metafunc):
    if "attack_name" in metafunc.fixturenames:
        metafunc.parametrize("attack_name", attack_names())


@pytest.fixture(scope="session")
def attack_runner(isolation):
    """Runs every attack in a sandbox made by (interpreter, user); how each ended, by name."""

    def run(folder: Path, python: str, user: list[str]) -> dict[str, dict[str, object]]:
        driver = str(HERE / "driver" / "run_attacks.py")
        ended = subprocess.run(
            [*user, python, "-B", driver, str(folder), *attack_names()],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert not ended.stderr, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.fixture(scope="module")
def attacks(tmp_path_factory, attack_runner):
    """Every attack, run as whoever runs the tests."""
    return attack_runner(tmp_path_factory.mktemp("attacks"), sys.executable, [])
