"""The frozen multimap of header fields."""

import pytest

from lambent.http.headers import Headers, split_fields

LINES = [b"Host: a", b"X-Y:  1 ", b"x-y:2", b"Cookie: a=1", b"cookie: b=2"]


def test_lookup():
    headers = Headers(split_fields(LINES))
    assert headers.get(b"host") == b"a"
    assert headers.get(b"x-y") == b"1, 2"
    assert headers.get(b"cookie") == b"a=1; b=2"
    assert headers.get(b"none") is None
    assert headers.get_all(b"x-y") == [b"1", b"2"]
    assert b"host" in headers
    assert b"Host" not in headers
    assert len(headers) == 5
    assert headers.items()[1] == (b"x-y", b"1")


def test_frozen():
    headers = Headers(split_fields(LINES))
    with pytest.raises(TypeError):
        headers[b"x"] = b"y"  # type: ignore[index]
    with pytest.raises(AttributeError):
        headers.items().append((b"x", b"y"))  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        headers.extra = 1


def test_repr_shows_no_values():
    assert "secret" not in repr(Headers([(b"authorization", b"secret")]))
