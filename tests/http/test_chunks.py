"""The chunked coding: the same bytes, however they are cut, decode to the same body."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.http.chunks import Chunks
from lambent.http.faults import Refused
from lambent.http.inbox import Inbox
from lambent.http.limits import Limits

DEFAULTS = Limits()


def decode(pieces: list[bytes], limits: Limits = DEFAULTS) -> tuple[bytes, Chunks, Inbox]:
    inbox = Inbox()
    chunks = Chunks(inbox, limits)
    body = b""
    for piece in pieces:
        if piece:
            inbox.append(piece)
            body += chunks.take()
    return body, chunks, inbox


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def test_everything_of_a_chunked_body():
    raw = b"3;name=value\r\nabc\r\n0000A\r\n0123456789\r\n0\r\nX-One:  1 \r\nx-two:2\r\n\r\nGET "
    body, chunks, inbox = decode([raw])
    assert body == b"abc0123456789"
    assert chunks.done
    assert list(chunks.trailers) == [(b"x-one", b"1"), (b"x-two", b"2")]
    assert inbox.peek(99) == b"GET "


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.booleans()), max_size=8),
    st.booleans(),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_cuts_do_not_matter(parts, trailer, places):
    raw = b"".join(
        b"%x%b\r\n%b\r\n" % (len(data), b";e=f" if extended else b"", data)
        for data, extended in parts
    )
    raw += b"0\r\n" + (b"T: v\r\n" if trailer else b"") + b"\r\n" + b"next"
    body, chunks, inbox = decode(cut(raw, places))
    assert body == b"".join(data for data, _ in parts)
    assert chunks.done
    assert list(chunks.trailers) == ([(b"t", b"v")] if trailer else [])
    # The body's end is exact, so a later read cannot have taken the next request.
    assert inbox.peek(99) == b"next"


def test_byte_by_byte():
    raw = b"5\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n"
    body, chunks, _ = decode([raw[i : i + 1] for i in range(len(raw))])
    assert (body, chunks.done, list(chunks.trailers)) == (b"hello!", True, [(b"a", b"b")])


REFUSED = {
    "no size": b"\r\nabc\r\n",
    "not hexadecimal": b"g\r\n",
    "signed": b"+3\r\nabc\r\n",
    "prefixed": b"0x3\r\nabc\r\n",
    "underscore": b"1_0\r\n",
    "space before": b" 3\r\nabc\r\n",
    "space after": b"3 \r\nabc\r\n",
    "bare LF": b"3\nabc\n",
    "bare CR": b"3\rabc",
    "LF in extension": b"3;a\nb\r\nabc\r\n",
    "CR in extension": b"3;a\rb\r\nabc\r\n",
    "NUL in extension": b"3;\0\r\nabc\r\n",
    "longer than its size": b"3\r\nabcd\r\n",
    "no CRLF behind": b"3\r\nabc\n0\r\n\r\n",
    "LF behind": b"3\r\nabc\r0",
    "huge size": b"10000000000000000\r\n",
    "long extension": b"1;" + b"a" * 300,
    "trailer without colon": b"0\r\nabc\r\n\r\n",
    "folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "trailer with bare LF": b"0\r\nA: b\nC: d\r\n\r\n",
    "trailer with space": b"0\r\nA : b\r\n\r\n",
    "end with bare LF": b"0\r\n\n",
}


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in REFUSED.items()])
def test_refused_however_it_is_cut(raw):
    for pieces in ([raw], [raw[i : i + 1] for i in range(len(raw))]):
        with pytest.raises(Refused) as caught:
            decode(pieces)
        assert caught.value.status == 400


def test_limits():
    limits = Limits(header_bytes=100, header_count=3)
    with pytest.raises(Refused, match="extensions"):
        decode([b"1;aaaaaaaaa\r\nx\r\n" * 20], limits)
    with pytest.raises(Refused) as caught:
        decode([b"0\r\n" + b"A: b\r\n" * 4], limits)
    assert caught.value.status == 431
    with pytest.raises(Refused) as caught:
        decode([b"0\r\nA: " + b"b" * 200], limits)
    assert caught.value.status == 431
