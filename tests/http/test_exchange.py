"""What handlers do with an exchange, seen from the client."""

import asyncio

import pytest

from lambent.http import Exchange, PeerGone

REQUEST = b"GET /p?q HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"


def test_respond_adds_framing(run, serving, dial):
    def handler(exchange: Exchange) -> None:
        assert (exchange.path, exchange.query) == ("/p", b"q")
        assert exchange.peer == "127.0.0.1"
        assert exchange.local_port > 0
        assert not exchange.secure
        exchange.respond(201, [(b"X-One", b"1"), (b"Content-Length", b"99")], b"body")

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            for _ in range(2):
                await wire.send(REQUEST)
                answer = await wire.answer()
                assert (answer.status, answer.body) == (201, b"body")
                assert answer.headers[b"x-one"] == b"1"
                assert answer.headers[b"connection"] == b"keep-alive"
                assert answer.headers[b"date"].endswith(b"GMT")

    run(main)


@pytest.mark.parametrize("status", [200, 204, 304])
def test_answers_without_a_body(run, serving, dial, status):
    async def main():
        async with serving(lambda e: e.respond(status, [], b"12345")) as server:
            wire = await dial(server.port)
            await wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await wire.answer("HEAD")
            assert head.status == status
            assert head.headers.get(b"content-length") == (b"5" if status == 200 else None)
            # If a body had been sent, this would not be understood.
            await wire.send(REQUEST)
            assert (await wire.answer()).body == (b"12345" if status == 200 else b"")

    run(main)


def test_http_1_0(run, serving, dial):
    def handler(exchange: Exchange) -> None:
        if exchange.path == "/stream":
            exchange.start(200, [])
            exchange.write(b"a")
            exchange.write(b"b")
            exchange.finish([(b"X", b"dropped")])
        else:
            exchange.respond(200, [], b"whole")

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(OLD)
            answer = await wire.answer()
            assert (answer.body, answer.headers[b"connection"]) == (b"whole", b"close")
            assert await wire.closed()

            wire = await dial(server.port)
            await wire.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await wire.answer()).headers[b"connection"] == b"keep-alive"
            await wire.send(b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            status, headers = await wire.head()
            assert (status, headers[b"connection"]) == (200, b"close")
            assert b"transfer-encoding" not in headers
            assert await wire.rest() == b"ab"

    run(main)


def test_chunked_answer_with_trailers(run, serving, dial):
    def handler(exchange: Exchange) -> None:
        exchange.start(200, [(b"Trailer", b"X-Sum")])
        exchange.write(b"one")
        exchange.write(b"")
        exchange.write(b"x" * 100_000)
        exchange.finish([(b"X-Sum", b"7")])

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            for _ in range(2):
                await wire.send(REQUEST)
                answer = await wire.answer()
                assert answer.headers[b"transfer-encoding"] == b"chunked"
                assert answer.body == b"one" + b"x" * 100_000
                assert answer.trailers == {b"x-sum": b"7"}
            await wire.send(REQUEST.replace(b"GET", b"HEAD"))
            assert (await wire.answer("HEAD")).headers[b"transfer-encoding"] == b"chunked"
            await wire.send(REQUEST)
            assert (await wire.answer()).status == 200

    run(main)


def test_answer_in_parts_with_a_length(run, serving, dial):
    raised = []

    def handler(exchange: Exchange) -> None:
        exchange.start(200, [(b"content-length", b"4")], chunked=False)
        exchange.write(b"ab")
        try:
            if exchange.path == "/more":
                exchange.write(b"cde")
            if exchange.path == "/good":
                exchange.write(b"cd")
            exchange.finish()
        except ValueError as error:
            raised.append(str(error))

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST.replace(b"/p", b"/good"))
            answer = await wire.answer()
            assert (answer.body, answer.headers[b"connection"]) == (b"abcd", b"keep-alive")
            for path in (b"/more", b"/less"):
                wire = await dial(server.port)
                await wire.send(REQUEST.replace(b"/p", path))
                assert (await wire.head())[0] == 200
                assert await wire.rest() == b"ab"
        assert raised == ["more body than its Content-Length", "less body than its Content-Length"]

    run(main)


def test_abort_shows(run, serving, dial):
    def handler(exchange: Exchange) -> None:
        exchange.on_gone = lambda: pytest.fail("we left, not the peer")
        exchange.start(200, [])
        exchange.write(b"some")
        exchange.abort()
        exchange.abort()

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST)
            assert (await wire.head())[0] == 200
            assert await wire.rest() == b"4\r\nsome\r\n"  # no last chunk
            wire = await dial(server.port)
            await wire.send(OLD)
            # Where nothing but the end of the connection frames the answer, only a reset shows.
            with pytest.raises(ConnectionResetError):
                await wire.rest()

    run(main)


def test_out_of_order_is_a_bug_of_the_handlers(run, serving, dial):
    seen = []

    def handler(exchange: Exchange) -> None:
        for early in (lambda: exchange.write(b""), exchange.finish):
            with pytest.raises(RuntimeError):
                early()
        with pytest.raises(ValueError, match="header field"):
            exchange.respond(200, [(b"X", b"a\r\nb")], b"")
        exchange.respond(200, [], b"")
        for late in (
            lambda: exchange.respond(200, [], b""),
            lambda: exchange.start(200, []),
            lambda: exchange.write(b""),
        ):
            with pytest.raises(RuntimeError):
                late()
        seen.append(True)

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST)
            assert (await wire.answer()).status == 200
        assert seen

    run(main)


def test_spawned_work_answers(run, serving, dial):
    async def work(exchange: Exchange) -> None:
        await asyncio.sleep(0)
        exchange.respond(200, [], b"later")

    async def main():
        async with serving(lambda e: e.spawn(work(e))) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST * 2)
            assert (await wire.answer()).body == b"later"
            assert (await wire.answer()).body == b"later"

    run(main)


def test_the_peer_leaves_while_nothing_flows(run, serving, dial):
    """The Runtime API's long poll: no byte moves, and the handler still hears of it."""

    async def main():
        waiting: asyncio.Queue[Exchange] = asyncio.Queue()
        gone = asyncio.Event()
        ended = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        def handler(exchange: Exchange) -> None:
            exchange.on_gone = gone.set
            exchange.spawn(work())
            waiting.put_nowait(exchange)

        async with serving(handler) as server:
            for leave in ("close", "reset"):
                gone.clear()
                ended.clear()
                wire = await dial(server.port)
                await wire.send(REQUEST)
                exchange = await waiting.get()
                if leave == "close":
                    wire.writer.close()
                else:
                    wire.reset()
                await gone.wait()
                await ended.wait()
                assert exchange.gone
                exchange.respond(200, [], b"dropped")
                exchange.start(200, [])
                exchange.write(b"dropped")
                exchange.finish()
                exchange.abort()
                exchange.spawn(work())  # closed, not started
                exchange.read_all(1, lambda *_: pytest.fail("there is no body"))
                with pytest.raises(PeerGone):
                    await exchange.drain()
                with pytest.raises(PeerGone):
                    await anext(exchange.read_stream())

    run(main)


def test_on_gone_comes_once_and_only_if_unanswered(run, serving, dial):
    async def main():
        calls = []
        pending: asyncio.Queue[Exchange] = asyncio.Queue()

        def handler(exchange: Exchange) -> None:
            exchange.on_gone = lambda: calls.append(exchange.path)
            if exchange.path == "/answered":
                exchange.respond(200, [], b"")
            else:
                pending.put_nowait(exchange)

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(b"GET /answered HTTP/1.1\r\nHost: a\r\n\r\n")
            await wire.answer()
            await wire.send(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
            await pending.get()
        assert calls == ["/waits"]

    run(main)


@pytest.mark.parametrize("how", ["handler", "on_body", "spawned", "started"])
def test_a_handler_that_raises(run, serving, dial, how, capsys):
    async def fail(exchange: Exchange) -> None:
        raise LookupError("inner")

    def handler(exchange: Exchange) -> None:
        if how == "handler":
            raise LookupError("inner")
        if how == "on_body":
            exchange.read_all(10, lambda *_: {}["inner"])
        elif how == "spawned":
            exchange.spawn(fail(exchange))
        else:
            exchange.start(200, [])
            raise LookupError("inner")

    async def main():
        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST)
            if how == "started":
                assert (await wire.head())[0] == 200
                assert await wire.rest() == b""
                return
            answer = await wire.answer()
            assert answer.status == 500
            assert b"inner" not in answer.body
            assert answer.headers[b"connection"] == b"close"
            assert await wire.closed()

    run(main)
    assert capsys.readouterr().out.count("http.handler_failed") == 1


def test_an_on_gone_that_raises_harms_nobody(run, serving, dial, capsys):
    async def main():
        here = asyncio.Event()

        def handler(exchange: Exchange) -> None:
            def fail() -> None:
                raise LookupError("inner")

            exchange.on_gone = fail
            here.set()

        async with serving(handler) as server:
            wire = await dial(server.port)
            await wire.send(REQUEST)
            await here.wait()

    run(main)
    assert "http.on_gone_failed" in capsys.readouterr().out


def test_tag_and_handler_of_a_listener(run, serving, dial):
    async def main():
        async with serving(lambda e: e.respond(200, [], repr(e.tag).encode())) as server:
            tagged = await server.listen("127.0.0.1", 0, tag="one")
            other = await server.listen(
                "127.0.0.1", 0, handler=lambda e: e.respond(200, [], b"other")
            )
            for port, body in (
                (server.port, b"None"),
                (tagged.port, b"'one'"),
                (other.port, b"other"),
            ):
                wire = await dial(port)
                await wire.send(REQUEST)
                assert (await wire.answer()).body == body
            tagged.close()
            tagged.close()
            with pytest.raises(ConnectionRefusedError):
                await dial(tagged.port)

    run(main)
