"""Connections over real sockets: order, bounds, refusals, and bytes cut anywhere."""

import asyncio
import contextlib
import itertools
import random
import re

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.clock import SystemClock
from lambent.http import Exchange, Limits, Server

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


def test_pipelined_answers_are_in_order(run, serving, dial):
    """Handlers that take longer for earlier requests cannot turn the order."""

    async def main():
        running = 0

        async def work(exchange: Exchange) -> None:
            nonlocal running
            running += 1
            assert running == 1, "requests of one connection are served one after the other"
            for _ in range(random.randrange(5)):
                await asyncio.sleep(0)
            running -= 1
            exchange.respond(200, [], exchange.path.encode())

        def handler(exchange: Exchange) -> None:
            if int(exchange.path[1:]) % 3:
                exchange.respond(200, [], exchange.path.encode())
            else:
                exchange.spawn(work(exchange))

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(b"".join(GET % i for i in range(100)))
            for i in range(100):
                assert (await wire.answer()).body == b"/%d" % i

    run(main)


def test_one_connection_cannot_keep_the_loop(run, serving, dial):
    """After `max_pipelined` answers others get their turn."""

    async def main():
        order: list[str] = []

        def handler(exchange: Exchange) -> None:
            if not order:
                asyncio.get_running_loop().call_soon(order.append, "other")
            order.append(exchange.path)
            exchange.respond(200, [], b"")

        async with serving(handler, Limits(max_pipelined=5)) as server:
            wire = await dial(server.port)
            await wire.send(b"".join(GET % i for i in range(50)))
            for _ in range(50):
                await wire.answer()
            assert order.index("other") <= 5
            assert len(order) == 51

    run(main)


def test_half_closed_behind_what_was_pipelined(run, serving, dial):
    async def main():
        async with serving(lambda e: e.respond(200, [], b""), Limits(max_pipelined=2)) as server:
            wire = await dial(server.port)
            wire.writer.write(b"".join(GET % i for i in range(9)))
            wire.writer.write_eof()
            assert (await wire.rest()).count(b"200 OK") == 9

    run(main)


def test_what_is_pipelined_past_a_limit_stays_with_the_client(run, serving, dial):
    async def main():
        here = asyncio.Event()
        held: list[Exchange] = []

        def handler(exchange: Exchange) -> None:
            if not held:
                held.append(exchange)
                here.set()
            else:
                exchange.respond(200, [], b"")

        async with serving(handler) as server:
            wire = await dial(server.port)
            many = 20_000
            sending = asyncio.ensure_future(wire.send(b"".join(GET % i for i in range(many))))
            await here.wait()
            await asyncio.sleep(0.2)
            (connection,) = server.connections
            assert connection._inbox.size <= 65_536 + 262_144
            held[0].respond(200, [], b"")
            for _ in range(many):
                await wire.reader.readuntil(b"\r\n\r\n")
            await sending

    run(main)


def test_answers_made_in_one_read_leave_in_one_write(run, serving, dial):
    async def main():
        async with serving(lambda e: e.respond(200, [], b"ok")) as server:
            wire = await dial(server.port)
            await wire.send(GET % 0)
            await wire.answer()
            (connection,) = server.connections
            writes = []
            transport = connection.outlet._transport

            class Counting:
                def __getattr__(self, name):
                    return getattr(transport, name)

                def write(self, data):
                    writes.append(bytes(data))
                    transport.write(data)

            connection.outlet._transport = Counting()
            await wire.send(b"".join(GET % i for i in range(4)))
            for _ in range(4):
                await wire.answer()
            assert len(writes) == 1
            await wire.send(GET % 0)
            await wire.answer()
            assert len(writes) == 2

    run(main)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    ],
)  # fmt: skip
def test_a_refusal_is_an_answer_and_an_end(run, serving, dial, raw, status):
    """Good answers before it are kept, nothing behind it is served, and the client gets to read."""

    async def main():
        served = []

        def handler(exchange: Exchange) -> None:
            served.append(exchange.path)
            exchange.respond(200, [], b"ok")

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(GET % 1 + raw + b"\r\n\r\n" + GET % 2)
            assert (await wire.answer()).body == b"ok"
            answer = await wire.answer()
            assert answer.status == status
            assert answer.headers[b"connection"] == b"close"
            assert await wire.closed()
            assert served == ["/1"]

    run(main)


def test_smuggling(run, serving, dial, echo):
    """The bytes of a body are never a request, and a request never a body."""
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"

    async def main():
        async with serving(echo) as server:
            wire = await dial(server.port)
            head = b"POST / HTTP/1.1\r\nHost: a\r\n"
            upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
            for fields in (b"", upgrade):
                await wire.send(head + fields + b"Content-Length: %d\r\n\r\n" % len(inner) + inner)
                assert (await wire.answer()).body == inner
            chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
            await wire.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + inner)
            assert (await wire.answer()).body == inner
            answer = await wire.answer()
            assert (answer.body, answer.headers[b"x-method"]) == (b"", b"GET")

    run(main)


REQUESTS = st.lists(
    st.one_of(
        st.just(b"GET /g HTTP/1.1\r\nHost: a\r\n\r\n"),
        st.just(b"\r\nHEAD /h HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"),
        st.binary(max_size=60).map(
            lambda body: b"POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        ),
        st.lists(st.binary(min_size=1, max_size=30), max_size=4).map(
            lambda parts: b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x;e\r\n%b\r\n" % (len(part), part) for part in parts)
            + b"0\r\nT: v\r\n\r\n"
        ),
        st.sampled_from(
            [b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nq",
             b"\0", b"GET / HTTP/1.0\r\n\r\n", b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n"]
        ),
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


FUZZ = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"GET ", b"POST / HTTP/1.1\r\n", b"Host: a\r\n", b"Content-Length: 5\r\n", b"\r\n", b"\r\n\r\n",
         b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"Expect: 100-continue\r\n",
         b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"/ HTTP/1.0\r\n", b"PRI * "]
    ),
)  # fmt: skip


REASON = re.compile(rb"Content-Length: \d+\r\n\r\n400 Bad Request: .*\n")


class StandingClock(SystemClock):
    """Wall time stands still: the Date line is part of what is compared."""

    def time_ms(self) -> int:
        return 0


async def converse(pieces: list[bytes]) -> tuple[bytes, list[object]]:
    """What a client gets for these writes, and what the handler saw."""
    seen: list[object] = []

    def answer(exchange: Exchange, body: bytes) -> None:
        seen.append((exchange.method, exchange.path, body, exchange.trailers.items()))
        exchange.respond(200, [(b"X", b"y")], body)

    async with Server(lambda e: e.read_all(80, answer), clock=StandingClock()) as server:
        listener = await server.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        received = asyncio.ensure_future(reader.read())
        for piece in pieces:
            writer.write(piece)
            for _ in range(6):
                await asyncio.sleep(0)
        with contextlib.suppress(
            RuntimeError
        ):  # uvloop's word for a server that has closed already
            writer.write_eof()
        try:
            return await received, seen
        finally:
            writer.close()
            await writer.wait_closed()


@settings(max_examples=80, deadline=None)
@given(REQUESTS, st.lists(st.integers(min_value=0), min_size=1, max_size=25))
def test_cuts_do_not_matter(requests, places):
    raw = b"".join(requests)
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges) if a < b]

    async def both() -> None:
        async with asyncio.timeout(60):
            (cut, seen), (whole, seen_whole) = await converse(pieces), await converse([raw])
            assert seen == seen_whole
            # What is wrong with malformed input may be found at one place or at another.
            assert REASON.sub(b"", cut) == REASON.sub(b"", whole)

    uvloop.run(both())


@settings(max_examples=60, deadline=None)
@given(st.lists(FUZZ, min_size=1, max_size=12))
def test_whatever_comes_the_server_stands(pieces):
    async def main() -> None:
        def answer(exchange: Exchange, body: bytes) -> None:
            exchange.respond(200, [], body)

        async with asyncio.timeout(60), Server(lambda e: e.read_all(1000, answer)) as server:
            listener = await server.listen("127.0.0.1", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            received = asyncio.ensure_future(reader.read())
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            writer.write_eof()
            await received
            writer.close()
            await writer.wait_closed()
            while server.connections:
                await asyncio.sleep(0)
            # It still serves.
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()
            await writer.wait_closed()

    uvloop.run(main())
