"""One HTTP exchange over a socket whose address and time are ours to decide.

`http.client` does the protocol; what it lacks is here: the address may be one that was checked
before (`security.py`), and the whole exchange has a deadline, so that a server which sends a byte a
second is cut off as well. Blocking: call it through `work.wait`. Nothing is followed, nothing retried.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult

from msgspec import Struct

CHUNK: Final = 1 << 18


class TransferFailed(Exception):  # noqa: N818  a condition, as in errors.py
    """No answer: unreachable, cut, too slow. The text may be shown."""


class TooSlow(TransferFailed):
    pass


class TooMuch(TransferFailed):
    pass


class Answer(Struct, frozen=True):
    """What came back, its body unread."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: http.client.HTTPResponse
    end: float
    """The deadline, on the monotonic clock."""

    def read(self, max_bytes: int) -> bytes:
        """The whole body; raises TooMuch past the limit, before it is held."""
        return b"".join(self.chunks(max_bytes))

    def chunks(self, max_bytes: int) -> Iterator[bytes]:
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > max_bytes:
            raise TooMuch(f"more than {max_bytes} bytes")
        total = 0
        with _told(self.end):
            while chunk := self.raw.read1(CHUNK):
                total += len(chunk)
                if total > max_bytes:
                    raise TooMuch(f"more than {max_bytes} bytes")
                yield chunk
        if length.isdecimal() and total < int(length):
            raise TransferFailed("the connection was cut")


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were given, under a name that was asked for."""

    def __init__(
        self, host: str, port: int, addresses: Sequence[str], tls: ssl.SSLContext | None, end: float
    ) -> None:
        super().__init__(host, port)
        self._addresses, self._tls, self._end = addresses, tls, end

    def connect(self) -> None:
        failure: OSError = OSError("no address")
        for address in self._addresses:
            try:
                raw = socket.create_connection((address, self.port), _left(self._end))
                break
            except OSError as error:
                failure = error
        else:
            raise failure
        raw.settimeout(_left(self._end))
        name = self.host.strip("[]")
        self.sock = self._tls.wrap_socket(raw, server_hostname=name) if self._tls else raw


@contextlib.contextmanager
def exchange(
    method: str,
    url: SplitResult,
    *,
    addresses: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float,
) -> Iterator[Answer]:
    """One request, its answer for as long as the block lasts. Without `addresses` the name decides."""
    end = time.monotonic() + seconds
    host = url.hostname or ""
    tls = ssl.create_default_context() if url.scheme == "https" else None
    port = url.port or (443 if tls else 80)
    connection = _Pinned(host, port, addresses or [host], tls, end)
    cutter = threading.Timer(seconds, _cut, [connection])
    cutter.daemon = True
    cutter.start()
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        with _told(end):
            connection.request(method, target, body, dict(headers or {}))
            raw = connection.getresponse()
        names = {name.lower(): value for name, value in raw.getheaders()}
        with raw:
            yield Answer(raw.status, names, raw, end)
    finally:
        cutter.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    """Time is up: whoever reads from the socket gets its end at once."""
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _told(end: float) -> Iterator[None]:
    """What can go wrong on a socket, as our own errors."""
    try:
        yield
        if time.monotonic() > end:
            raise TooSlow("it took too long")
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() > end:
            raise TooSlow("it took too long") from error
        raise TransferFailed(f"the server cannot be reached ({type(error).__name__})") from error


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
