"""Attacks on the front door that must fail, one function each; for `make soak`.

Each raises SystemExit with what happened instead. The tests of `http/` prove the same in detail;
here they meet a server that has just been fuzzed.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable
from typing import Final

PATH: Final = b"/2015-03-31/functions/echo/invocations"
PATIENCE_S: Final = 30.0
"""Longer than any limit of the server for a connection on which nothing more will come."""


def talk(port: int, message: bytes, *, answer_s: float = 0.02) -> bytes:
    """Send it, read for a while, say that nothing more comes, and read to the end, which must come."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        answer = b""
        with contextlib.suppress(ConnectionError):
            sock.sendall(message)
            sock.settimeout(answer_s)
            with contextlib.suppress(TimeoutError):
                while piece := sock.recv(65536):
                    answer += piece
            sock.settimeout(PATIENCE_S)
            sock.shutdown(socket.SHUT_WR)
        try:
            while piece := sock.recv(65536):
                answer += piece
        except ConnectionError:
            pass
        except TimeoutError:
            raise SystemExit(f"error: a connection hangs after {message!r}") from None
    return answer


def _expect(answer: bytes, *statuses: int) -> None:
    status = int(answer[9:12] or b"0")
    if status not in statuses:
        raise SystemExit(f"error: answered {answer[:200]!r}, not {statuses}")


def slow_loris(port: int) -> None:
    """Heads that never end are ended, and others are served meanwhile."""
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(100)]
    try:
        for sock in sockets:
            sock.sendall(b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n")
        end = time.monotonic() + PATIENCE_S
        living = list(sockets)
        while living:
            if time.monotonic() > end:
                raise SystemExit(f"error: {len(living)} trickling connections still stand")
            _expect(talk(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", answer_s=1), 200)
            time.sleep(1)
            living = [sock for sock in living if _trickle(sock)]
    finally:
        for sock in sockets:
            sock.close()


def _trickle(sock: socket.socket) -> bool:
    """One more byte; whether the connection still stands."""
    try:
        sock.sendall(b"a")
        sock.setblocking(False)
        return sock.recv(4096) != b"" and False
    except BlockingIOError:
        return True
    except OSError:
        return False


def huge_headers(port: int) -> None:
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
    _expect(talk(port, head + b"X-Long: " + b"a" * 1_000_000 + b"\r\n\r\n"), 431)
    _expect(talk(port, head + b"X-Many: a\r\n" * 5_000 + b"\r\n"), 431)
    _expect(talk(port, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"), 414)


def smuggling(port: int) -> None:
    """A body whose end two readers could see in different places."""
    head = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
    inner = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
    for lines in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: +4\r\n\r\nnull",
    ):
        answer = talk(port, head + lines + inner)
        _expect(answer, 400, 501)
        if answer.count(b"HTTP/1.1 ") != 1:
            raise SystemExit(f"error: a second request was read out of {lines!r}")


def posing_trailers(port: int) -> None:
    """What comes after a body is no header: this stays a synchronous invoke."""
    message = (
        b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b'Connection: close\r\n\r\n9\r\n{"n": 17}\r\n0\r\n'
        b"X-Amz-Invocation-Type: Event\r\nContent-Length: 3\r\n\r\n"
    )
    answer = talk(port, message, answer_s=PATIENCE_S)
    if b" 400 " in answer[:20]:
        return
    _expect(answer, 200)
    if json.loads(answer.partition(b"\r\n\r\n")[2]) != {"n": 17}:
        raise SystemExit(f"error: trailers changed an invoke: {answer!r}")


ALL: Final[dict[str, Callable[[int], None]]] = {
    "slow loris": slow_loris,
    "huge headers": huge_headers,
    "request smuggling": smuggling,
    "trailers posing as headers": posing_trailers,
}
