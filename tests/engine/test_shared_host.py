"""Environments that take several invokes at once, in real sandboxes."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from lambent.engine.states import State

WORKER = """\
import os, time
model = bytearray(os.urandom(1 << 20)) * 8
inits = os.getpid()
count = 0
def handler(event, context):
    global count
    count += 1
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "exit" in event:
        os._exit(event["exit"])
    if "touch" in event:
        open("/tmp/" + event["touch"], "w").close()
    return {
        "template": inits, "pid": os.getpid(), "count": count, "model": id(model),
        "max": os.environ["AWS_LAMBDA_MAX_CONCURRENCY"],
        "kind": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] == context.log_stream_name,
        "tmp": sorted(os.listdir("/tmp")),
    }
"""


def processes(e):
    """Host pids of the runtimes of all environments that live."""
    return {x.pid for x in e.dispatcher.environments() if x.pid}


async def together(e, calls, **event):
    return await asyncio.gather(*(e.answer({"sleep": 0.5, **event}) for _ in range(calls)))


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_workers_of_one_environment_share_one_init(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=4)
        found = await together(e, 4)
        assert len({f["template"] for f in found}) == 1
        assert len({f["pid"] for f in found}) == 4
        assert {f["model"] for f in found} == {found[0]["model"]}
        assert all(f["pid"] != f["template"] for f in found)
        assert {f["max"] for f in found} == {"4"}
        assert {f["kind"] for f in found} == {"lambda-managed-instances"}
        assert all(f["stream"] for f in found)
        assert len(processes(e)) == 1
        again = await together(e, 4)
        assert {f["pid"] for f in again} == {f["pid"] for f in found}

    engine(scenario)


@pytest.mark.slow
def test_more_than_one_environment_takes_begins_another(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=2)
        await together(e, 5)
        assert len(processes(e)) == 3

    engine(scenario)


@pytest.mark.slow
def test_tmp_is_shared(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=2)
        await together(e, 2)
        await e.answer({"touch": "here"})
        assert all("here" in f["tmp"] for f in await together(e, 2))

    engine(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "options", "kind"),
    [
        ({"exit": 3}, {}, "Runtime.ExitError"),
        ({"sleep": 30}, {"timeout_s": 1}, "Sandbox.Timedout"),
    ],
)
def test_one_that_ends_badly_leaves_the_others_alone(engine, event, options, kind):
    async def scenario(e):
        e.function(WORKER, max_concurrency=2, **options)
        before = await asyncio.gather(*(e.answer({"sleep": 0.3}) for _ in range(2)))
        other = asyncio.ensure_future(e.answer({"sleep": 0.8}))
        error = await e.error(event)
        assert error["errorType"] == kind
        survivor = await other
        assert survivor["pid"] in {f["pid"] for f in before}
        assert survivor["count"] == 2
        fresh = await asyncio.gather(*(e.answer({"sleep": 0.3}) for _ in range(2)))
        assert {f["template"] for f in fresh} == {before[0]["template"]}
        assert len({f["pid"] for f in fresh} - {f["pid"] for f in before}) == 1

    engine(scenario)


@pytest.mark.slow
def test_a_killed_template_takes_its_workers_and_another_begins(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=2)
        (_before, _other) = await together(e, 2)
        (pid,) = processes(e)
        os.kill(pid, 9)
        await until(lambda: processes(e) and pid not in processes(e))
        after = await together(e, 2)
        assert len({f["pid"] for f in after}) == 2
        assert len(processes(e)) == 1

    engine(scenario)


def test_a_failed_init_is_told_to_everybody(engine):
    async def scenario(e):
        e.function("raise RuntimeError('no model')\n", max_concurrency=3)
        errors = await asyncio.gather(*(e.error() for _ in range(3)))
        assert {error["errorMessage"] for error in errors} == {"no model"}

    engine(scenario)


def test_chance_and_event_loops_are_each_workers_own(engine):
    source = """\
import asyncio, random, time, uuid
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
def handler(event, context):
    time.sleep(0.3)
    async def answer():
        await asyncio.sleep(0.01)
        return random.random(), str(uuid.uuid4()), asyncio.get_running_loop() is not loop
    return asyncio.get_event_loop().run_until_complete(answer())
"""

    async def scenario(e):
        e.function(source, max_concurrency=4)
        found = await asyncio.gather(*(e.answer() for _ in range(4)))
        assert len({f[0] for f in found}) == 4
        assert len({f[1] for f in found}) == 4
        assert all(f[2] for f in found)

    engine(scenario)


def test_output_stands_with_its_own_invoke(engine):
    source = "def handler(event, context):\n    print('said', event['n'])\n    return 1\n"

    async def scenario(e):
        e.function(source, max_concurrency=3)
        await asyncio.gather(*(e.answer({"n": n}) for n in range(3)))
        log = await e.log()
        assert sorted(line.strip() for line in log if line.startswith("said")) == [
            "said 0",
            "said 1",
            "said 2",
        ]
        assert sum(line.startswith("REPORT") for line in log) == 3

    engine(scenario)


@pytest.mark.slow
def test_idle_workers_and_their_environment_are_given_back(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=2)
        await together(e, 3)
        await until(lambda: not e.dispatcher.environments())
        assert not e.dispatcher._launcher._shared._hosts
        assert (await e.answer())["count"] == 1

    engine(scenario, idle_s=0.5)


def test_the_process_sandbox_can_do_it_too(engine):
    async def scenario(e):
        e.function(WORKER, max_concurrency=3)
        found = await together(e, 3)
        assert len({f["template"] for f in found}) == 1
        assert len({f["pid"] for f in found}) == 3

    engine(scenario, sandbox="process")


BOOTSTRAP = """\
#!%s -S
import http.client, json, os, sys, threading, time
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
lock = threading.Lock()
now = most = 0
def serve():
    global now, most
    connection = http.client.HTTPConnection(api)
    while True:
        connection.request("GET", "/2018-06-01/runtime/invocation/next")
        answer = connection.getresponse()
        event = json.loads(answer.read())
        request = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        with lock:
            now += 1
            most = max(most, now)
        if "exit" in event:
            os._exit(event["exit"])
        time.sleep(event.get("sleep", 0))
        with lock:
            now -= 1
        body = json.dumps({"n": event.get("n"), "most": most, "pid": os.getpid()})
        connection.request("POST", "/2018-06-01/runtime/invocation/%%s/response" %% request, body)
        connection.getresponse().read()
count = int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])
for _ in range(count - 1):
    threading.Thread(target=serve, daemon=True).start()
serve()
"""


@pytest.fixture
def custom(engine):
    """A custom runtime with as many threads as it is allowed calls; its interpreter is the system's."""
    python = next((p for p in ("/usr/bin/python3", "/bin/python3") if os.path.exists(p)), None)
    if python is None:
        pytest.skip("the machine has no Python in /usr/bin for a custom runtime")

    def run(scenario, **options):
        async def with_function(e):
            source = {"bootstrap": BOOTSTRAP % python}
            e.function(source, runtime="provided.al2023", max_concurrency=3, **options)
            await scenario(e)

        engine(with_function)

    return run


@pytest.mark.slow
def test_a_runtime_behind_http_gets_several_at_once(custom):
    async def scenario(e):
        found = await asyncio.gather(*(e.answer({"n": n, "sleep": 1}) for n in range(3)))
        assert sorted(f["n"] for f in found) == [0, 1, 2]
        assert len({f["pid"] for f in found}) == 1
        assert max(f["most"] for f in found) == 3
        many = await asyncio.gather(*(e.answer({"n": n, "sleep": 0.01}) for n in range(3)))
        assert sorted(f["n"] for f in many) == [0, 1, 2]
        assert {f["pid"] for f in many} == {found[0]["pid"]}

    custom(scenario)


@pytest.mark.slow
def test_a_runtime_behind_http_that_dies_takes_all_and_comes_back(custom):
    async def scenario(e):
        await asyncio.gather(*(e.answer({"sleep": 0.3}) for _ in range(3)))
        other = asyncio.ensure_future(e.error({"sleep": 20}))
        await asyncio.sleep(0.2)
        assert (await e.error({"exit": 4}))["errorType"] == "Runtime.ExitError"
        assert (await other)["errorType"] == "Runtime.ExitError"
        found = await asyncio.gather(*(e.answer({"n": n, "sleep": 0.2}) for n in range(3)))
        assert sorted(f["n"] for f in found) == [0, 1, 2]

    custom(scenario)


@pytest.mark.slow
def test_a_late_one_behind_http_is_answered_and_the_others_go_on(custom):
    async def scenario(e):
        await asyncio.gather(*(e.answer({"sleep": 0.2}) for _ in range(3)))
        late = asyncio.ensure_future(e.error({"sleep": 3}))
        await asyncio.sleep(0.1)
        assert json.dumps(await e.answer({"n": 1}))
        assert (await late)["errorType"] == "Sandbox.Timedout"
        assert (await e.answer({"n": 2}))["n"] == 2
        assert all(x.state is not State.CLOSED for x in e.dispatcher.environments())

    custom(scenario, timeout_s=2)
