"""Where an issuer's keys come from, and from where they must not."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading

import pytest

from lambent.gateway import jwks
from lambent.gateway.jwks import KeySets
from lambent.gateway.jwt import InvalidToken

ISSUER = "https://issuer.example"
POINT = {
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
}
"""A public key: the base point of P-256."""


def jwk(kid):
    return {"kty": "EC", "crv": "P-256", "kid": kid, **POINT}


class Moment:
    """The clock's part that is asked."""

    now = 0.0

    def monotonic(self):
        return self.now

    def time_ms(self):
        return 0


@pytest.fixture
def places():
    """A server of key sets: `answers` by path, and which paths were asked for."""
    answers, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body, fields = answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", answers, asked
    server.shutdown()
    server.server_close()


def keys(*kids):
    return json.dumps({"keys": [jwk(kid) for kid in kids]}).encode()


def test_keys_are_kept_and_looked_for_again_once_a_minute(places):
    url, answers, asked = places
    answers["/keys"] = 200, keys("one"), {}
    clock = Moment()

    async def scenario():
        sets = KeySets(clock, {ISSUER: f"{url}/keys"})
        found = await asyncio.gather(*(sets.key(ISSUER, "one") for _ in range(5)))
        assert all(found)
        assert len(asked) == 1
        for _ in range(20):  # somebody invents key ids
            assert await sets.key(ISSUER, "two") is None
        assert len(asked) == 1
        answers["/keys"] = 200, keys("one", "two"), {}
        clock.now = 61
        assert await sets.key(ISSUER, "two")
        assert len(asked) == 2
        answers.clear()  # the issuer is away: what was known holds
        clock.now += jwks.KEPT_S
        assert await sets.key(ISSUER, "two")
        assert len(asked) == 3

    asyncio.run(scenario())


def test_a_file_of_the_owner(tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk("mine")]}))

    async def scenario():
        sets = KeySets(Moment(), {"https://a.example": str(file), "https://b.example": "/nowhere"})
        assert await sets.key("https://a.example", "mine")
        with pytest.raises(InvalidToken, match="discovery"):
            await sets.key("https://b.example", "mine")

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        (500, b"", {}),
        (200, b"not json", {}),
        (200, b" " * (jwks.LARGEST + 1), {}),
        (302, b"", {"Location": "/elsewhere"}),
    ],
    ids=["broken", "not JSON", "too large", "elsewhere"],
)
def test_what_is_no_key_set_lets_nobody_in(places, answer):
    url, answers, asked = places
    answers["/keys"] = answer
    answers["/elsewhere"] = 200, keys("one"), {}

    async def scenario():
        sets = KeySets(Moment(), {ISSUER: f"{url}/keys"})
        with pytest.raises(InvalidToken, match="discovery"):
            await sets.key(ISSUER, "one")

    asyncio.run(scenario())
    assert asked == ["/keys"]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://issuer.example", "https://127.0.0.1", "https://localhost", "https://169.254.169.254",
        "https://10.0.0.1", "https://[::1]", "https://[::ffff:10.0.0.1]", "https://[64:ff9b::a00:1]",
        "https://0.0.0.0", "https://224.0.0.1", "ftp://x", "https://",
    ],
)  # fmt: skip
def test_an_issuer_that_nobody_named_is_looked_for_on_the_public_internet_only(issuer, monkeypatch):
    monkeypatch.setattr(
        "urllib3.HTTPSConnectionPool.urlopen", lambda *_, **__: pytest.fail("asked")
    )
    monkeypatch.setattr("urllib3.HTTPConnectionPool.urlopen", lambda *_, **__: pytest.fail("asked"))

    async def scenario():
        with pytest.raises(InvalidToken, match="discovery"):
            await KeySets(Moment(), {}).key(issuer, "k")

    asyncio.run(scenario())
