"""Extensions in real environments: external ones from a layer, internal ones from threads."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from lambent.errors import AwsError

ECHO = "def handler(event, context):\n    print('handling')\n    return event\n"

CLIENT = """#!/var/lang/bin/python3
import http.client, json, os, signal, sys, time
NAME = os.path.basename(sys.argv[0])
HOST = os.environ["AWS_LAMBDA_RUNTIME_API"]

def ask(method, path, body=None, headers=()):
    connection = http.client.HTTPConnection(HOST)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.headers, json.loads(answer.read() or b"null")

def say(*words):
    print(NAME, *words, flush=True)

def register(events, name=NAME, **headers):
    return ask("POST", "/2020-01-01/extension/register", json.dumps({"events": events}),
               {"Lambda-Extension-Name": name, **headers})

def next_event(own_id):
    return ask("GET", "/2020-01-01/extension/event/next",
               headers={"Lambda-Extension-Identifier": own_id})
"""

FOLLOW = (
    CLIENT
    + """
status, headers, answer = register(["INVOKE", "SHUTDOWN"])
say("registered", status, json.dumps(answer), "_HANDLER" in os.environ, os.environ["CUSTOM"])
own_id = headers["Lambda-Extension-Identifier"]
while True:
    status, headers, event = next_event(own_id)
    say(status, json.dumps(event))
    if event["eventType"] == "SHUTDOWN":
        break
"""
)


@pytest.fixture
def layer(tmp_path):
    """`layer(name=source, …)` makes a folder with these extensions."""
    made = []

    def make(**sources):
        folder = tmp_path / f"layer-{len(made)}"
        made.append(folder)
        (folder / "extensions").mkdir(parents=True)
        for name, source in sources.items():
            program = folder / "extensions" / name
            program.write_text(source)
            program.chmod(0o755)
        folder.chmod(0o755)
        return {"layer_paths": (folder,), "environment": {"CUSTOM": "yes"}}

    return make


async def until(condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


def said(log, who):
    return [line.removeprefix(f"{who} ").rstrip() for line in log if line.startswith(f"{who} ")]


@pytest.mark.slow  # a Shutdown phase
def test_an_external_extension_hears_of_every_invoke_and_of_the_end(engine, layer):
    async def scenario(e):
        e.function(ECHO, **layer(follow=FOLLOW))
        assert await e.answer({"n": 1}, request_id="11111111-1111-1111-1111-111111111111") == {
            "n": 1
        }
        assert await e.answer({"n": 2}) == {"n": 2}

        async def three():
            found = said(await e.log(), "follow")
            return found if len(found) == 3 else None

        first, *events = await until(three)
        log = await e.log()
        assert first == (
            'registered 200 {"functionName": "f", "functionVersion": "$LATEST", "handler": '
            '"app.handler"} False yes'
        )
        invoke = json.loads(events[0].removeprefix("200 "))
        assert invoke["eventType"] == "INVOKE"
        assert invoke["requestId"] == "11111111-1111-1111-1111-111111111111"
        assert invoke["invokedFunctionArn"].endswith(":function:f")
        assert invoke["tracing"]["type"] == "X-Amzn-Trace-Id"
        assert invoke["tracing"]["value"].startswith("Root=1-")
        assert invoke["deadlineMs"] > 1_700_000_000_000
        assert "EXTENSION\tName: follow\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in log
        e.dispatcher.function_deleted("123456789012", "us-east-1", "f")

        async def told():
            events = said(await e.log(), "follow")
            return [text for text in events if "SHUTDOWN" in text]

        end = json.loads((await until(told))[0].removeprefix("200 "))
        assert end["shutdownReason"] == "spindown"

    engine(scenario)


@pytest.mark.slow
def test_the_next_invoke_waits_for_the_extensions_and_report_counts_them(engine, layer):
    slow = FOLLOW.replace(
        "    say(status, json.dumps(event))",
        "    say(event['eventType'])\n    time.sleep(0.7)\n    say('slept')",
    )

    async def scenario(e):
        e.function(ECHO, **layer(slow=slow))
        await e.answer()
        assert "slept" not in said(await e.log(), "slow")  # the caller has its answer already

        async def reported():
            return [line for line in await e.log() if line.startswith("REPORT")]

        (report,) = await until(reported)
        assert float(report.split("Duration: ")[1].split(" ms")[0]) >= 700
        log = await e.log()
        order = [line for line in log if line.startswith(("slow slept", "REPORT"))]
        assert order == ["slow slept", report]

    engine(scenario)


@pytest.mark.slow  # a time-out, and the Shutdown phase of one that does not end
def test_one_that_takes_too_long_is_a_time_out_of_the_invoke(engine, layer):
    stuck = FOLLOW.replace(
        "    say(status,", "    event['eventType'] == 'INVOKE' and time.sleep(60)\n    say(status,"
    )

    async def scenario(e):
        e.function(ECHO, timeout_s=1, **layer(stuck=stuck))
        assert await e.answer({"n": 1}) == {"n": 1}

        async def reported():
            return [line for line in await e.log() if "Status: timeout" in line]

        assert await until(reported)
        assert any("Task timed out after 1.00 seconds" in line for line in await e.log())
        assert await e.answer({"n": 2}) == {"n": 2}

    engine(scenario)


def test_a_crash_is_reported_and_the_next_invoke_starts_afresh(engine, layer):
    crash = FOLLOW.replace(
        "    say(status,",
        "    if not os.path.exists('/tmp/crashed'):\n        open('/tmp/crashed', 'w')\n        sys.exit(3)\n    say(status,",
    )

    async def scenario(e):
        e.function(
            "import time\ndef handler(event, context):\n    time.sleep(event.get('s', 0))\n    return 1\n",
            **layer(crash=crash),
        )
        error = await e.error({"s": 20}, request_id="22222222-2222-2222-2222-222222222222")
        assert error == {
            "errorType": "Extension.Crash",
            "errorMessage": "RequestId: 22222222-2222-2222-2222-222222222222 Error: exit status 3",
        }
        assert await e.answer() == 1

    engine(scenario)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (CLIENT + "sys.exit(1)\n", "Extension.Crash"),
        ("#!/nowhere\n", "Extension.LaunchError"),
        (
            CLIENT
            + """
_, headers, _ = register([])
ask("POST", "/2020-01-01/extension/init/error", '{"errorMessage": "no key"}',
    {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"],
     "Lambda-Extension-Function-Error-Type": "Extension.NoKey"})
""",
            "Extension.InitError",
        ),
    ],
)
def test_one_that_fails_in_init_fails_the_invoke(engine, layer, source, kind):
    async def scenario(e):
        e.function(ECHO, **layer(bad=source))
        error = await e.error()
        assert error["errorType"] == kind
        if kind == "Extension.InitError":
            assert error["errorMessage"].endswith("Error: Extension.NoKey: no key")

    engine(scenario)


@pytest.mark.slow  # two Inits that run out of their time
@pytest.mark.parametrize(
    "source",
    [CLIENT + "time.sleep(600)\n", CLIENT + "register(['INVOKE'])\ntime.sleep(600)\n"],
    ids=["never registers", "never asks for its next event"],
)
def test_one_that_does_not_get_ready_uses_up_the_time_of_init(engine, layer, monkeypatch, source):
    monkeypatch.setattr("lambent.engine.beginning.INIT_LIMIT_S", 0.5)

    async def scenario(e):
        e.function(ECHO, timeout_s=1, **layer(idle=source))
        error = await e.error()
        assert error["errorType"] == "Sandbox.Timedout"
        log = await e.log()
        assert any(line.startswith("INIT_REPORT") and "timeout" in line for line in log), log

    engine(scenario)


@pytest.mark.slow  # a whole Shutdown phase
def test_shutdown_ends_after_two_seconds_whoever_is_not_done(engine, layer):
    stays = FOLLOW.replace(
        "    say(status,",
        "    if event['eventType'] == 'SHUTDOWN':\n        say('told')\n        time.sleep(60)\n    say(status,",
    )

    async def scenario(e):
        e.function(ECHO, **layer(stays=stays))
        await e.answer()
        (environment,) = e.dispatcher.environments()
        began = time.monotonic()
        environment.close()
        await environment.closed()
        assert 1.9 <= time.monotonic() - began < 20
        assert said(await e.log(), "stays")[-1] == "told"

    engine(scenario)


def test_what_the_api_refuses(engine, layer):
    source = (
        CLIENT
        + """
def kind(answer):
    say(answer[0], answer[2]["errorType"])
kind(register(["SOMETHING"]))
kind(register([], name=""))
kind(register(["SHUTDOWN"], name="another"))
kind(ask("GET", "/2020-01-01/extension/event/next"))
kind(next_event("x"))
kind(next_event("00000000-0000-0000-0000-000000000000"))
status, headers, answer = register([], **{"Lambda-Extension-Accept-Feature": "accountId"})
say(status, answer["accountId"])
kind(register([]))
next_event(headers["Lambda-Extension-Identifier"])
"""
    )

    async def scenario(e):
        e.function(ECHO, **layer(asks=source))
        await e.answer()
        assert said(await e.log(), "asks") == [
            "400 Extension.InvalidEventType",
            "403 Extension.InvalidExtensionName",
            "403 ShutdownEventNotSupportedForInternalExtension",
            "403 Extension.MissingExtensionIdentifier",
            "403 Extension.InvalidExtensionIdentifier",
            "403 Extension.UnknownExtensionIdentifier",
            "200 123456789012",
            "403 Extension.InvalidExtensionState",
        ]

    engine(scenario)


INTERNAL = (
    CLIENT.split("\n", 1)[1].replace("os.path.basename(sys.argv[0])", "'inside'")
    + """
import threading
seen = []
status, headers, _ = register(["INVOKE"])
own_id = headers["Lambda-Extension-Identifier"]
def run():
    while True:
        seen.append(next_event(own_id)[2]["requestId"])
threading.Thread(target=run, daemon=True).start()

def handler(event, context):
    deadline = time.monotonic() + 20
    while context.aws_request_id not in seen and time.monotonic() < deadline:
        time.sleep(0.01)
    return [status, seen.count(context.aws_request_id), register(["INVOKE"], name="late")[0]]
"""
)


def test_an_internal_extension_is_a_thread_of_the_function(engine):
    async def scenario(e):
        e.function(INTERNAL)
        for _ in range(3):
            assert await e.answer() == [200, 1, 403]
        log = await e.log()
        assert "EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]" in log

    engine(scenario)


def test_a_wrapper_script_starts_the_runtime(engine, layer):
    async def scenario(e):
        made = layer()
        wrapper = made["layer_paths"][0] / "wrap"
        wrapper.write_text('#!/bin/bash\nexport WRAPPED="$0"\nexec "$@" -X importtime\n')
        wrapper.chmod(0o755)
        made["environment"] = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
        e.function(
            "import os\ndef handler(event, context):\n    return os.environ['WRAPPED']\n", **made
        )
        assert await e.answer() == "/opt/wrap"

    engine(scenario)


FORKED = (
    CLIENT
    + """
status, headers, answer = register(["INVOKE", "SHUTDOWN"])
own_id = headers["Lambda-Extension-Identifier"]
def creds():
    url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    import urllib.request
    asked = urllib.request.Request(url, headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
    return sorted(json.load(urllib.request.urlopen(asked)))
say("up", os.getpid(), os.getsid(0) == os.getpid(), os.getcwd(), sorted(os.listdir("/proc/self/fd")), creds())
with open("/tmp/by-extension", "w") as file:
    file.write("x")
while True:
    event = next_event(own_id)[2]
    say(event["eventType"], event.get("requestId"))
    if event["eventType"] == "SHUTDOWN":
        sys.exit(0)
"""
)
MADE_ONCE = """
import os, time
made = time.time_ns()
def handler(event, context):
    if event.get("exit"):
        os._exit(1)
    return {"made": made, "shared": os.path.exists("/tmp/by-extension"),
            "others": sorted(p for p in os.listdir("/proc") if p.isdigit())}
"""


@pytest.mark.slow  # a template, and three Shutdown phases
def test_extensions_of_a_fork_are_its_own_and_start_after_it(engine, layer, forks):
    async def scenario(e):
        e.function(MADE_ONCE, snap_start=True, **layer(forked=FORKED))
        first = await e.answer(request_id="11111111-1111-1111-1111-111111111111")
        assert first["shared"] is True  # the same /tmp, and it was there before the runtime
        (environment,) = [one for one in e.dispatcher.environments() if not one.fresh]
        assert environment.template is not None
        log = await e.log()
        assert any(line.startswith("RESTORE_REPORT") for line in log)
        assert "EXTENSION\tName: forked\tState: Ready\tEvents: [INVOKE,SHUTDOWN]" in log
        up = next(line for line in said(log, "forked") if line.startswith("up "))
        assert " True / ['0', '1', '2', '3'] ['AccessKeyId'" in up, up  # 3 is the listing itself

        async def heard():
            return "INVOKE 11111111-1111-1111-1111-111111111111" in said(await e.log(), "forked")

        assert await until(heard)
        # Two calls at once are two environments of one template, each with an extension.
        answers = await asyncio.gather(*(e.answer() for _ in range(2)))
        assert {one["made"] for one in answers} == {first["made"]}
        # A runtime that ends takes its extension along, and the next call has both again.
        await e.error({"exit": 1})
        assert (await e.answer())["made"] == first["made"]
        e.dispatcher.function_deleted("123456789012", "us-east-1", "f")

        async def told():
            return [text for text in said(await e.log(), "forked") if "SHUTDOWN" in text]

        assert await until(told)

    engine(scenario)


@pytest.mark.parametrize(
    "source", ["#!/nowhere\n", CLIENT + "sys.exit(3)\n"], ids=["no such program", "it ends"]
)
def test_an_extension_that_fails_fails_the_restore(engine, layer, forks, source):
    async def scenario(e):
        e.function(MADE_ONCE, snap_start=True, **layer(bad=source))
        with pytest.raises(AwsError) as caught:
            await e.call({})
        assert caught.value.code == "SnapStartException"
        assert "Extension." in str(caught.value)

    engine(scenario)
