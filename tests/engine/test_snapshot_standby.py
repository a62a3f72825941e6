"""Versions with SnapStart whose environments cannot be forked: started, and restored all the same."""

from __future__ import annotations

import asyncio
import os

import pytest

from lambent.engine.states import State
from lambent.runtimes import programs

THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
HOOKS = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
order = []
register_before_snapshot(order.append, "before 1")
register_before_snapshot(order.append, "before 2")
register_after_restore(order.append, "after 1")

@register_after_restore
def last():
    order.append("after 2")
    if os.environ.get("BREAK"):
        raise RuntimeError("no database")

def handler(event, context):
    return [*order, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""
RESTORED = ["before 2", "before 1", "after 1", "after 2", "snap-start"]

CUSTOM = """#!/usr/bin/python3
import json, os, sys, urllib.error, urllib.request
BASE = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def ask(path, body=None):
    try:
        with urllib.request.urlopen(BASE + path, body) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}, error.read()
before = ask("restore/error", b"{}")[0]
status, headers, body = ask("restore/next")
twice = ask("restore/next")[0]
if os.environ.get("BREAK"):
    error = {"errorType": "Runtime.AfterRestoreError", "errorMessage": "no database"}
    said = ask("restore/error", json.dumps(error).encode())[0]
    sys.exit(65 if said == 202 else 1)
while True:
    _, headers, event = ask("invocation/next")
    late = ask("restore/next")[0], ask("restore/error", b"{}")[0]
    value = [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], before, status, not body, twice, *late]
    request = headers["Lambda-Runtime-Aws-Request-Id"]
    ask("invocation/" + request + "/response", json.dumps(value).encode())
"""

NODE = "exports.handler = async () => process.env.AWS_LAMBDA_INITIALIZATION_TYPE;\n"


def _spares(engine):
    living = engine.dispatcher.environments()
    return [each for each in living if each.fresh and each.state is State.IDLE]


async def _until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_hooks_run_in_a_process_that_was_started(engine, sandbox):
    async def scenario(e):
        e.function(THREAD + HOOKS, snap_start=True)
        outcome = await e.call()
        assert outcome.payload.decode() == str(RESTORED).replace("'", '"')
        assert outcome.init_ms is None
        log = await e.log()
        kinds = [line.split(" ")[0] for line in log if "_" in line.split(" ")[0]]
        # In the one environment that was called; spares are made beside it.
        assert "RESTORE_START" in kinds
        assert "RESTORE_REPORT" in kinds
        report = next(line for line in log if line.startswith("REPORT"))
        assert "Restore Duration" in report
        assert "Init Duration" not in report

    engine(scenario, sandbox=sandbox)


def test_a_hook_that_fails_there_fails_the_call(engine):
    async def scenario(e):
        e.function(THREAD + HOOKS, snap_start=True, environment={"BREAK": "1"})
        with pytest.raises(Exception, match="AfterRestoreError"):
            await e.call()
        line = next(line for line in await e.log() if line.startswith("RESTORE_REPORT"))
        assert line.endswith("\tStatus: error\tError Type: Runtime.AfterRestoreError")

    engine(scenario)


@pytest.fixture
def system_python():
    if not os.path.exists("/usr/bin/python3"):
        pytest.skip("the machine has no Python in /usr/bin for a custom runtime")


@pytest.mark.usefixtures("system_python")
def test_a_custom_runtime_asks_for_its_restore(engine):
    async def scenario(e):
        e.function({"bootstrap": CUSTOM}, runtime="provided.al2023", snap_start=True)
        assert await e.answer() == ["snap-start", 403, 200, True, 403, 403, 403]
        assert any(line.startswith("RESTORE_REPORT") for line in await e.log())

        e.function({"bootstrap": CUSTOM}, runtime="provided.al2023")  # without SnapStart
        assert await e.answer() == ["on-demand", 403, 403, False, 403, 403, 403]

    engine(scenario)


@pytest.mark.usefixtures("system_python")
def test_a_custom_runtime_says_that_its_restore_failed(engine):
    async def scenario(e):
        function = {"runtime": "provided.al2023", "environment": {"BREAK": "1"}}
        e.function({"bootstrap": CUSTOM}, snap_start=True, **function)
        with pytest.raises(Exception, match="AfterRestoreError"):
            await e.call()

    engine(scenario)


def _node():
    """A runtime of Node.js that this machine has."""
    names = ("nodejs24.x", "nodejs22.x", "nodejs20.x")
    return next((name for name in names if programs.find_node(name)), None)


@pytest.mark.parametrize("kind", ["node", "custom"])
def test_one_stands_by_before_anybody_calls(engine, kind):
    runtime = _node() if kind == "node" else "provided.al2023"
    if runtime is None or (kind == "custom" and not os.path.exists("/usr/bin/python3")):
        pytest.skip(f"this machine has nothing to run a {kind} runtime")

    async def scenario(e):
        files = {"app.js": NODE} if kind == "node" else {"bootstrap": CUSTOM}
        e.function(files, runtime=runtime, snap_start=True, state="Pending")
        (target,) = e.targets["f"].versions.values()
        prepared = await e.dispatcher.prepare(target)
        assert runtime in prepared.standby
        e.activate()
        await _until(lambda: len(_spares(e)) == 1)
        (spare,) = _spares(e)
        answer = await e.answer()
        assert answer == "snap-start" or answer[0] == "snap-start"
        assert not spare.fresh

    engine(scenario)


def test_an_init_that_fails_is_known_before_the_first_call(engine):
    async def scenario(e):
        e.function({"bootstrap": "#!/bin/sh\nexit 3\n"}, runtime="provided.al2023", snap_start=True)
        (target,) = e.targets["f"].versions.values()
        prepared = await e.dispatcher.prepare(target)
        assert prepared.code == "FunctionError.RuntimeInitError"
        assert "exit status 3" in prepared.failed

    engine(scenario)
