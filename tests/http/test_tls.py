"""TLS by certificate files."""

import asyncio
import ssl

import pytest

from lambent.errors import ConfigurationError
from lambent.http import Exchange, Limits, tls_context

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def client_context(cert) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cert)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def test_requests_over_tls(run, serving, dial, certificate, echo):
    body = bytes(range(256)) * (6 * 4096)

    async def main():
        async with serving(echo, tls=tls_context(*certificate)) as server:
            wire = await dial(server.port, client_context(certificate[0]))
            assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            for _ in range(2):
                await wire.send(GET + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
                assert (await wire.answer()).body == b""
                assert (await wire.answer()).body == b"ab"
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
            sending = asyncio.ensure_future(wire.send(head + body))
            assert (await wire.answer()).body == body
            await sending

    run(main)


def test_refusals_and_ends_over_tls(run, serving, dial, certificate):
    async def main():
        gone = asyncio.Event()
        secure = []

        def handler(exchange: Exchange) -> None:
            secure.append(exchange.secure)
            exchange.on_gone = gone.set

        limits = Limits(linger_s=0.2)
        async with serving(handler, limits, tls=tls_context(*certificate)) as server:
            wire = await dial(server.port, client_context(certificate[0]))
            await wire.send(b"nonsense\n")
            assert (await wire.answer()).status == 400
            assert await wire.closed()
            wire = await dial(server.port, client_context(certificate[0]))
            await wire.send(GET)
            while not secure:
                await asyncio.sleep(0)
            wire.reset()
            await gone.wait()
            assert secure == [True]

    run(main)


def test_plain_text_at_the_tls_port(run, serving, dial, certificate, echo):
    async def main():
        async with serving(echo, tls=tls_context(*certificate)) as server:
            wire = await dial(server.port)
            await wire.send(GET)
            assert b"200" not in await asyncio.wait_for(drop_errors(wire.rest()), 30)
            wire = await dial(server.port, client_context(certificate[0]))
            await wire.send(GET)
            assert (await wire.answer()).status == 200

    async def drop_errors(reading) -> bytes:
        try:
            return await reading
        except ConnectionError:
            return b""

    run(main)


def test_old_tls_is_refused(certificate):
    assert tls_context(*certificate).minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used(certificate, tmp_path):
    cert, key = certificate
    with pytest.raises(ConfigurationError, match="No such file"):
        tls_context(tmp_path / "none", key)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        tls_context(key, cert)
