"""InvokeWithResponseStream against a live server, read by boto3 and by raw sockets."""

import base64
import json
import resource
import socket
import time
from pathlib import Path

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from urllib3.exceptions import ProtocolError

GENERATOR = """
import time
def handler(event, context):
    print("beginning")
    for n in range(event.get("count", 3)):
        yield f"part {n};"
        time.sleep(event.get("pause", 0))
    if event.get("fail"):
        raise RuntimeError("in the middle")
    if event.get("exit"):
        import os
        os._exit(7)
"""

ENDLESS = """
def handler(event, context):
    part = b"x" * event["size"]
    for n in range(event["count"]):
        yield part
    print("sent it all")
"""


def streamed(server, name, payload=None, **options):
    """(chunks, complete) of a streaming invoke."""
    answer = server.client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps(payload or {}).encode(), **options
    )
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    events = list(answer["EventStream"])
    assert [next(iter(event)) for event in events[:-1]] == ["PayloadChunk"] * (len(events) - 1)
    return [event["PayloadChunk"]["Payload"] for event in events[:-1]], events[-1]["InvokeComplete"]


def request(server, name, payload):
    body = json.dumps(payload).encode()
    return (
        f"POST /2021-11-15/functions/{name}/response-streaming-invocations HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class RawStream:
    """A reader of chunks of HTTP and frames of an event stream that keeps nothing."""

    def __init__(self, sock):
        self.file = sock.makefile("rb")
        assert b" 200 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass
        self.bytes = 0
        self.complete = None

    def events(self):
        buffer = EventStreamBuffer()
        while size := int(self.file.readline(), 16):
            buffer.add_data(self.file.read(size))
            self.file.readline()
            yield from buffer

    def drain(self):
        for event in self.events():
            if event.headers[":event-type"] == "PayloadChunk":
                self.bytes += len(event.payload)
            else:
                self.complete = json.loads(event.payload)
        return self


def test_a_generator_streams_as_it_yields(server, name):
    server.function(name, GENERATOR)
    server.client.invoke_with_response_stream(FunctionName=name)["EventStream"].close()
    answer = server.client.invoke_with_response_stream(
        FunctionName=name, Payload=b'{"count": 3, "pause": 0.4}', LogType="Tail"
    )
    came = [(time.monotonic(), event) for event in answer["EventStream"]]
    assert [event.get("PayloadChunk", {}).get("Payload") for _, event in came] == [
        b"part 0;", b"part 1;", b"part 2;", None,
    ]  # fmt: skip
    assert came[2][0] - came[0][0] > 0.6  # and not all at the end
    complete = came[-1][1]["InvokeComplete"]
    assert "ErrorCode" not in complete
    tail = base64.b64decode(complete["LogResult"]).decode()
    assert "beginning\n" in tail
    assert "REPORT RequestId: " in tail
    assert answer["ResponseMetadata"]["RequestId"] in tail


def test_a_function_that_does_not_stream_gives_one_chunk(server, name):
    server.function(name)
    chunks, complete = streamed(server, name, {"a": 1})
    assert [json.loads(chunk) for chunk in chunks] == [{"a": 1}]
    assert complete == {}


def test_failures_before_and_in_the_middle(server, name):
    server.function(name, GENERATOR)
    chunks, complete = streamed(server, name, {"fail": True})
    assert b"".join(chunks) == b"part 0;part 1;part 2;"
    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("RuntimeError", "in the middle")
    chunks, complete = streamed(server, name, {"count": 0, "fail": True})
    assert chunks == []
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "in the middle"
    chunks, complete = streamed(server, name, {"exit": True})
    assert b"".join(chunks) == b"part 0;part 1;part 2;"
    details = json.loads(complete["ErrorDetails"])
    assert details["errorType"] == "Runtime.ExitError"
    assert details["errorMessage"].endswith("exit status 7")
    chunks, complete = streamed(server, name, {"count": 1})  # it works again
    assert (chunks, complete) == ([b"part 0;"], {})


def test_a_stream_that_outlives_its_function_s_time(server, name):
    server.function(name, GENERATOR, Timeout=1)
    chunks, complete = streamed(server, name, {"count": 30, "pause": 0.2})
    assert chunks[0] == b"part 0;"
    assert len(chunks) < 10
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Sandbox.Timedout"


def test_a_buffered_invoke_collects_the_stream(server, name):
    server.function(name, GENERATOR)
    answer = server.client.invoke(FunctionName=name, Payload=b"{}")
    assert answer["Payload"].read() == b"part 0;part 1;part 2;"
    answer = server.client.invoke(FunctionName=name, Payload=b'{"fail": true}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorMessage"] == "in the middle"
    server.function(f"{name}-large", ENDLESS)
    try:
        answer = server.client.invoke(
            FunctionName=f"{name}-large", Payload=b'{"size": 1000000, "count": 8}'
        )
        kind = json.loads(answer["Payload"].read())["errorType"]
        assert kind == "Function.ResponseSizeTooLarge"
        assert answer["FunctionError"] == "Unhandled"
    finally:
        server.client.delete_function(FunctionName=f"{name}-large")


def test_dry_run_and_refusals(server, name):
    server.function(name)
    answer = server.client.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    with pytest.raises(server.client.exceptions.ResourceNotFoundException, match="not found"):
        server.client.invoke_with_response_stream(FunctionName=f"{name}-none")
    with pytest.raises(server.client.exceptions.InvalidRequestContentException):
        server.client.invoke_with_response_stream(FunctionName=name, Payload=b"{nonsense")
    with pytest.raises(server.client.exceptions.ClientError, match="satisfy enum value set"):
        server.client.invoke_with_response_stream(FunctionName=name, InvocationType="Event")


def test_a_client_that_leaves_is_no_error(server, name, until):
    server.function(name, ENDLESS)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(request(server, name, {"size": 100_000, "count": 100}))
        assert sock.recv(1000)
    until(lambda: any("sent it all" in line for line in server.log(name)))
    log = until(lambda: [line for line in server.log(name) if line.startswith("REPORT")])
    assert "Status" not in log[0]
    assert len(streamed(server, name, {"size": 10, "count": 2})[0]) == 2
    assert len(server.log_streams(name)) == 1  # the environment was kept


def rss_mb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    raise AssertionError


@pytest.mark.slow
def test_a_slow_reader_stops_the_function_and_costs_little(server, name, until):
    """The runtime is held up by its client: what it has sent is bounded by buffers."""
    server.function(
        name,
        """
sent = 0
def handler(event, context):
    global sent
    part = b"x" * 65536
    for n in range(1600):
        yield part
        sent += len(part)
        if n % 16 == 0:
            print("sent", sent, flush=True)
""",
        Timeout=60,
        MemorySize=256,
    )
    before = rss_mb(server.process.pid)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request(server, name, {}))
        until(lambda: any(line.startswith("sent") for line in server.log(name)))
        time.sleep(2)  # for 100 MB, if nothing stopped it
        count = max(int(line.split()[1]) for line in server.log(name) if line.startswith("sent"))
        assert count < 30_000_000
        assert rss_mb(server.process.pid) - before < 40
        stream = RawStream(sock).drain()
    assert stream.bytes == 1600 * 65536
    assert stream.complete == {}


@pytest.mark.slow
def test_two_hundred_megabytes_are_the_limit(server, name):
    server.function(name, ENDLESS, Timeout=120, MemorySize=1769)
    before = rss_mb(server.process.pid)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(request(server, name, {"size": 1 << 20, "count": 205}))
        stream = RawStream(sock).drain()
    assert stream.bytes == 200 * 1024 * 1024
    assert json.loads(stream.complete["ErrorDetails"]) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        "(209715200 bytes).",
    }
    assert rss_mb(server.process.pid) - before < 40
    chunks, _ = streamed(server, name, {"size": 10, "count": 1})
    assert chunks == [b"x" * 10]


ASYNC = """
import asyncio
async def ticks():
    for n in range(3):
        await asyncio.sleep(0.01)
        yield {"n": n}
async def handler(event, context):
    if event.get("http"):
        return http()
    return ticks()
async def http():
    yield {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=d"]}
    yield "body"
"""


def test_an_async_generator_and_the_prelude(server, name):
    server.function(name, ASYNC)
    chunks, complete = streamed(server, name)
    assert [json.loads(chunk) for chunk in chunks] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert complete == {}
    chunks, _ = streamed(server, name, {"http": True})
    prelude, _, body = b"".join(chunks).partition(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"x-a": "b"}, "cookies": ["c=d"]}
    assert body == b"body"


CUSTOM = """#!/usr/bin/python3
import base64, json, os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
def call(head, *parts):
    sock = socket.create_connection((host, int(port)))
    sock.sendall(head.encode() + b"\\r\\nHost: x\\r\\nConnection: close\\r\\n")
    for part in parts:
        sock.sendall(part)
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    sock.close()
    head, _, body = answer.partition(b"\\r\\n\\r\\n")
    return head.decode(), body
def chunk(data):
    return b"%x\\r\\n%b\\r\\n" % (len(data), data)
BASE = "/2018-06-01/runtime/invocation/"
while True:
    head, body = call("GET " + BASE + "next HTTP/1.1", b"\\r\\n")
    event = json.loads(body)
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
    request_id = fields["lambda-runtime-aws-request-id"]
    trailers, announced = b"", b""
    if event.get("fail"):
        document = json.dumps({"errorType": "Custom.Broken", "errorMessage": "half way"}).encode()
        announced = b"Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n"
        trailers = (b"Lambda-Runtime-Function-Error-Type: Custom.Broken\\r\\n"
                    b"Lambda-Runtime-Function-Error-Body: " + base64.b64encode(document) + b"\\r\\n")
    if event.get("hang_up"):
        sock = socket.create_connection((host, int(port)))
        sock.sendall((f"POST {BASE}{request_id}/response HTTP/1.1\\r\\nHost: x\\r\\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n").encode()
            + chunk(b"one"))
        sock.close()
        continue
    head, _ = call(f"POST {BASE}{request_id}/response HTTP/1.1",
        b"Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"
        + announced + b"\\r\\n", *[chunk(b"x" * event.get("size", 3)) for _ in range(3)],
        b"0\\r\\n" + trailers + b"\\r\\n")
    print(head.split()[1], flush=True)
"""


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no python3 in /usr/bin")
def test_a_custom_runtime_streams_chunks_and_says_errors_in_trailers(server, name, until):
    server.function(name, {"bootstrap": CUSTOM}, Runtime="provided.al2023", MemorySize=1769)
    chunks, complete = streamed(server, name, LogType="Tail")
    assert b"".join(chunks) == b"xxxxxxxxx"
    assert "ErrorCode" not in complete
    chunks, complete = streamed(server, name, {"size": 2_000_000})
    assert sum(map(len, chunks)) == 6_000_000
    chunks, complete = streamed(server, name, {"fail": True})
    assert b"".join(chunks) == b"xxxxxxxxx"
    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert details == {"errorType": "Custom.Broken", "errorMessage": "half way"}
    chunks, complete = streamed(server, name, {"hang_up": True})
    assert b"".join(chunks) == b"one"
    details = json.loads(complete["ErrorDetails"])
    assert details["errorType"] == "Runtime.TruncatedResponse"
    answer = server.client.invoke(FunctionName=name, Payload=b'{"fail": true}')
    assert json.loads(answer["Payload"].read())["errorType"] == "Custom.Broken"
    answer = server.client.invoke(FunctionName=name)
    assert answer["Payload"].read() == b"xxxxxxxxx"
    assert len(server.log_streams(name)) == 1
    until(lambda: "202" in server.log(name))


@pytest.mark.slow
def test_two_hundred_streams_at_once_in_bounded_memory(start_server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    server = start_server(concurrency_limit=300, network="none", start_wait_s=100)
    server.function("many", ENDLESS, Timeout=120, MemorySize=128)
    streamed(server, "many", {"size": 10, "count": 1})
    before = rss_mb(server.process.pid)
    socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        for sock in socks:
            sock.settimeout(120)
            sock.sendall(request(server, "many", {"size": 65536, "count": 64}))
        streams = [RawStream(sock) for sock in socks]  # all have begun; nobody reads on
        assert rss_mb(server.process.pid) - before < 250
        for stream in streams:
            assert stream.drain().bytes == 64 * 65536
            assert stream.complete == {}
    finally:
        for sock in socks:
            sock.close()


FAST = {
    "nodejs22.x": {
        "index.js": """
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
          const { pipeline } = require('node:stream/promises');
          const { Readable } = require('node:stream');
          let sent = 0;
          const parts = function* () {
            for (let n = 0; n < 1600; n++) {
              if (n % 16 === 0) console.log('sent', n * 65536);
              yield Buffer.alloc(65536, 120);
            }
          };
          await pipeline(Readable.from(parts()), stream);
        });
        """
    },
    "provided.al2023": {
        "bootstrap": """#!/usr/bin/python3
import os, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = "/2018-06-01/runtime/invocation/"
def call(head, parts=()):
    sock = socket.create_connection((host, int(port)))
    sock.sendall(head.encode() + b"\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    for part in parts:
        sock.sendall(part)
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    sock.close()
    return answer.decode()
def chunks():
    for n in range(1600):
        if n % 16 == 0:
            print("sent", n * 65536, flush=True)
        yield b"10000\\r\\n" + b"x" * 65536 + b"\\r\\n"
    yield b"0\\r\\n\\r\\n"
while True:
    answer = call(f"GET {BASE}next HTTP/1.1")
    fields = dict(line.lower().split(": ", 1) for line in answer.split("\\r\\n\\r\\n")[0].split("\\r\\n")[1:])
    call(f"POST {BASE}{fields['lambda-runtime-aws-request-id']}/response HTTP/1.1\\r\\n"
         "Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked", chunks())
"""
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("runtime", FAST)
def test_a_slow_reader_stops_other_runtimes_too(node_server, until, runtime):
    if runtime == "provided.al2023" and not Path("/usr/bin/python3").exists():
        pytest.skip("no python3 in /usr/bin")
    server, name = node_server, f"slow-{runtime[:4]}"
    options = {"Runtime": runtime, "Handler": "index.handler", "Timeout": 60, "MemorySize": 512}
    server.function(name, FAST[runtime], **options)

    def sent():
        found = [line for line in server.log(name) if "sent" in line]
        return max((int(line.split()[-1]) for line in found), default=None)

    before = rss_mb(server.process.pid)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.sendall(request(server, name, {}))
        until(lambda: sent() is not None)
        time.sleep(2)  # for 100 MB, if nothing stopped it
        assert sent() < 30_000_000
        assert rss_mb(server.process.pid) - before < 40
        stream = RawStream(sock).drain()
    assert stream.bytes == 1600 * 65536
    assert stream.complete == {}


@pytest.mark.slow
def test_a_server_that_stops_says_so_in_the_stream(start_server):
    server = start_server(drain_s=0.2)
    server.function("long", GENERATOR, Timeout=60)
    answer = server.client.invoke_with_response_stream(
        FunctionName="long", Payload=b'{"count": 100, "pause": 0.5}'
    )
    events = iter(answer["EventStream"])
    assert next(events)["PayloadChunk"]["Payload"] == b"part 0;"
    server.process.terminate()
    with pytest.raises((EventStreamError, ProtocolError, ConnectionError)):
        list(events)
