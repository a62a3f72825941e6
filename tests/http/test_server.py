"""Time limits, drain, connection limits, sockets from elsewhere."""

import array
import asyncio
import os
import socket
import subprocess
import sys

import pytest
import uvloop

from lambent.clock import ManualClock
from lambent.http import Exchange, Limits, PeerGone, Server

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
LIMITS = Limits(header_s=8, body_s=4, idle_s=6, linger_s=2, body_rate=100)


async def settle() -> None:
    """Let sockets on this loop speak: nothing here depends on how long it takes."""
    for _ in range(5):
        await asyncio.sleep(0.002)


async def turn(clock: ManualClock, seconds: float) -> None:
    await settle()
    await clock.advance(seconds)
    await settle()


@pytest.mark.slow
def test_a_trickled_head_is_cut_in_total_time(run, serving, dial, echo):
    """Each byte comes well within the limit; together they take too long."""

    async def main():
        clock = ManualClock()
        async with serving(echo, LIMITS, clock=clock) as server:
            for first in (b"", GET):
                wire = await dial(server.port)
                if first:
                    await wire.send(first)
                    await wire.answer()
                for byte in (b"G", b"E", b"T", b" ", b"/", b" ", b"H", b"T"):
                    wire.writer.write(byte)
                    await turn(clock, 0.9)
                assert not wire.reader._buffer
                assert not wire.reader.at_eof()
                for byte in (b"T", b"P", b"/"):
                    wire.writer.write(byte)
                    await turn(clock, 0.9)
                answer = await wire.answer()
                assert (answer.status, answer.headers[b"connection"]) == (408, b"close")
                assert await wire.closed()

    run(main)


def test_a_silent_connection_is_closed(run, serving, dial, echo):
    async def main():
        clock = ManualClock()
        async with serving(echo, LIMITS, clock=clock) as server:
            wire = await dial(server.port)
            await turn(clock, 7.9)
            assert not wire.reader.at_eof()
            await turn(clock, 2)
            assert await wire.closed()

            wire = await dial(server.port)
            for _ in range(3):
                await turn(clock, 5)  # within idle_s, again and again
                await wire.send(GET)
                await wire.answer()
            await turn(clock, 5.9)
            assert not wire.reader.at_eof()
            await turn(clock, 2)
            assert await wire.closed()

    run(main)


@pytest.mark.parametrize("reader", ["whole", "stream"])
def test_a_stalled_body(run, serving, dial, reader):
    async def main():
        clock = ManualClock()
        seen: list[object] = []

        async def stream(exchange: Exchange) -> None:
            try:
                async for _ in exchange.read_stream():
                    pass
            except PeerGone as error:
                seen.append(error)

        def handler(exchange: Exchange) -> None:
            exchange.on_gone = lambda: seen.append("gone")
            if reader == "whole":
                exchange.read_all(10_000, lambda *_: pytest.fail("incomplete"))
            else:
                exchange.spawn(stream(exchange))

        async with serving(handler, LIMITS, clock=clock) as server:
            wire = await dial(server.port)
            await wire.send(POST + b"Content-Length: 10000\r\n\r\n")
            for _ in range(10):
                await turn(clock, 2)
                await wire.send(b"x" * 500)  # above 100 bytes per second
            assert not wire.reader._buffer
            await turn(clock, 6)
            assert (await wire.answer()).status == 408
            assert await wire.closed()
            await settle()
            assert "gone" in seen

    run(main)


def test_a_trickled_body_makes_no_progress(run, serving, dial, echo):
    async def main():
        clock = ManualClock()
        async with serving(echo, LIMITS, clock=clock) as server:
            wire = await dial(server.port)
            await wire.send(POST + b"Content-Length: 10000\r\n\r\n")
            for _ in range(6):
                await turn(clock, 1)
                wire.writer.write(b"x")
            assert (await wire.answer()).status == 408

    run(main)


def test_a_handler_has_no_deadline(run, serving, dial):
    async def main():
        clock = ManualClock()
        pending: asyncio.Queue[Exchange] = asyncio.Queue()
        async with serving(pending.put_nowait, LIMITS, clock=clock) as server:
            wire = await dial(server.port)
            await wire.send(POST + b"Content-Length: 5\r\n\r\n")  # a body that nobody asks for
            exchange = await pending.get()
            await turn(clock, 200)
            exchange.respond(200, [], b"late")
            assert (await wire.answer()).body == b"late"

    run(main)


def test_a_client_that_does_not_read(run, serving, dial):
    """The answer waits outside our memory, and not for ever."""

    async def main():
        clock = ManualClock()
        blocked = asyncio.Event()
        written = 0
        gone = asyncio.Event()

        async def work(exchange: Exchange) -> None:
            nonlocal written
            exchange.on_gone = gone.set
            exchange.start(200, [])
            while True:
                exchange.write(b"x" * 65_536)
                written += 65_536
                draining = asyncio.ensure_future(exchange.drain())
                try:
                    done, _ = await asyncio.wait([draining], timeout=0.3)
                    if not done:
                        blocked.set()
                        await draining
                finally:
                    draining.cancel()

        async with serving(lambda e: e.spawn(work(e)), LIMITS, clock=clock) as server:
            wire = await dial(server.port, receive_buffer=4096)
            wire.writer.transport.pause_reading()
            await wire.send(GET)
            await blocked.wait()
            (connection,) = server.connections
            assert connection._transport.get_write_buffer_size() <= 2 * 65_536
            before = written
            await turn(clock, 3)
            assert written == before
            assert not gone.is_set()
            for _ in range(3):
                await turn(clock, 3)
            await gone.wait()

    run(main)


def test_a_slow_client_gets_all_of_it(run, serving, dial):
    body = bytes(range(256)) * 8192

    async def work(exchange: Exchange) -> None:
        exchange.start(200, [])
        for start in range(0, len(body), 10_000):
            exchange.write(body[start : start + 10_000])
            await exchange.drain()
        exchange.finish()

    async def main():
        async with serving(lambda e: e.spawn(work(e))) as server:
            wire = await dial(server.port, receive_buffer=8192)
            await wire.send(GET)
            assert (await wire.answer()).body == body

    run(main)


def test_the_last_answer_to_a_slow_client_is_not_cut(run, serving, dial):
    """`Connection: close` with megabytes still to go: lingering ends when they have left."""
    body = b"x" * (8 << 20)

    async def main():
        clock = ManualClock()
        async with serving(lambda e: e.respond(200, [], body), LIMITS, clock=clock) as server:
            wire = await dial(server.port, receive_buffer=8192)
            await wire.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            _, headers = await wire.head()
            left = int(headers[b"content-length"])
            while left:
                left -= len(await wire.reader.readexactly(min(left, 1 << 20)))
                await turn(clock, 3)
            assert await wire.closed()

    run(main)


def test_a_client_that_never_takes_its_last_answer(run, serving, dial):
    async def main():
        clock = ManualClock()
        async with serving(
            lambda e: e.respond(200, [], b"x" * (32 << 20)), LIMITS, clock=clock
        ) as server:
            wire = await dial(server.port, receive_buffer=4096)
            wire.writer.transport.pause_reading()
            await wire.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            await settle()
            assert server.connections
            for _ in range(6):
                await turn(clock, 5)
            assert not server.connections

    run(main)


def test_lingering_ends(run, serving, dial, echo):
    """A refused client that goes on sending is read for a while, then dropped."""

    async def main():
        clock = ManualClock()
        async with serving(echo, LIMITS, clock=clock) as server:
            wire = await dial(server.port)
            await wire.send(b"nonsense\n")
            assert (await wire.answer()).status == 400
            for _ in range(8):
                await turn(clock, 1)
                if not wire.writer.is_closing():
                    wire.writer.write(b"more")
            assert not server.connections

    run(main)


def test_too_many_connections(run, serving, dial, echo):
    async def main():
        async with serving(echo, Limits(max_connections=2)) as server:
            wires = [await dial(server.port) for _ in range(2)]
            for wire in wires:
                await wire.send(GET)
                assert (await wire.answer()).status == 200
            third = await dial(server.port)
            assert (await third.answer()).status == 503
            assert await third.closed()
            wires[0].writer.close()
            third.writer.close()
            while len(server.connections) > 1:
                await asyncio.sleep(0)
            again = await dial(server.port)
            await again.send(GET)
            assert (await again.answer()).status == 200

    run(main)


def test_drain(run, serving, dial):
    """Running answers finish, idle connections close, nothing new is accepted."""

    async def main():
        pending: asyncio.Queue[Exchange] = asyncio.Queue()

        def handler(exchange: Exchange) -> None:
            if exchange.path == "/now":
                exchange.respond(200, [], b"")
            else:
                pending.put_nowait(exchange)

        async with serving(handler, Limits(linger_s=0.2)) as server:
            idle = await dial(server.port)
            await idle.send(GET.replace(b"/", b"/now", 1))
            await idle.answer()
            busy = await dial(server.port)
            await busy.send(GET + GET)
            exchange = await pending.get()
            draining = asyncio.ensure_future(server.drain(60))
            assert await idle.closed()
            with pytest.raises(ConnectionRefusedError):
                await dial(server.port)
            assert not draining.done()
            exchange.respond(200, [], b"finished")
            answer = await busy.answer()
            assert (answer.body, answer.headers[b"connection"]) == (b"finished", b"close")
            assert await busy.closed()
            await draining
            assert pending.empty()

    run(main)


def test_drain_ends_what_does_not_finish(run, dial, wires):
    async def main():
        cancelled = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        server = Server(lambda e: e.spawn(work()))
        listener = await server.listen("127.0.0.1", 0)
        wire = await dial(listener.port)
        await wire.send(GET)
        while not server._tasks:
            await asyncio.sleep(0)
        await server.drain(0.05)
        assert cancelled.is_set()
        assert await wire.closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


def test_many_connections_leave_nothing(run, serving, dial, echo):
    async def main():
        async with serving(echo) as server:
            for round_ in range(3):
                wires = [await dial(server.port) for _ in range(50)]
                for wire in wires:
                    wire.writer.write(GET if round_ else b"POST / HTTP/1.1\r\nContent-Le")
                for wire in wires[::2]:
                    wire.reset()
                for wire in wires[1::2]:
                    if round_:
                        assert (await wire.answer()).status == 200
                    wire.writer.close()
            while server.connections:
                await asyncio.sleep(0)

    run(main)


def test_unix_socket(run, serving, tmp_path, echo):
    async def main():
        async with serving(echo) as server:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(tmp_path / "s"))
            sock.listen()
            await server.serve_socket(sock, handler=lambda e: e.respond(200, [], e.peer.encode()))
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(GET.replace(b"1.1", b"1.0"))
            assert (await reader.read()).endswith(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()

    run(main)


ELSEWHERE = """
import array, ctypes, fcntl, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x40000000 | (0 if os.geteuid() == 0 else 0x10000000)):
    sys.exit(77)
up = struct.pack("16sH14x", b"lo", 0x1 | 0x40)
fcntl.ioctl(socket.socket(), 0x8914, up)
listening = socket.socket()
listening.bind(("127.0.0.1", 9001))
listening.listen()
channel = socket.socket(fileno=int(sys.argv[1]))
fds = array.array("i", [listening.fileno()])
channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
listening.close()
client = socket.create_connection(("127.0.0.1", 9001))
client.sendall(b"GET /elsewhere HTTP/1.0\\r\\n\\r\\n")
answer = b""
while part := client.recv(4096):
    answer += part
sys.stdout.buffer.write(answer)
"""


def test_a_socket_from_another_network_namespace(run, serving):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            theirs.close()
            data, ancillary, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(4))
            if not data:
                assert child.wait(10) == 77
                pytest.skip("no network namespaces here")
            (descriptor,) = array.array("i", ancillary[0][2])

            async def main():
                loop = asyncio.get_running_loop()
                async with serving(lambda e: e.respond(200, [], e.path.encode())) as server:
                    await server.serve_socket(socket.socket(fileno=descriptor), tag="env")
                    answer, _ = await loop.run_in_executor(None, child.communicate)
                    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                    assert answer.endswith(b"/elsewhere")

            run(main)
        finally:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def test_the_common_path_makes_no_task_and_no_future(serving, dial, echo, wires):
    async def main():
        loop = asyncio.get_running_loop()
        async with serving(echo) as server:
            wire = await dial(server.port)
            request = POST + b"Content-Length: 3\r\n\r\nabc"
            await wire.send(request)
            await wire.answer()
            (connection,) = server.connections
            made = []

            def refuse(*args, **kwargs):
                made.append(args)
                raise AssertionError

            server.loop = type("Loop", (), {"create_task": refuse, "create_future": refuse,
                                            "call_later": refuse, "call_soon": refuse})()  # fmt: skip
            connection.data_received(request)
            assert not made
            server.loop = loop
            await wire.answer()

    uvloop.run(main())


def test_two_families_on_one_name(run, serving):
    """`listen("localhost")` may open several sockets; the port told is one that answers."""

    async def main():
        async with serving(lambda e: e.respond(200, [], b"")) as server:
            listener = await server.listen("localhost", 0)
            reader, writer = await asyncio.open_connection(listener.host, listener.port)
            writer.write(GET.replace(b"1.1", b"1.0"))
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await writer.wait_closed()

    run(main)


def test_no_descriptor_is_left(run, serving, dial, echo):
    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def serve_once():
        async with serving(echo) as server:
            wire = await dial(server.port)
            await wire.send(GET)
            await wire.answer()
        await asyncio.sleep(0.01)

    async def main():
        await serve_once()  # the loop itself opens some on first use
        before = open_descriptors()
        await serve_once()
        assert open_descriptors() == before

    run(main)
