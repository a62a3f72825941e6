"""Metadata through Redis: its wire protocol spoken by a few lines here; losing it costs speed only."""

import contextlib
import socket
import socketserver
import ssl
import threading
import time

import pytest

from lambent_inference.models.registries.shared import Shared
from lambent_inference.settings import Settings


class Redis(socketserver.ThreadingTCPServer):
    """GET, SET and what a client says first; everything else is OK."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self):
        self.stored: dict[bytes, bytes] = {}
        self.asked = 0
        self.lost = False
        self.open: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), Talk)

    def lose(self) -> None:
        """Every connection is cut, and no other is answered."""
        self.lost = True
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        if self.server.lost:
            return
        self.server.open.append(self.connection)
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            self.wfile.write(self.answer(*words))

    def answer(self, verb: bytes, *words: bytes) -> bytes:
        self.server.asked += 1
        if verb == b"SET":
            self.server.stored[words[0]] = words[1]
        if verb == b"HELLO":
            return b"-ERR unknown command\r\n"
        if verb == b"GET":
            data = self.server.stored.get(words[0])
            return b"$-1\r\n" if data is None else b"$%d\r\n%s\r\n" % (len(data), data)
        return b"+OK\r\n"


@pytest.fixture
def redis():
    server = Redis()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shared(redis):
    def shared(**more):
        facts = {"redis_host": "127.0.0.1", "redis_port": redis.server_address[1]} | more
        return Shared(Settings(**facts))

    return shared


def test_what_one_environment_learnt_another_knows(shared, redis):
    shared().put("https://models/index.json", b"{}", 60)
    assert shared().get("https://models/index.json") == b"{}"
    assert shared().get("https://models/other.json") is None
    assert all(b"models" not in key for key in redis.stored), "keys say nothing"


def test_one_that_does_not_answer_is_left_alone(shared, redis):
    one = shared(redis_ssl=True)  # it speaks no TLS
    assert one.get("a") is None
    before = redis.asked
    assert one.get("a") is None
    assert redis.asked == before


def test_without_one_nothing_is_asked(redis):
    one = Shared(Settings())
    one.put("a", b"b", 1)
    assert one.get("a") is None
    assert redis.asked == 0


def test_it_is_spoken_to_over_tls(shared, redis, tmp_path, monkeypatch):
    import subprocess

    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    redis.socket = context.wrap_socket(redis.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    one = shared(redis_ssl=True, redis_host="localhost")
    one.put("a", b"secret", 60)
    assert shared(redis_ssl=True, redis_host="localhost").get("a") == b"secret"
    # Lost in the middle of a life: what is there is gone, what is told is told to nobody.
    redis.lose()
    assert one.get("a") is None
    one.put("a", b"other", 60)
    assert set(redis.stored.values()) == {b"secret"}


def test_one_that_hangs_holds_nobody_up(shared):
    """It takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = shared(redis_port=silent.getsockname()[1])
        began = time.monotonic()
        assert one.get("a") is None
        assert one.get("a") is None
        assert time.monotonic() - began < 10
