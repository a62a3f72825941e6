"""The head of an answer."""

import pytest

from lambent.http.answer import CommonLines, answer_head, error_answer, field_lines, http_date


def test_date():
    assert http_date(784_111_777) == b"Sun, 06 Nov 1994 08:49:37 GMT"


def test_the_date_line_changes_with_the_second():
    lines = CommonLines(784_111_777_000)
    first = lines.keep_alive
    lines.turn(784_111_777_999)
    assert lines.keep_alive is first
    lines.turn(784_111_778_000)
    assert b"08:49:38" in lines.keep_alive
    assert lines.keep_alive.endswith(b"Connection: keep-alive\r\n")
    assert lines.close.endswith(b"Connection: close\r\n")


def test_framing_is_the_servers_to_say():
    fields = [(b"X", b"1"), (b"Content-Length", b"9"), (b"TRANSFER-ENCODING", b"chunked"),
              (b"connection", b"x"), (b"Date", b"y"), (b"Y", b"2")]  # fmt: skip
    for _ in range(2):
        assert field_lines(fields) == b"X: 1\r\nY: 2\r\n"
    assert field_lines([]) == b""


@pytest.mark.parametrize(
    "field",
    [(b"X", b"a\r\nSet-Cookie: b"), (b"X", b"a\nb"), (b"X", b"a\rb"), (b"X\r\nY", b"a"),
     (b"X: a", b"b"), (b"", b"a"), (b"X ", b"a")],
)  # fmt: skip
def test_no_field_can_split_an_answer(field):
    with pytest.raises(ValueError, match="header field"):
        field_lines([(b"Good", b"1"), field])


def test_status_lines():
    assert answer_head(200, [], b"", 2) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert answer_head(204, [], b"", 2) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert answer_head(299, [], b"", 0).startswith(b"HTTP/1.1 299 Unknown\r\n")
    for status in (100, 99, 1000):
        with pytest.raises(ValueError, match="status"):
            answer_head(status, [], b"", 0)


def test_error_answer():
    status, fields, body = error_answer(400, "why")
    assert (status, body) == (400, b"400 Bad Request: why\n")
    assert dict(fields)[b"Content-Type"].startswith(b"text/plain")
