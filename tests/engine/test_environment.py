"""The life of an environment, with real sandboxes and the real Python runtime."""

import asyncio
import re

import pytest

from lambent.engine.faults import PAYLOAD_LIMIT


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_an_echo_and_its_log(engine, sandbox):
    async def scenario(e):
        e.function("def handler(event, context):\n    print('hello')\n    return event\n")
        assert await e.answer({"a": [1, "ü"]}) == {"a": [1, "ü"]}
        assert await e.answer({"b": 2}) == {"b": 2}
        first, second = (await e.log())[:5], (await e.log())[5:]
        assert first[0].startswith("INIT_START Runtime Version: ")
        assert [re.sub(r"[0-9a-f-]{36}", "ID", line)[:24] for line in first[1:4]] == [
            "START RequestId: ID Vers",
            "hello",
            "END RequestId: ID",
        ]
        report = (
            r"REPORT RequestId: [0-9a-f-]{36}\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\t"
            r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\t"
        )
        assert re.fullmatch(report + r"Init Duration: [0-9.]+ ms\t", first[4])
        assert re.fullmatch(report, second[-1])

    engine(scenario, sandbox=sandbox)


def test_globals_stay_and_the_environment_used_last_is_used_first(engine):
    source = """
import os, time
calls = []
def handler(event, context):
    calls.append(1)
    time.sleep(event.get("sleep", 0))
    return [context.log_stream_name, len(calls)]
"""

    async def scenario(e):
        e.function(source)
        together = await asyncio.gather(*(e.answer({"sleep": 0.3}) for _ in range(3)))
        assert len({stream for stream, _ in together}) == 3
        last = (await e.answer())[0]
        for calls in range(3, 6):
            assert await e.answer() == [last, calls]

    engine(scenario)


def test_an_exception_is_an_unhandled_error_and_the_environment_stays(engine):
    source = (
        "n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    raise ValueError(n)\n"
    )

    async def scenario(e):
        e.function(source)
        first = await e.error(request_id="11111111-1111-4111-8111-111111111111")
        assert first == {
            "errorMessage": "1",
            "errorType": "ValueError",
            "requestId": "11111111-1111-4111-8111-111111111111",
            "stackTrace": [
                '  File "/var/task/app.py", line 5, in handler\n    raise ValueError(n)\n'
            ],
        }
        assert (await e.error())["errorMessage"] == "2"

    engine(scenario)


def test_six_megabytes_pass_and_one_byte_more_does_not(engine):
    async def scenario(e):
        e.function("def handler(event, context):\n    return 'a' * event['n']\n", memory_mb=512)
        assert len((await e.call({"n": PAYLOAD_LIMIT - 2})).payload) == PAYLOAD_LIMIT
        assert await e.error({"n": PAYLOAD_LIMIT - 1}) == {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size "
            "(6291556 bytes).",
        }
        assert await e.answer({"n": 1}) == "a"

    engine(scenario)


def test_the_context_and_the_tail(engine):
    source = """
def handler(event, context):
    print("in the handler")
    cc = context.client_context
    return {
        "arn": context.invoked_function_arn,
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
        "custom": cc.custom if cc else None,
        "trace": __import__("os").environ["_X_AMZN_TRACE_ID"],
    }
"""

    async def scenario(e):
        e.function(source, timeout_s=9)
        request_id = "44444444-4444-4444-8444-444444444444"
        answer = await e.answer(
            request_id=request_id,
            qualifier="$LATEST",
            client_context=b'{\n"custom": {"k": "v"}}',
            trace_header="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        )
        assert answer["arn"].endswith(":function:f:$LATEST")
        assert answer["id"] == request_id
        assert 5000 < answer["left"] <= 9000
        assert answer["custom"] == {"k": "v"}
        assert answer["trace"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793")
        assert (await e.answer())["arn"].endswith(":function:f")

    engine(scenario)


@pytest.mark.slow
def test_a_frozen_environment_thaws_for_its_next_call(engine):
    source = """
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    return ticks
"""

    async def scenario(e):
        e.function(source)
        await e.answer()
        (environment,) = e.dispatcher.environments()
        async with asyncio.timeout(20):
            while not environment.frozen:
                await asyncio.sleep(0.02)
        before = await e.answer()
        assert not environment.frozen
        async with asyncio.timeout(20):
            while not environment.frozen:
                await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        # A second of frozen time is not a hundred ticks.
        assert await e.answer() - before < 60

    engine(scenario)


def test_output_keeps_its_order_and_stays_inside_its_call(engine):
    source = """
import logging, os, subprocess, sys
log = logging.getLogger()
log.setLevel("INFO")
def handler(event, context):
    for i in range(20):
        print(f"print {i}")
        log.info("log %d\\nsecond line", i)
        os.write(2, b"raw %d\\n" % i)
    subprocess.run(["/bin/echo", "child"])
    sys.stdout.write("no newline")
"""

    async def scenario(e):
        e.function(source)
        await e.call()
        log = await e.log()
        start = next(i for i, line in enumerate(log) if line.startswith("START"))
        end = next(i for i, line in enumerate(log) if line.startswith("END"))
        inside = log[start + 1 : end]
        assert len(inside) == 62
        for i in range(20):
            assert inside[3 * i] == f"print {i}"
            assert inside[3 * i + 1].endswith(f"\tlog {i}\nsecond line")
            assert inside[3 * i + 2] == f"raw {i}"
        assert inside[60:] == ["child", "no newline"]

    engine(scenario)


def test_binary_output_of_a_custom_runtime_passes_unchanged(engine):
    bootstrap = """#!/bin/sh
exec /usr/bin/python3 - <<'END'
import os, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as event:
        request_id = event.headers["Lambda-Runtime-Aws-Request-Id"]
        body = event.read()
    urllib.request.urlopen(base + request_id + "/response", b"\\x00\\xff" + body).read()
END
"""

    async def scenario(e):
        e.function({"bootstrap": bootstrap}, runtime="provided.al2023", handler="x")
        for _ in range(2):
            outcome = await e.call(b'{"n":1}')
            assert outcome.function_error is None
            assert outcome.payload == b'\x00\xff{"n":1}'

    engine(scenario)
