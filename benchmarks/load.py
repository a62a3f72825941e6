"""Clients for the benchmarks: raw sockets, so that the client's own cost is small and the same."""

from __future__ import annotations

import os
import selectors
import socket
import statistics
import time
from dataclasses import dataclass

TICKS = os.sysconf("SC_CLK_TCK")


def request(port: int, path: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def exchange(sock: socket.socket, message: bytes) -> bytes:
    """One request and its whole answer's body; raises if the status is not 200."""
    sock.sendall(message)
    return answer(sock)


def answer(sock: socket.socket) -> bytes:
    """The body of the answer that is on its way."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(_header(head, b"content-length"))
    while len(body) < length:
        body += _some(sock)
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise RuntimeError(f"unexpected answer: {data[:300]!r}")
    return body


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    raise RuntimeError(f"no {name!r} in {head!r}")


def latencies_us(port: int, path: str, count: int, body: bytes = b'{"key":"value"}') -> list[float]:
    """Round trips on one kept-alive connection, in microseconds."""
    message = request(port, path, body)
    with connect(port) as sock:
        for _ in range(50):
            exchange(sock, message)
        taken = []
        for _ in range(count):
            started = time.perf_counter_ns()
            exchange(sock, message)
            taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


@dataclass(frozen=True)
class Rate:
    """A throughput measurement."""

    per_second: float
    per_cpu_second: float
    """Invokes per second of the server process's CPU time."""
    p50_us: float


def rate(
    port: int, path: str, server_pids: list[int], *, connections: int = 16, seconds: float = 4.0
) -> Rate:
    """Keep `connections` busy for `seconds`; answers must be 200."""
    message = request(port, path, b'{"key":"value"}')
    selector = selectors.DefaultSelector()
    socks = [connect(port) for _ in range(connections)]
    for sock in socks:  # every connection warms an environment
        sock.sendall(message)
    for sock in socks:
        answer(sock)
    done, taken = 0, []
    sent: dict[socket.socket, int] = {}
    for sock in socks:
        selector.register(sock, selectors.EVENT_READ)
        sent[sock] = time.perf_counter_ns()
        sock.sendall(message)
    cpu = cpu_seconds(server_pids)
    started = time.perf_counter()
    end = started + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            sock = key.fileobj
            data = sock.recv(65536)  # an echo's answer comes in one piece
            if not data.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"unexpected answer: {data[:300]!r}")
            now = time.perf_counter_ns()
            taken.append((now - sent[sock]) / 1000)
            done += 1
            sent[sock] = now
            sock.sendall(message)
    elapsed = time.perf_counter() - started
    cpu = cpu_seconds(server_pids) - cpu
    for sock in socks:
        answer(sock)
        sock.close()
    selector.close()
    return Rate(done / elapsed, done / cpu if cpu else 0.0, statistics.median(taken))


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far (not of their children)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS
