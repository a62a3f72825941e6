"""The buffer: heads are found however they come, and hopeless ones are refused at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.http.faults import Refused
from lambent.http.inbox import Inbox
from lambent.http.limits import Limits

DEFAULTS = Limits()

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"


def heads(pieces: list[bytes], limits: Limits = DEFAULTS) -> tuple[list[bytes], Inbox]:
    inbox = Inbox()
    found = []
    for piece in pieces:
        inbox.append(piece)
        while inbox.size and (head := inbox.head(limits)) is not None:
            found.append(head)
    return found, inbox


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=40), max_size=30), st.integers(0, 3))
def test_heads_are_found_however_they_are_cut(sizes, empty_lines):
    raw = (b"\r\n" * empty_lines + HEAD) * 3 + b"GET /part"
    pieces = []
    for size in sizes:
        pieces.append(raw[:size])
        raw = raw[size:]
    found, inbox = heads([piece for piece in [*pieces, raw] if piece])
    assert found == [HEAD] * 3
    assert inbox.peek(99) == b"GET /part"
    assert inbox.size == 9


def test_take_counts():
    inbox = Inbox()
    inbox.append(b"abc")
    inbox.append(b"def")
    assert inbox.take(4) == b"abcd"
    assert inbox.size == 2
    assert inbox.take(9) == b"ef"
    assert inbox.size == 0
    inbox.append(b"gh")
    assert inbox.take(1) == b"g"
    inbox.clear()
    assert inbox.size == 0


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),
        (b" GET", 400),
        (b"GET / HTTP/1.1\nHost", 400),
        (b"GET / HTTP/1.1\r\nX: a\rb", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 33_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 6_000, 431),
    ],
)
def test_refused_before_it_is_complete(raw, status):
    for pieces in ([raw], [raw[i : i + 97] for i in range(0, len(raw), 97)]):
        with pytest.raises(Refused) as caught:
            heads(pieces)
        assert caught.value.status == status


def test_a_complete_head_past_the_limit():
    with pytest.raises(Refused) as caught:
        heads([b"GET / HTTP/1.1\r\nX: " + b"a" * 33_000 + b"\r\n\r\n"])
    assert caught.value.status == 431
    small = Limits(header_bytes=40)
    assert heads([HEAD], small)[0] == [HEAD]
    with pytest.raises(Refused):
        heads([HEAD], Limits(header_bytes=len(HEAD) - 1))
