"""Running real servers on real sockets, on both event loops, and talking to them byte by byte."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from lambent.http import Exchange, Limits, Server

PATIENCE_S = 60
"""How long anything may take on a busy machine before a test gives up."""


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    trailers: dict[bytes, bytes] = field(default_factory=dict)


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}


class Wire:
    """The client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_pieces(self, pieces: list[bytes]) -> None:
        """One write per piece, with time for the server (same loop) to read each alone."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            if self.writer.is_closing():
                return
            self.writer.write(piece)
            for _ in range(4):
                await asyncio.sleep(0)

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        line, *lines = raw[:-4].split(b"\r\n")
        assert line.startswith(b"HTTP/1.1 ")
        return int(line[9:12]), _fields(lines)

    async def answer(self, method: str = "GET") -> Answer:
        status, headers = await self.head()
        trailers: dict[bytes, bytes] = {}
        if method == "HEAD" or status in {204, 304}:
            body = b""
        elif headers.get(b"transfer-encoding") == b"chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            lines = []
            while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                lines.append(line[:-2])
            trailers = _fields(lines)
        elif b"content-length" in headers:
            body = await self.reader.readexactly(int(headers[b"content-length"]))
        else:
            body = await self.reader.read()
        return Answer(status, headers, body, trailers)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()

    async def closed(self) -> bool:
        """Wait until the server closes; whether it did without sending anything more."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def reset(self) -> None:
        self.writer.transport.abort()


class Wires:
    """Opens wires and closes them at the end of a run."""

    def __init__(self) -> None:
        self._open: list[Wire] = []

    async def dial(
        self, port: int, tls: ssl.SSLContext | None = None, receive_buffer: int = 0
    ) -> Wire:
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname="localhost" if tls else None, limit=1 << 16
        )
        wire = Wire(reader, writer)
        self._open.append(wire)
        return wire

    async def close(self) -> None:
        for wire in self._open:
            wire.writer.close()
            with contextlib.suppress(OSError):
                await wire.writer.wait_closed()
        self._open.clear()


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest, wires: Wires) -> Callable[..., object]:
    """Run an async function on one of the loops, within a generous time."""

    def runner(main: Callable[[], Awaitable[object]]) -> object:
        async def bounded() -> object:
            async with asyncio.timeout(PATIENCE_S):
                try:
                    return await main()
                finally:
                    await wires.close()

        return uvloop.run(bounded()) if request.param == "uvloop" else asyncio.run(bounded())

    return runner


@pytest.fixture
def wires() -> Wires:
    return Wires()


@pytest.fixture
def dial(wires: Wires) -> Callable[..., Awaitable[Wire]]:
    return wires.dial


@pytest.fixture
def serving(wires: Wires) -> Callable[..., contextlib.AbstractAsyncContextManager[Server]]:
    """A running server; its port is `server.port`. At the end nothing of it may be left."""

    @contextlib.asynccontextmanager
    async def serve(
        handler: Callable[[Exchange], None], limits: Limits | None = None, **options: object
    ) -> AsyncIterator[Server]:
        server = Server(handler, limits, **options)
        listener = await server.listen("127.0.0.1", 0)
        server.port = listener.port
        try:
            yield server
        finally:
            await wires.close()
            await server.drain(PATIENCE_S)
            assert not server.connections
            assert not server._tasks
            assert not server.listeners

    return serve


def _echo_body(exchange: Exchange, body: bytes) -> None:
    exchange.respond(200, [(b"X-Method", exchange.method.encode())], body)


@pytest.fixture
def echo() -> Callable[[Exchange], None]:
    return lambda exchange: exchange.read_all(1 << 23, _echo_body)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key
