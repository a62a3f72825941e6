"""What a request head may look like, and what is refused."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.http.faults import Refused
from lambent.http.head import CHUNKED, Head, HeadReader, read_head
from lambent.http.limits import Limits

DEFAULTS = Limits()

LINE = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"


def read(raw: bytes, limits: Limits = DEFAULTS) -> Head:
    head = Head()
    read_head(head, raw, limits)
    return head


def refusal(raw: bytes, limits: Limits = DEFAULTS) -> int:
    with pytest.raises(Refused) as caught:
        read(raw, limits)
    return caught.value.status


def test_everything_of_a_head():
    head = read(
        b"POST /a%2Fb/c?x=1&y=%20 HTTP/1.1\r\nHost: here:9000\r\nX-Two: 1\r\nContent-Length:  12 \r\n"
        b"x-two:\t2 \r\nEmpty:\r\nUTF: \xc3\xa9\r\n\r\n"
    )
    assert (head.method, head.target) == ("POST", b"/a%2Fb/c?x=1&y=%20")
    assert (head.path, head.query) == ("/a%2Fb/c", b"x=1&y=%20")
    assert head.length == 12
    assert head.keep_alive
    assert not head.expects
    assert not head.http10
    assert list(head.headers) == [
        (b"host", b"here:9000"),
        (b"x-two", b"1"),
        (b"content-length", b"12"),
        (b"x-two", b"2"),
        (b"empty", b""),
        (b"utf", b"\xc3\xa9"),
    ]
    assert head.headers.get(b"x-two") == b"1, 2"


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        (b"GET / HTTP/1.1", "/", b""),
        (b"GET /? HTTP/1.1", "/", b""),
        (b"GET /a?b?c HTTP/1.1", "/a", b"b?c"),
        (b"GET //a HTTP/1.1", "//a", b""),
        (b"GET http://host:1/p/q?r=1 HTTP/1.1", "/p/q", b"r=1"),
        (b"GET http://host HTTP/1.1", "/", b""),
        (b"GET HTTPS://host?x HTTP/1.1", "/", b"x"),
        (b"OPTIONS * HTTP/1.1", "*", b""),
    ],
)
def test_targets(line, path, query):
    for _ in range(2):  # the second time from memory
        head = read(line + b"\r\n" + HOST + b"\r\n")
        assert (head.path, head.query) == (path, query)


@pytest.mark.parametrize(
    ("line", "fields", "keep_alive"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: Keep-Alive, Close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1", b"Connection: closed\r\n", True),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_persistence(line, fields, keep_alive):
    assert read(line + b"\r\n" + HOST + fields + b"\r\n").keep_alive is keep_alive


def test_framing():
    assert read(LINE + HOST + b"\r\n").length == 0
    assert read(LINE + HOST + b"Transfer-Encoding: Chunked\r\n\r\n").length == CHUNKED
    assert read(LINE + HOST + b"Content-Length: 007\r\n\r\n").length == 7


def test_an_upgrade_is_ignored():
    fields = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 3\r\n"
    head = read(LINE + HOST + fields + b"\r\n")
    assert (head.length, head.keep_alive) == (3, True)


def test_expectations():
    assert read(LINE + HOST + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n").expects
    assert not read(b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects
    assert refusal(LINE + HOST + b"Expect: 200-ok\r\n\r\n") == 417


REFUSED = {
    "both lengths": LINE + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "both lengths, turned": LINE + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    "two lengths": LINE + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n",
    "one length twice": LINE + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n",
    "list of lengths": LINE + HOST + b"Content-Length: 3, 3\r\n",
    "signed length": LINE + HOST + b"Content-Length: +3\r\n",
    "negative length": LINE + HOST + b"Content-Length: -3\r\n",
    "hexadecimal length": LINE + HOST + b"Content-Length: 0x3\r\n",
    "length with underscore": LINE + HOST + b"Content-Length: 1_0\r\n",
    "length of foreign digits": LINE + HOST + b"Content-Length: \xd9\xa3\r\n",
    "huge length": LINE + HOST + b"Content-Length: 99999999999999999999999\r\n",
    "no length": LINE + HOST + b"Content-Length:\r\n",
    "gzip": LINE + HOST + b"Transfer-Encoding: gzip\r\n",
    "gzip then chunked": LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n",
    "chunked then gzip": LINE + HOST + b"Transfer-Encoding: chunked, gzip\r\n",
    "chunked twice": LINE + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "identity": LINE + HOST + b"Transfer-Encoding: identity\r\n",
    "almost chunked": LINE + HOST + b"Transfer-Encoding: xchunked\r\n",
    "chunked with vertical tab": LINE + HOST + b"Transfer-Encoding: \x0bchunked\r\n",
    "no coding": LINE + HOST + b"Transfer-Encoding:\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n",
    "folded line": LINE + HOST + b"X: a\r\n b\r\n",
    "folded by tab": LINE + HOST + b"X: a\r\n\tb\r\n",
    "folded empty": LINE + HOST + b"X:\r\n b\r\n",
    "fold first": LINE + b" Host: a\r\n",
    "bare LF": LINE + HOST + b"X: a\nY: b\r\n",
    "bare LF after line": b"GET / HTTP/1.1\n" + HOST,
    "bare CR": LINE + HOST + b"X: a\rb\r\n",
    "bare CR before CRLF": LINE + HOST + b"X: a\r\r\n",
    "NUL": LINE + HOST + b"X: a\0b\r\n",
    "control character": LINE + HOST + b"X: a\x01b\r\n",
    "space before colon": LINE + b"Host : a\r\n",
    "no name": LINE + HOST + b": a\r\n",
    "no colon": LINE + HOST + b"X\r\n",
    "bracket in name": LINE + HOST + b"X[: a\r\n",
    "no host": LINE,
    "two hosts": LINE + HOST + b"Host: b\r\n",
    "two expectations": LINE + HOST + b"Expect: 100-continue\r\nExpect: 100-continue\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST,
    "space after version": b"GET / HTTP/1.1 \r\n" + HOST,
    "space in target": b"GET /a b HTTP/1.1\r\n" + HOST,
    "tab in target": b"GET /\ta HTTP/1.1\r\n" + HOST,
    "high byte in target": b"GET /\xff HTTP/1.1\r\n" + HOST,
    "fragment": b"GET /a#b HTTP/1.1\r\n" + HOST,
    "relative target": b"GET a HTTP/1.1\r\n" + HOST,
    "star for GET": b"GET * HTTP/1.1\r\n" + HOST,
    "other scheme": b"GET ftp://a/b HTTP/1.1\r\n" + HOST,
    "no version": b"GET /\r\n" + HOST,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n",
    "version 1.2": b"GET / HTTP/1.2\r\n" + HOST,
    "NUL in method": b"g\x00t / HTTP/1.1\r\n" + HOST,
    "other protocol": b"DESCRIBE / RTSP/1.0\r\n" + HOST,
}


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in REFUSED.items()])
def test_refused(raw):
    assert refusal(raw + b"\r\n") in {400, 505}


def test_refused_with_a_status_of_its_own():
    assert refusal(b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n") == 501
    assert refusal(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n") == 501
    assert refusal(b"GET / HTTP/2.0\r\n" + HOST + b"\r\n") == 505
    assert refusal(b"PRI * HTTP/2.0\r\n\r\n") == 400


def test_limits():
    limits = Limits(header_count=2, target_bytes=20)
    assert read(LINE + HOST + b"X: 1\r\n\r\n", limits)
    assert refusal(LINE + HOST + b"X: 1\r\nY: 1\r\n\r\n", limits) == 431
    assert read(b"GET /" + b"a" * 19 + b" HTTP/1.1\r\n" + HOST + b"\r\n", limits)
    assert refusal(b"GET /" + b"a" * 20 + b" HTTP/1.1\r\n" + HOST + b"\r\n", limits) == 414


PIECES = st.sampled_from(
    [b"GET", b"POST", b" ", b"/", b"/a?b", b"HTTP/1.1", b"\r\n", b"\n", b"\r", b"Host: a", b":", b"\t",
     b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Connection: close", b"\0", b"\xff", b"x"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4), max_size=20))
def test_anything_is_read_or_refused(pieces):
    raw = b"".join(pieces).replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n"
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    head = Head()
    with contextlib.suppress(Refused):
        read_head(head, raw, Limits())
        # Sound: what was read says the same when it is written canonically.
        assert raw.startswith(head.method.encode() + b" " + head.target + b" HTTP/1.")
        assert len(head.headers) == raw.count(b"\r\n") - 2
        assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")


def test_a_repeated_head_reads_the_same():
    reader, limits = HeadReader(), Limits()
    one = LINE + HOST + b"Content-Length: 5\r\nX: 1\r\n\r\n"
    two = LINE + HOST + b"Content-Length: 6\r\nX: 1\r\n\r\n"
    for raw, length in ((one, 5), (one, 5), (two, 6), (one, 5), (two, 6), (two, 6)):
        head = Head()
        reader.read(head, raw, limits)
        assert (head.length, head.path, head.headers.get(b"x")) == (length, "/", b"1")
        head.keep_alive = head.expects = None  # what happens to one says nothing about the next
    bad = LINE + b"\r\n"
    for _ in range(2):
        with pytest.raises(Refused):
            reader.read(Head(), bad, limits)
    head = Head()
    reader.read(head, two, limits)
    assert (head.length, head.keep_alive) == (6, True)
