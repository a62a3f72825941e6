"""Telemetry as subscribers get it: over HTTP and TCP, by both APIs, and when they fall behind."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from lambent.clock import SystemClock
from lambent.engine.telemetry import Destination, Telemetry, Wanted

SUBSCRIBER = """#!/var/lang/bin/python3
import http.client, http.server, json, os, socketserver, sys, threading
HOST = os.environ["AWS_LAMBDA_RUNTIME_API"]

def ask(method, path, body=None, headers=()):
    connection = http.client.HTTPConnection(HOST)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()

def keep(events):
    for event in events:
        print("GOT", json.dumps(event), flush=True)

class Http(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        keep(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        keep(json.loads(line) for line in self.rfile)

PROTOCOL, PATH, SCHEMA = {protocol!r}, {path!r}, {schema!r}
if PROTOCOL == "HTTP":
    server = http.server.ThreadingHTTPServer(("sandbox.localdomain", 4243), Http)
    destination = {{"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/logs"}}
else:
    server = socketserver.ThreadingTCPServer(("0.0.0.0", 4243), Tcp)
    destination = {{"protocol": "TCP", "port": 4243}}
threading.Thread(target=server.serve_forever, daemon=True).start()
_, headers, _ = ask("POST", "/2020-01-01/extension/register", '{{"events": ["INVOKE", "SHUTDOWN"]}}',
    {{"Lambda-Extension-Name": os.path.basename(sys.argv[0])}})
own = {{"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}}

def subscribe(**members):
    asked = {{"schemaVersion": SCHEMA, "types": ["platform", "function"],
             "destination": destination,
             "buffering": {{"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25}}, **members}}
    status, _, answer = ask("PUT", PATH, json.dumps(asked), own)
    print("SUBSCRIBED", status, answer.strip(), flush=True)
for wrong in {wrong!r}:
    subscribe(**wrong)
subscribe()
while '"SHUTDOWN"' not in ask("GET", "/2020-01-01/extension/event/next", headers=own)[2]:
    pass
"""


def http(uri):
    return {"destination": {"protocol": "HTTP", "URI": uri}}


WRONG = (
    ({"types": []}, "types should not be empty"),
    ({"types": [], **http("http://sandbox.localdomain/logs")},
     "URI port is not provided; types should not be empty"),
    ({"buffering": {"maxItems": 999}}, "buffering.maxItems should be between 1000 and 10000"),
    ({"buffering": {"maxItems": 10_001}}, "buffering.maxItems should be between 1000 and 10000"),
    ({"buffering": {"maxBytes": 262_143}}, "buffering.maxBytes should be between 262144 and 1048576"),
    ({"buffering": {"timeoutMs": 24}}, "buffering.timeoutMs should be between 25 and 30000"),
    ({"buffering": {"timeoutMs": 30_001}}, "buffering.timeoutMs should be between 25 and 30000"),
    ({"schemaVersion": "1999-01-01"}, "schemaVersion should be one of "),
    ({"destination": {"protocol": "TCP", "port": 9001}}, "port is not allowed"),
    ({"destination": {"protocol": "TCP"}}, "port is not provided"),
    (http("http://example.com:80/"), "URI host should be sandbox.localdomain"),
    (http("https://sandbox.localdomain:80/"), "URI scheme should be http"),
    (http("http://sandbox.localdomain:many/"), "URI port is not a number"),
    (http("http://sandbox.localdomain:9001/"), "port is not allowed"),
    (http("http://sandbox.localdomain:80/a b"), "URI has characters that are not allowed"),
    ({"types": ["other"]}, ""),
)  # fmt: skip
"""What is asked, and how AWS would begin its error."""
TALK = "def handler(event, context):\n    print('hello')\n    return event\n"


async def until(condition, seconds=40):
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


def run(engine, tmp_path, *, snap_start=False, wrapped=False, **asked):
    """All events that a subscriber got around one invoke, and the log."""
    folder = tmp_path / "layer"
    (folder / "extensions").mkdir(parents=True)
    program = folder / "extensions" / "taker"
    wrong = [members for members, _ in WRONG]
    program.write_text(SUBSCRIBER.format(wrong=wrong, **asked))
    program.chmod(0o755)
    environment = {}
    if wrapped:
        (folder / "wrap").write_text('#!/bin/sh\nexec "$@"\n')
        (folder / "wrap").chmod(0o755)
        environment = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
    got = []

    async def scenario(e):
        e.function(TALK, layer_paths=(folder,), snap_start=snap_start, environment=environment)
        await e.answer(request_id="11111111-1111-1111-1111-111111111111")

        async def reported():
            log = await e.log()
            got[:] = [json.loads(line[4:]) for line in log if line.startswith("GOT ")]
            return log if any(one["type"] == "platform.report" for one in got) else None

        log = await until(reported)
        subscriptions = [line for line in log if line.startswith("SUBSCRIBED")]
        *refused, taken = [line.split(maxsplit=2)[1:] for line in subscriptions]
        assert taken == ["200", "OK"]
        kind = "ValidationError" if "telemetry" in asked["path"] else "Logs.ValidationError"
        for (status, answer), (members, expected) in zip(refused, WRONG, strict=True):
            error = json.loads(answer)
            assert (status, error["errorType"]) == ("400", kind), members
            assert error["errorMessage"].startswith(expected), members

    # Frozen on a slow machine, the subscriber would not come to take the last of them.
    engine(scenario, freeze=False)
    return got


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["HTTP", "TCP"])
@pytest.mark.parametrize("schema", ["2022-12-13", "2025-01-29"])
def test_the_telemetry_api(engine, tmp_path, protocol, schema):
    got = run(engine, tmp_path, protocol=protocol, schema=schema, path="/2022-07-01/telemetry")
    assert all(set(event) == {"time", "type", "record"} for event in got)
    assert [event["type"] for event in got] == [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.extension",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ]
    by_type = {event["type"]: event["record"] for event in got}
    assert by_type["function"] == "hello"
    assert by_type["platform.telemetrySubscription"] == {
        "name": "taker",
        "state": "Subscribed",
        "types": ["function", "platform"],
    }
    assert by_type["platform.extension"] == {
        "name": "taker",
        "state": "Ready",
        "events": ["INVOKE", "SHUTDOWN"],
    }
    assert by_type["platform.initStart"]["functionName"] == "f"
    for name in ("platform.start", "platform.runtimeDone", "platform.report"):
        assert by_type[name]["requestId"] == "11111111-1111-1111-1111-111111111111"
    assert by_type["platform.runtimeDone"]["status"] == "success"
    spans = by_type["platform.runtimeDone"]["spans"]
    assert [one["name"] for one in spans] == ["responseLatency", "responseDuration"]
    assert by_type["platform.initStart"]["instanceMaxMemory"] == 256 << 20
    assert "[$LATEST]" in by_type["platform.initStart"]["instanceId"]
    assert by_type["platform.report"]["metrics"]["billedDurationMs"] > 0


def test_a_restore_is_told_too(engine, tmp_path):
    """Of a version with SnapStart that is started, for its wrapper script."""
    asked = {"protocol": "TCP", "schema": "2022-12-13", "path": "/2022-07-01/telemetry"}
    got = run(engine, tmp_path, snap_start=True, wrapped=True, **asked)
    types = [event["type"].removeprefix("platform.") for event in got]
    types.remove("telemetrySubscription")  # whenever it came
    restore = ["restoreStart", "extension", "restoreRuntimeDone", "restoreReport", "start"]
    at = types.index("initReport")
    assert types[at + 1 : at + 6] == restore
    by_type = {event["type"]: event["record"] for event in got}
    assert by_type["platform.initStart"]["initializationType"] == "snap-start"
    assert by_type["platform.restoreRuntimeDone"]["status"] == "success"
    assert by_type["platform.restoreReport"]["metrics"]["durationMs"] >= 0
    assert by_type["platform.report"]["metrics"]["restoreDurationMs"] >= 0


@pytest.mark.root  # without it nobody reaches into a fork's network
def test_telemetry_of_a_fork_tells_of_its_restore(engine, tmp_path, forks):
    got = run(
        engine, tmp_path, snap_start=True, protocol="HTTP", schema="2022-12-13",
        path="/2022-07-01/telemetry",
    )  # fmt: skip
    assert [event["type"] for event in got] == [
        "platform.restoreStart",
        "platform.telemetrySubscription",
        "platform.extension",
        "platform.restoreRuntimeDone",
        "platform.restoreReport",
        "platform.start",
        "function",
        "platform.runtimeDone",
        "platform.report",
    ]
    by_type = {event["type"]: event["record"] for event in got}
    assert by_type["platform.restoreReport"]["status"] == "success"
    assert by_type["platform.report"]["metrics"]["restoreDurationMs"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ("2020-08-15", ["start", "function", "end", "report"]),
        ("2021-03-18", ["start", "function", "runtimeDone", "end", "report"]),
    ],
)
def test_the_older_logs_api(engine, tmp_path, schema, wanted):
    got = run(engine, tmp_path, protocol="HTTP", schema=schema, path="/2020-08-15/logs")
    types = [event["type"].removeprefix("platform.") for event in got]
    assert types == ["logsSubscription", "extension", *wanted]


def test_a_slow_subscriber_loses_events_and_hears_how_many():
    """Real sockets; the subscriber takes nothing until it has missed something."""

    async def scenario():
        taken, awake = [], asyncio.Event()

        async def take(reader, writer):
            await awake.wait()
            taken.extend([json.loads(line) async for line in reader])
            writer.close()

        async with asyncio.TaskGroup() as tasks:
            server = await asyncio.start_server(take, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            tries = 0

            async def open_socket():
                nonlocal tries
                tries += 1
                if not awake.is_set():
                    raise ConnectionRefusedError
                made = socket.socket()
                made.setblocking(False)
                return made

            telemetry = Telemetry(SystemClock(), tasks.create_task, open_socket)
            telemetry.subscribe(
                Wanted(
                    name="slow",
                    types=frozenset({"function"}),
                    destination=Destination("TCP", port),
                    max_items=1_000,
                    max_bytes=262_144,
                    timeout_s=0.025,
                )
            )
            for number in range(2_000):
                telemetry.output("function", 0, b"%04d" % number + b"x" * 1000, structured=False)
            async with asyncio.timeout(30):
                while not tries:
                    await asyncio.sleep(0.01)
                awake.set()
                while not any(one["type"] == "platform.logsDropped" for one in taken):
                    await asyncio.sleep(0.01)
            telemetry.close()
            server.close()
        kept = [one["record"][:4] for one in taken if one["type"] == "function"]
        assert kept == [f"{number:04d}" for number in range(len(kept))]
        (loss,) = [one["record"] for one in taken if one["type"] == "platform.logsDropped"]
        assert loss["droppedRecords"] == 2_000 - len(kept) > 0
        assert loss["droppedBytes"] > loss["droppedRecords"] * 1_000
        assert loss["reason"].startswith("Consumer seems to have fallen behind")

    asyncio.run(asyncio.wait_for(scenario(), 60))
