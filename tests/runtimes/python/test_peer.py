"""The public runtime client as oracle: the same function, the same events, the same answers.

awslambdaric is driven over the Runtime API (AWS Lambda developer guide, "Runtime API"), served
here by the smallest possible server; ours over the channel.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lambent.runtimes import frames

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("awslambdaric") is None, reason="awslambdaric is not installed"
)

REQUEST = "11111111-2222-3333-4444-555555555555"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
SOURCE = """
import collections, decimal, enum
class Plain: pass
class Custom(Exception): pass
Point = collections.namedtuple("Point", "x y")
def fail(error): raise error
def handler(event, context):
    return eval(event["do"])
"""
CASES = [
    "None", "'é\\u2028'", "[1.0, 1e300, -0.0, 2**65]", "(1, {'a': (2,)})", "Point(1, [Point(2, 3)])",
    "{'d': decimal.Decimal('1.50'), 'e': decimal.Decimal('-0')}", "[float('nan'), float('inf')]",
    "{1: 1, 2.5: 2, None: 3, True: 4}", "{b'k': b'v'}", "b'[1]'", "enum.IntEnum('E', 'A').A",
    "{'s': {1}}", "Plain()", "{(1,): 2}", "iter(())", "{'a': b'\\xff'}",
    "fail(ValueError('x'))", "fail(Custom())", "fail(KeyError('k'))", "fail(ValueError('a\\nb'))",
    "1/0", "undefined", "int('x')", "context.missing", "repr(context)", "event",
]  # fmt: skip
BROKEN = {
    "app.handler": "import nothere",
    "app.absent": "",
    "nodot": "",
    "sys.exit": "",
    "missing/module.handler": "",
    "app.syntax": "def f(:\n  pass\n",
}


class Peer:
    """awslambdaric with a queue of events; collects what it posts."""

    def __init__(self, code, handler, events):
        self.posts = []
        self.done = threading.Event()
        peer, queue = self, list(events)

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                if not queue:
                    peer.done.set()
                    self.close_connection = True
                    return
                body = json.dumps(queue.pop(0)).encode()
                self.send_response(200)
                for name, value in {
                    "Lambda-Runtime-Aws-Request-Id": REQUEST,
                    "Lambda-Runtime-Deadline-Ms": "9999999999999",
                    "Lambda-Runtime-Invoked-Function-Arn": ARN,
                    "Content-Type": "application/json",
                    "Content-Length": str(len(body)),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                peer.posts.append((self.path.rpartition("/")[2], self.rfile.read(length)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            cwd=code,
            env={
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "LAMBDA_TASK_ROOT": str(code),
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info.minor}",
                "AWS_LAMBDA_FUNCTION_NAME": "f",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
                "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def finish(self, *, runs_on):
        if runs_on:
            assert self.done.wait(60)
            self.process.kill()
        self.process.wait(60)
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        return self.posts


@pytest.mark.slow
def test_answers_are_the_peer_s(start, make, tmp_path):
    make.files(tmp_path / "peer", {"app.py": SOURCE})
    peer = Peer(tmp_path / "peer", "app.handler", [{"do": case} for case in CASES])
    posts = peer.finish(runs_on=True)
    process = start(SOURCE).ready()
    root = str(tmp_path / "peer")
    for case, (kind, body) in zip(CASES, posts, strict=True):
        ours = process.call({"do": case})
        expected = body.replace(root.encode(), b"/var/task")
        assert ours == (frames.RESPONSE if kind == "response" else frames.ERROR, expected), case


@pytest.mark.slow
@pytest.mark.parametrize("handler", BROKEN)
def test_failed_inits_are_the_peer_s(start, make, tmp_path, handler):
    source = BROKEN[handler]
    make.files(tmp_path / "peer", {"app.py": source})
    ((kind, body),) = Peer(tmp_path / "peer", handler, []).finish(runs_on=False)
    assert kind == "error"
    document = json.loads(body.replace(str(tmp_path / "peer").encode(), b"/var/task"))
    assert start(source, handler=handler).init_error() == document
