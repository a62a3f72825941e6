"""Request bodies: whole, streamed, too large, expected, skipped."""

import asyncio
import hashlib

import pytest

from lambent.http import Exchange, Limits, PeerGone

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


def with_length(length: int, fields: bytes = b"") -> bytes:
    return POST + fields + b"Content-Length: %d\r\n\r\n" % length


def test_six_megabytes_both_ways(run, serving, dial, echo):
    body = bytes(range(256)) * (6 * 4096)
    pieces = [body[i : i + 50_000] for i in range(0, len(body), 50_000)]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    async def main():
        async with serving(echo) as server:
            wire = await dial(server.port)
            for request in (with_length(len(body)) + body, CHUNKED + b"\r\n" + chunked):
                sending = asyncio.ensure_future(wire.send(request))
                answer = await wire.answer()
                await sending
                assert answer.body == body

    run(main)


def test_trailers_stay_apart(run, serving, dial):
    def answer(exchange: Exchange, body: bytes) -> None:
        assert exchange.headers.get(b"authorization") is None
        assert exchange.headers.items() == seen
        trailers = b";".join(name + b"=" + value for name, value in exchange.trailers)
        exchange.respond(200, [], body + b" " + trailers)

    seen: object = None

    def handler(exchange: Exchange) -> None:
        nonlocal seen
        seen = exchange.headers.items()
        exchange.read_all(100, answer)

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            request = CHUNKED + b"\r\n3\r\nabc\r\n0\r\nAuthorization: x\r\nHost: evil\r\n\r\n"
            await wire.send(request)
            assert (await wire.answer()).body == b"abc authorization=x;host=evil"
            await wire.send_pieces([request[i : i + 7] for i in range(0, len(request), 7)])
            assert (await wire.answer()).body == b"abc authorization=x;host=evil"
            # The next request on the connection starts without them.
            await wire.send(with_length(1) + b"x")
            assert (await wire.answer()).body == b"x "

    run(main)


@pytest.mark.parametrize("kind", ["told", "chunked"])
def test_too_large(run, serving, dial, kind):
    """One byte past the limit: the client gets its 413 although it sends before it reads."""
    limit = 6 << 20
    body = b"x" * (limit + 1)

    async def main():
        async with serving(lambda e: e.read_all(limit, lambda *_: pytest.fail("read"))) as server:
            server.on_too_large = lambda exchange, size: exchange.respond(
                413, [], b"at most %d" % size
            )
            wire = await dial(server.port)
            if kind == "told":
                await wire.send(with_length(len(body)) + body)
            else:
                await wire.send(CHUNKED + b"\r\n" + b"%x\r\n%b\r\n" % (len(body), body) * 2)
            answer = await wire.answer()
            assert (answer.status, answer.body) == (413, b"at most 6291456")
            assert answer.headers[b"connection"] == b"close"
            assert await wire.closed()

    run(main)


def test_too_large_by_default(run, serving, dial):
    async def main():
        async with serving(lambda e: e.read_all(3, lambda e, b: e.respond(200, [], b))) as server:
            wire = await dial(server.port)
            await wire.send(with_length(4) + b"abcd" + with_length(3) + b"abc")
            assert (await wire.answer()).status == 413
            # A short rest is skipped rather than the connection lost.
            assert (await wire.answer()).body == b"abc"

    run(main)


@pytest.mark.parametrize("reader", ["whole", "stream"])
def test_continue_is_sent_when_the_body_is_wanted(run, serving, dial, reader):
    async def main():
        release = asyncio.Event()

        async def read(exchange: Exchange) -> None:
            await release.wait()
            if reader == "whole":
                exchange.read_all(10, lambda e, body: e.respond(200, [], body))
            else:
                body = b"".join([part async for part in exchange.read_stream()])
                exchange.respond(200, [], body)

        async with serving(lambda e: e.spawn(read(e))) as server:
            wire = await dial(server.port)
            await wire.send(with_length(3, b"Expect: 100-continue\r\n"))
            early = asyncio.ensure_future(wire.head())
            await asyncio.sleep(0.05)
            assert not early.done()
            release.set()
            assert await early == (100, {})
            await wire.send(b"abc")
            assert (await wire.answer()).body == b"abc"

    run(main)


def test_continue_is_not_sent_when_it_is_not(run, serving, dial, echo):
    async def main():
        async with serving(lambda e: e.respond(403, [], b"no")) as server:
            wire = await dial(server.port)
            await wire.send(with_length(3, b"Expect: 100-continue\r\n"))
            answer = await wire.answer()
            # Nobody can tell whether the body follows, so the connection cannot be used again.
            assert (answer.status, answer.headers[b"connection"]) == (403, b"close")
            assert await wire.closed()
        async with serving(echo) as server:
            wire = await dial(server.port)
            await wire.send(with_length(3, b"Expect: 100-continue\r\n") + b"abc")
            assert (await wire.answer()).body == b"abc"  # it had come already
            await wire.send(with_length(3, b"Expect: something\r\n") + b"abc")
            assert (await wire.answer()).status == 417
            assert await wire.closed()

    run(main)


def test_an_unread_body_is_skipped_or_closes(run, serving, dial):
    async def main():
        async with serving(lambda e: e.respond(200, [], e.path.encode())) as server:
            wire = await dial(server.port)
            await wire.send(with_length(1000) + b"x" * 400)
            assert (await wire.answer()).headers[b"connection"] == b"keep-alive"
            await wire.send(b"x" * 600 + GET)
            assert (await wire.answer()).body == b"/next"

            for request in (with_length(10 << 20), CHUNKED + b"\r\n"):
                wire = await dial(server.port)
                await wire.send(request)
                assert (await wire.answer()).headers[b"connection"] == b"close"
                assert await wire.closed()

    run(main)


def test_a_malformed_chunk_while_reading(run, serving, dial, echo):
    async def main():
        async with serving(echo) as server:
            for pieces in ([CHUNKED + b"\r\nzz\r\n"], [CHUNKED + b"\r\n", b"3\r\n", b"abcd"]):
                wire = await dial(server.port)
                await wire.send_pieces(pieces)
                answer = await wire.answer()
                assert (answer.status, answer.headers[b"connection"]) == (400, b"close")
                assert await wire.closed()

    run(main)


def test_stream(run, serving, dial):
    async def read(exchange: Exchange) -> None:
        digest, size = hashlib.sha256(), 0
        async for part in exchange.read_stream():
            digest.update(part)
            size += len(part)
        tail = b"".join(value for _, value in exchange.trailers)
        exchange.respond(200, [], b"%d %b%b" % (size, digest.hexdigest().encode(), tail))

    body = bytes(range(256)) * 8000
    expected = b"%d %b" % (len(body), hashlib.sha256(body).hexdigest().encode())
    chunks = b"".join(b"%x\r\n%b\r\n" % (256, body[:256]) for _ in range(8000))

    async def main():
        async with serving(lambda e: e.spawn(read(e))) as server:
            wire = await dial(server.port)
            await wire.send(with_length(len(body)) + body + with_length(0))
            assert (await wire.answer()).body == expected
            assert (await wire.answer()).body.startswith(b"0 e3b0c442")
            await wire.send(CHUNKED + b"\r\n" + chunks + b"0\r\nT:  tail\r\n\r\n")
            assert (await wire.answer()).body == expected + b"tail"

    run(main)


def test_echo_while_it_comes(run, serving, dial):
    """Both directions at once, and the connection lives on."""

    async def work(exchange: Exchange) -> None:
        parts = exchange.read_stream()
        exchange.start(200, [])
        async for part in parts:
            exchange.write(part.upper())
            await exchange.drain()
        exchange.finish()

    async def main():
        async with serving(lambda e: e.spawn(work(e))) as server:
            wire = await dial(server.port)
            for _ in range(2):
                await wire.send(CHUNKED + b"\r\n")
                assert (await wire.head())[0] == 200
                for word in (b"one", b"two"):
                    await wire.send(b"3\r\n%b\r\n" % word)
                    assert await wire.reader.readexactly(8) == b"3\r\n%b\r\n" % word.upper()
                await wire.send(b"0\r\n\r\n")
                assert await wire.reader.readexactly(5) == b"0\r\n\r\n"

    run(main)


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["stream", "nobody"])
def test_what_is_not_taken_stays_with_the_client(run, serving, dial, reader):
    """A body of 64 MB against a handler that does not read: it must not end up in our memory."""

    async def main():
        stopped = asyncio.Event()
        release = asyncio.Event()
        received = 0

        async def work(exchange: Exchange) -> None:
            nonlocal received
            await release.wait()
            async for part in exchange.read_stream():
                received += len(part)
            exchange.respond(200, [], b"")

        held: list[Exchange] = []

        def handler(exchange: Exchange) -> None:
            held.append(exchange)
            if reader == "stream":
                exchange.spawn(work(exchange))

        async def flood() -> None:
            sent = 0
            while sent < 64 << 20:
                wire.writer.write(b"x" * 65_536)
                sent += 65_536
                try:
                    async with asyncio.timeout(0.5):
                        await wire.writer.drain()
                except TimeoutError:
                    stopped.set()
                    await wire.writer.drain()

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(with_length(64 << 20))
            flooding = asyncio.ensure_future(flood())
            await stopped.wait()
            (connection,) = server.connections
            assert connection._inbox.size <= 65_536 + 262_144
            if reader == "stream":
                release.set()
                await flooding
                assert (await wire.answer()).status == 200
                assert received == 64 << 20
            else:
                flooding.cancel()
                held[0].abort()

    run(main)


def test_the_peer_leaves_in_the_middle_of_a_body(run, serving, dial):
    async def main():
        seen: list[str] = []
        over = asyncio.Event()

        async def work(exchange: Exchange) -> None:
            try:
                async for _ in exchange.read_stream():
                    pass
            except (PeerGone, asyncio.CancelledError) as error:
                seen.append(type(error).__name__)
                raise
            finally:
                over.set()

        def handler(exchange: Exchange) -> None:
            exchange.on_gone = lambda: seen.append("gone")
            exchange.spawn(work(exchange))

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(with_length(10) + b"abc")
            await asyncio.sleep(0.02)
            wire.writer.close()
            await over.wait()
            assert seen[0] == "gone"
            assert seen[1] in {"PeerGone", "CancelledError"}

    run(main)


def test_a_bad_chunk_ends_a_stream(run, serving, dial):
    async def main():
        async def work(exchange: Exchange) -> None:
            async for _ in exchange.read_stream():
                pass

        async with serving(lambda e: e.spawn(work(e))) as server:
            wire = await dial(server.port)
            await wire.send_pieces([CHUNKED + b"\r\n3\r\nabc\r\n", b"nonsense\r\n"])
            assert (await wire.answer()).status == 400
            assert await wire.closed()

    run(main)


def test_a_body_is_read_once(run, serving, dial):
    def answer(exchange: Exchange, body: bytes) -> None:
        with pytest.raises(RuntimeError):
            exchange.read_all(1, answer)
        with pytest.raises(RuntimeError):
            exchange.read_stream()
        exchange.respond(200, [], body)

    async def main():
        async with serving(lambda e: e.read_all(9, answer), Limits()) as server:
            wire = await dial(server.port)
            await wire.send(with_length(2) + b"ab")
            assert (await wire.answer()).body == b"ab"

    run(main)
