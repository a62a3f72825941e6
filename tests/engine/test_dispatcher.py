"""Running functions, many at once: limits, updates, reclaim, and callers that leave."""

import asyncio
import json
from dataclasses import replace

import pytest

from lambent.clock import new_uuid
from lambent.control.targets import LATEST, AliasTarget
from lambent.engine.invocation import Invocation
from lambent.errors import InvalidRuntime, ResourceNotFound, TooManyRequests

ECHO = "def handler(event, context):\n    return event\n"
SLEEP = """
import time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return [event.get("n"), context.log_stream_name]
"""


def test_two_calls_at_once_never_share_an_environment(engine):
    async def scenario(e):
        e.function(
            "import time\nbusy = 0\ndef handler(event, context):\n    global busy\n    busy += 1\n"
            "    seen = busy\n    time.sleep(0.02)\n    busy -= 1\n    return seen\n"
        )
        answers = await asyncio.gather(*(e.answer() for _ in range(12)))
        answers += await asyncio.gather(*(e.answer() for _ in range(12)))
        assert set(answers) == {1}
        assert len(e.dispatcher.environments()) <= 12

    engine(scenario)


@pytest.mark.slow
def test_five_hundred_callers_of_a_reservation_of_five(engine):
    async def scenario(e):
        e.function(SLEEP, reserved=5)
        results = await asyncio.gather(
            *(e.call({"n": n, "sleep": 0.5}) for n in range(500)), return_exceptions=True
        )
        throttled = [r for r in results if isinstance(r, TooManyRequests)]
        served = [json.loads(r.payload) for r in results if not isinstance(r, BaseException)]
        assert len(served) == 5
        assert len(throttled) == 495
        assert {r.reason for r in throttled} == {
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        }
        assert len(e.dispatcher.environments()) == 5
        assert len(await asyncio.gather(*(e.call({"n": n}) for n in range(5)))) == 5

    engine(scenario)


@pytest.mark.slow
def test_a_waiting_call_takes_whichever_environment_is_free_first(engine):
    async def scenario(e):
        e.function("import time\ntime.sleep(1)\n" + SLEEP)
        first = asyncio.ensure_future(e.call({"n": 1}))
        await asyncio.sleep(0)
        (one,) = e.dispatcher.environments()
        second = asyncio.ensure_future(e.call({"n": 2}))
        answers = [json.loads((await call).payload) for call in (first, second)]
        assert [n for n, _ in answers] == [1, 2]
        assert one in e.dispatcher.environments()
        # Two were started, but the second call did not have to wait for the second one.
        assert len(e.dispatcher.environments()) == 2

    engine(scenario)


@pytest.mark.slow
def test_an_update_lets_running_calls_finish_on_the_old_code(engine):
    async def scenario(e):
        e.function(
            "import time\ndef handler(event, context):\n    time.sleep(0.5)\n    return 'old'\n"
        )
        await e.answer()
        running = asyncio.ensure_future(e.answer())
        await asyncio.sleep(0.1)
        e.function("def handler(event, context):\n    return 'new'\n")
        assert await e.answer() == "new"
        assert await running == "old"
        async with asyncio.timeout(20):
            while len(e.dispatcher.environments()) > 1:
                await asyncio.sleep(0.02)
        assert await e.answer() == "new"

    engine(scenario)


def test_an_alias_splits_its_calls(engine):
    async def scenario(e):
        e.function(ECHO)
        targets = e.targets["f"]
        latest = targets.versions[LATEST]
        versions = {v: replace(latest, version=v, generation=v) for v in ("1", "2")}
        aliases = {"live": AliasTarget("live", "1", (("2", 0.5),))}
        e.dispatcher.function_changed(replace(targets, versions=versions, aliases=aliases))
        outcomes = [await e.call(qualifier="live") for _ in range(40)]
        assert {o.executed_version for o in outcomes} == {"1", "2"}
        with pytest.raises(ResourceNotFound):
            await e.call()

    engine(scenario)


def test_a_deleted_function_is_gone_and_its_environments_too(engine):
    async def scenario(e):
        e.function(ECHO)
        await e.answer()
        e.dispatcher.function_deleted("123456789012", "us-east-1", "f")
        with pytest.raises(ResourceNotFound):
            await e.call()
        async with asyncio.timeout(20):
            while e.dispatcher.environments():
                await asyncio.sleep(0.02)

    engine(scenario)


def test_idle_environments_are_given_back(engine):
    async def scenario(e):
        e.function(ECHO)
        await e.answer()
        async with asyncio.timeout(20):
            while e.dispatcher.environments():
                await asyncio.sleep(0.05)
        assert await e.answer({"again": 1}) == {"again": 1}

    engine(scenario, idle_s=0.3)


def test_under_memory_pressure_the_longest_idle_goes_first(engine):
    async def scenario(e):
        for name in ("a", "b", "c"):
            e.function("x = b'x' * (20 << 20)\n" + ECHO, name)
        await e.answer(name="a")
        await e.answer(name="b")
        assert {env.target.function_name for env in e.dispatcher.environments()} == {"a", "b"}
        await e.answer(name="c")
        async with asyncio.timeout(20):
            while len(e.dispatcher.environments()) > 2:
                await asyncio.sleep(0.02)
        assert {env.target.function_name for env in e.dispatcher.environments()} == {"b", "c"}

    engine(scenario, memory_limit_mb=70)


@pytest.mark.slow
def test_when_memory_is_full_of_running_calls_the_next_is_throttled(engine):
    async def scenario(e):
        e.function("x = b'x' * (20 << 20)\n" + SLEEP)
        await e.call()
        running = asyncio.ensure_future(e.call({"sleep": 1}))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await e.call()
        await running

    engine(scenario, memory_limit_mb=40, start_wait_s=0.2)


def test_a_caller_that_leaves_while_waiting_is_dropped_and_one_that_runs_finishes(engine):
    async def scenario(e):
        e.function(
            "ran = []\n" + SLEEP.replace("return", "ran.append(event.get('n'))\n    return ran,")
        )
        done = []

        def invocation(n):
            return Invocation(
                request_id=new_uuid(),
                account="123456789012",
                region="us-east-1",
                name="f",
                qualifier=None,
                payload=json.dumps({"n": n, "sleep": 0.2}).encode(),
                on_done=done.append,
                on_failed=done.append,
            )

        waiting = invocation(1)
        e.dispatcher.invoke(waiting)
        waiting.cancelled = True
        ran, _ = await e.answer({"n": 2})
        assert ran == [2]
        running = invocation(3)
        e.dispatcher.invoke(running)
        running.cancelled = True
        async with asyncio.timeout(20):
            while not done:
                await asyncio.sleep(0.02)
        assert len(done) == 1
        assert e.dispatcher.find("123456789012", "us-east-1", "f").concurrency.running == 0

    engine(scenario)


def test_a_runtime_that_the_machine_lacks_says_what_to_install(engine):
    async def scenario(e):
        e.function(ECHO, runtime="java21")
        with pytest.raises(InvalidRuntime, match="java21"):
            await e.call()
        assert e.dispatcher.find("123456789012", "us-east-1", "f").concurrency.running == 0

    engine(scenario)


@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_bootstrap_that_cannot_run_is_the_functions_fault(engine, mode):
    async def scenario(e):
        e.function({"other": "x"}, runtime="provided.al2023", handler="x")
        if mode:
            path = e.targets["f"].versions[LATEST].code_path / "bootstrap"
            path.write_text("#!/bin/sh\n")
            path.chmod(mode)
        error = await e.error()
        assert error["errorType"] == "Runtime.InvalidEntrypoint"

    engine(scenario)
