"""A real engine for tests: real sandboxes (or processes), the real Python runtime, real logs.

`engine()` runs a scenario on a fresh loop with an `Engine` whose functions are written as source
text. Nothing of ours is replaced; only `control` is left out: tests push targets themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from lambent.clock import SystemClock, new_uuid
from lambent.control.targets import LATEST, FunctionTargets, VersionTarget
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.invocation import Outcome
from lambent.engine.launcher import Launcher
from lambent.observe.logs import LogStore
from lambent.observe.metrics import Metrics
from lambent.runtimes.launch import Planner
from lambent.sandbox.choose import choose, probe
from lambent.settings import Settings

ACCOUNT, REGION = "123456789012", "us-east-1"
PYTHON = f"python3.{sys.version_info.minor}"


class Engine:
    """A dispatcher with what it needs, and functions made from source."""

    def __init__(self, folder: Path, dispatcher: Dispatcher, logs: LogStore, group) -> None:
        self.folder = folder
        self.dispatcher = dispatcher
        self.logs = logs
        self.tasks: asyncio.TaskGroup = group
        self._generation = itertools.count(1)
        self.targets: dict[str, FunctionTargets] = {}

    def function(
        self,
        source: str | dict[str, str],
        name: str = "f",
        *,
        reserved: int | None = None,
        aliases: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Make or replace a function: `app.handler` of `source`, or a folder of files."""
        generation = str(next(self._generation))
        code = self.folder / f"code-{name}-{generation}"
        code.mkdir()
        for file, text in ({"app.py": source} if isinstance(source, str) else source).items():
            path = code / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        code.chmod(0o755)
        target = VersionTarget(
            account=ACCOUNT,
            region=REGION,
            function_name=name,
            version=LATEST,
            function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            generation=generation,
            runtime=fields.pop("runtime", PYTHON),
            handler=fields.pop("handler", "app.handler"),
            architecture="x86_64",
            code_path=code,
            layer_paths=(),
            environment=fields.pop("environment", {}),
            memory_mb=fields.pop("memory_mb", 256),
            timeout_s=fields.pop("timeout_s", 30),
            ephemeral_mb=fields.pop("ephemeral_mb", 512),
            role_arn="arn:aws:iam::123456789012:role/r",
            log_group=f"/aws/lambda/{name}",
        )
        target = replace(target, **fields)
        targets = FunctionTargets(
            ACCOUNT, REGION, name, target.function_arn, reserved, {LATEST: target}, aliases or {}
        )
        self.targets[name] = targets
        self.dispatcher.function_changed(targets)

    def activate(self, name: str = "f") -> None:
        """What was made in another state is Active from now on."""
        old = self.targets[name]
        versions = {key: replace(each, state="Active") for key, each in old.versions.items()}
        self.targets[name] = replace(old, versions=versions)
        self.dispatcher.function_changed(self.targets[name])

    async def call(self, payload: Any = None, name: str = "f", **fields: Any) -> Outcome:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload or {}).encode()
        async with asyncio.timeout(60):
            return await self.dispatcher.call(
                request_id=fields.pop("request_id", new_uuid()),
                account=ACCOUNT,
                region=REGION,
                name=name,
                qualifier=fields.pop("qualifier", None),
                payload=raw,
                **fields,
            )

    async def answer(self, payload: Any = None, name: str = "f", **fields: Any) -> Any:
        """The decoded payload of a call that must succeed."""
        outcome = await self.call(payload, name, **fields)
        assert outcome.function_error is None, outcome.payload
        return json.loads(outcome.payload)

    async def error(self, payload: Any = None, name: str = "f", **fields: Any) -> dict[str, Any]:
        """The error document of a call that must fail in the function."""
        outcome = await self.call(payload, name, **fields)
        assert outcome.function_error == "Unhandled", outcome.payload
        return json.loads(outcome.payload)

    async def log(self, name: str = "f") -> list[str]:
        await self.logs.flush()
        events = self.logs.reader.events(ACCOUNT, REGION, f"/aws/lambda/{name}")
        return [event.message for event in events]


def descriptors() -> list[str]:
    """What this process has open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(re.sub(r"\d{3,}", "N", os.readlink(f"/proc/self/fd/{fd}")))
    return sorted(found)


Scenario = Callable[[Engine], Awaitable[None]]


@pytest.fixture(scope="session")
def runtimes(tmp_path_factory) -> Path:
    """Interpreters and boto3 laid out for sandboxes: made once, as a server does."""
    return tmp_path_factory.mktemp("runtimes")


@pytest.fixture
def engine(tmp_path: Path, runtimes: Path) -> Callable[..., None]:
    """`engine(scenario, sandbox="auto", **dispatcher options)`."""
    tmp_path.chmod(0o755)

    def run(scenario: Scenario, *, sandbox: str = "auto", **options: Any) -> None:
        async def main() -> None:
            settings = Settings(data_dir=tmp_path / "data", sandbox=sandbox)
            host = choose(settings, lambda _: None)
            await host.open()
            logs = LogStore(tmp_path / "logs", SystemClock())
            await logs.start()
            try:
                async with asyncio.TaskGroup() as group:
                    planner = Planner(runtimes, isolated=host.kind == "namespaces")
                    launcher = Launcher(host, planner, logs, SystemClock(), "none")
                    # A busy machine is paced, too; that is `test_pacing`'s matter.
                    patient = {"start_wait_s": 100.0, **options}
                    dispatcher = Dispatcher(
                        launcher, Metrics(), SystemClock(), group.create_task, **patient
                    )
                    try:
                        await scenario(Engine(tmp_path, dispatcher, logs, group))
                    finally:
                        await dispatcher.close()
            finally:
                await logs.close()
                await host.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(asyncio.sleep(0))  # libuv keeps a pipe from its first loop on
        before = descriptors()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
        assert descriptors() == before

    return run


@pytest.fixture
def forks():
    """Skips where environments cannot be forked, saying why."""
    problem = probe()
    if problem is not None:
        pytest.skip(f"{problem}; {problem.fix}")
    if os.uname().machine != "x86_64":
        pytest.skip("templates are written for x86_64")
