"""Measures of the other runtimes and of streams; the peer of each is a plain Python echo, same run."""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Iterator

from scripts import fetch_interpreters

from benchmarks import load
from benchmarks.cases import ECHO, ROUNDS, Result, result
from benchmarks.platform_under_test import archive, platform

NODE_ECHO = "exports.handler = async (event) => event;\n"
ONE_CHUNK = "def handler(event, context):\n    yield b'first'\n    yield b'second'\n"
CHUNK_EVENT = b"PayloadChunk"
LAST_CHUNK = b"0\r\n\r\n"


def node_echo_warm() -> Iterator[Result]:
    """A warm Node.js 22 echo, p50 at one connection."""
    path = f"{fetch_interpreters.node('22')}{os.pathsep}{os.environ['PATH']}"
    os.environ["PATH"] = path  # the server finds its interpreters there
    ours, peer = [], []
    with platform() as server:
        package = archive({"index.js": NODE_ECHO})
        node = server.deploy("node-echo", package, "index.handler", Runtime="nodejs22.x")
        python = server.deploy("python-echo", archive({"app.py": ECHO}), "app.handler")
        for _ in range(ROUNDS):
            ours.append(statistics.median(load.latencies_us(server.port, node, 2000)))
            peer.append(statistics.median(load.latencies_us(server.port, python, 2000)))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result(
        "node_echo_warm_p50", "µs", mine, theirs, "≤ 3 × a Python echo", met=mine <= 3 * theirs
    )


def stream_first_chunk() -> Iterator[Result]:
    """From the request to the first chunk of a warm generator's answer, beside a whole plain one."""
    ours, peer = [], []
    with platform() as server:
        server.deploy("stream", archive({"app.py": ONE_CHUNK}), "app.handler")
        python = server.deploy("echo", archive({"app.py": ECHO}), "app.handler")
        path = "/2021-11-15/functions/stream/response-streaming-invocations"
        message = load.request(server.port, path, b'{"key":"value"}')
        for _ in range(ROUNDS):
            with load.connect(server.port) as sock:
                taken = [_first_chunk_us(sock, message) for _ in range(1050)][50:]
            ours.append(statistics.median(taken))
            peer.append(statistics.median(load.latencies_us(server.port, python, 1000)))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result(
        "stream_first_chunk", "µs", mine, theirs, "≤ 3 × a buffered echo", met=mine <= 3 * theirs
    )


def _first_chunk_us(sock: socket.socket, message: bytes) -> float:
    started = time.perf_counter_ns()
    sock.sendall(message)
    data = b""
    while CHUNK_EVENT not in data:
        data += _some(sock)
    taken = time.perf_counter_ns() - started
    while not data.endswith(LAST_CHUNK):
        data += _some(sock)
    return taken / 1000


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data


RUNTIME_CASES = {
    "node_echo_warm": node_echo_warm,
    "stream_first_chunk": stream_first_chunk,
}
