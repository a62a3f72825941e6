import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.engine.http_prelude import PRELUDE_LIMIT, MalformedPrelude, PreludeReader

STREAM = b'{"statusCode":201,"headers":{"a":"b"},"cookies":["c=d"]}' + b"\0" * 8 + b"the\0body"


@given(st.integers(1, len(STREAM)))
def test_the_prelude_ends_wherever_the_parts_do(step):
    reader, found = PreludeReader(), None
    for at in range(0, len(STREAM), step):
        found = reader.feed(STREAM[at : at + step])
        if found is not None:
            break
    prelude, rest = found
    assert (prelude.status_code, prelude.headers, prelude.cookies) == (201, {"a": "b"}, ["c=d"])
    assert b"the\0body".startswith(rest)


@pytest.mark.parametrize("text", [b"[]", b"nonsense", b'{"statusCode":"x"}', b"\xff"])
def test_what_is_no_prelude(text):
    with pytest.raises(MalformedPrelude, match="not JSON"):
        PreludeReader().feed(text + b"\0" * 8)


def test_a_prelude_without_end():
    reader = PreludeReader()
    assert reader.feed(b"x" * PRELUDE_LIMIT) is None
    with pytest.raises(MalformedPrelude, match="longer"):
        reader.feed(b"x")
