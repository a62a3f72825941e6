"""Bytes of the log pipe to events, however they are cut."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.observe.log_splitter import LOG_MAGIC, MAX_EVENT_BYTES, LogSplitter
from lambent.runtimes import frames


def frame(text, time_us=1_700_000_000_000_000):
    return LOG_MAGIC + struct.pack(">IQ", len(text), time_us) + text


def test_the_magic_number_is_the_one_of_the_runtimes():
    assert LOG_MAGIC == frames.LOG_MAGIC


def test_lines():
    splitter = LogSplitter()
    assert splitter.feed(b"a\nbc\n\npart") == [(None, b"a"), (None, b"bc"), (None, b"")]
    assert splitter.feed(b"ial") == []
    assert splitter.feed(b"\nrest") == [(None, b"partial")]
    assert splitter.flush() == [(None, b"rest")]
    assert splitter.flush() == []


def test_a_record_of_several_lines_is_one_event_with_its_time():
    splitter = LogSplitter()
    data = b"before\n" + frame(b"Traceback\n  line\nError\n", 5) + frame(b"next", 6) + b"after\n"
    assert splitter.feed(data) == [
        (None, b"before"),
        (5, b"Traceback\n  line\nError"),
        (6, b"next"),
        (None, b"after"),
    ]


def test_a_frame_ends_an_unfinished_line():
    assert LogSplitter().feed(b"no newline" + frame(b"x", 1)) == [(None, b"no newline"), (1, b"x")]


def test_an_empty_frame_is_an_empty_event():
    assert LogSplitter().feed(frame(b"", 1) + b"a\n") == [(1, b""), (None, b"a")]


def test_a_frame_that_never_ends_costs_one_invoke():
    splitter = LogSplitter()
    broken = LOG_MAGIC + struct.pack(">IQ", 1 << 31, 7) + b"some text"
    assert splitter.feed(broken) == []
    assert splitter.flush() == [(7, b"some text")]
    assert splitter.feed(b"line\n") == [(None, b"line")]


def test_half_a_head_is_text_when_the_invoke_is_over():
    splitter = LogSplitter()
    assert splitter.feed(b"x\n" + LOG_MAGIC + b"\x00") == [(None, b"x")]
    assert splitter.flush() == [(None, LOG_MAGIC + b"\x00")]


def test_long_events_are_split_between_characters_and_memory_is_bounded():
    text = ("é" * MAX_EVENT_BYTES).encode() + b"!"
    for data in (text + b"\n", frame(text, 3)):
        splitter = LogSplitter()
        found = []
        for start in range(0, len(data), 50_000):
            found += splitter.feed(data[start : start + 50_000])
            assert splitter._held_bytes <= MAX_EVENT_BYTES + 50_000
        assert b"".join(event for _, event in found) == text
        assert all(len(event) <= MAX_EVENT_BYTES for _, event in found)
        assert all(event.decode() for _, event in found)
        assert len(found) == 3


def test_a_line_without_end_is_handed_on_in_pieces():
    splitter = LogSplitter()
    found = []
    for _ in range(100):
        found += splitter.feed(b"\x80" * 65_536)
        assert splitter._held_bytes <= MAX_EVENT_BYTES
    assert len(found) >= 24


pieces = st.lists(
    st.one_of(
        st.binary(max_size=12),
        st.sampled_from([b"\n", b"line\n", b"\xa5", b"\xa5\x5a", b"\xc2\xa5 100\n"]),
        st.builds(frame, st.binary(max_size=20), st.integers(0, 2**63)),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(pieces, st.lists(st.integers(0, 200), max_size=10))
def test_where_it_is_cut_makes_no_difference(data, cuts):
    whole = LogSplitter()
    expected = whole.feed(data) + whole.flush()
    parts = LogSplitter()
    found, start = [], 0
    for cut in [*sorted(cuts), len(data)]:
        found += parts.feed(data[start:cut])
        start = max(start, cut)
    assert found + parts.flush() == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(st.tuples(st.integers(1, 2**62), st.binary(max_size=40)), st.binary(max_size=40))
    )
)
def test_what_was_written_is_what_comes_out(written):
    """Lines and frames of any content, as a well-behaved writer sends them."""
    data, expected = b"", []
    for item in written:
        if isinstance(item, tuple):
            data += frame(item[1], item[0])
            expected.append((item[0], item[1].removesuffix(b"\n")))
        else:
            line = item.replace(b"\n", b"").replace(LOG_MAGIC[:1], b"")
            data += line + b"\n"
            expected.append((None, line))
    assert LogSplitter().feed(data) == expected


@pytest.mark.parametrize("kind", [0x03, 0x0E, 0x0F, 0x12, 0x13, 0x16, 0x17])
def test_frames_of_every_level_are_frames(kind):
    """As awslambdaric 4.2 writes them: text, errors, and JSON by level."""
    message = b"one\ntwo"
    data = LOG_MAGIC[:3] + bytes((kind,)) + struct.pack(">IQ", len(message), 7) + message
    for cut in range(len(data) + 1):
        splitter = LogSplitter()
        events = [*splitter.feed(data[:cut]), *splitter.feed(data[cut:]), *splitter.flush()]
        assert events == [(7, message)]
