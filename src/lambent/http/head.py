"""From the bytes of one complete request head to a `Head`, or to a refusal.

llhttp (through httptools) judges the syntax; what it lets pass and a safe server may not
(several spaces, other versions, codings other than chunked, a missing Host) is judged here.
Each head gets a parser of its own: half a microsecond, and no request can leave a state behind
that the next one is read with. It calls nothing back, because a call per field costs more than
to split what it found well-formed. `intake.py` frames the body from `Head.length`.
"""

from __future__ import annotations

import re

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from lambent.http.faults import Refused
from lambent.http.headers import Headers, split_fields
from lambent.http.limits import Limits

CHUNKED = -1
"""The `length` of a body that comes in chunks."""

_ABSOLUTE = re.compile(rb"https?://[^/?]+([^?]*)(?:\?(.*))?", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} [!-~]+ HTTP/1\.[01]\r\n")
_REQUEST_LINE_ROOM = 48
"""Method, version and spaces: what a request line holds besides its target."""


class Head:
    """What a request says before its body."""

    __slots__ = (
        "expects",
        "headers",
        "http10",
        "keep_alive",
        "length",
        "method",
        "original",
        "path",
        "query",
        "target",
    )

    method: str
    target: bytes
    """As it came, before any decoding."""
    path: str
    """Still percent-encoded; of an absolute target only the path."""
    query: bytes
    """Without the question mark."""
    headers: Headers
    http10: bool
    keep_alive: bool
    """The client's wish."""
    expects: bool
    """The client waits for `100 Continue` before it sends the body."""
    length: int
    """Of the body in bytes, or `CHUNKED`."""
    original: Original
    """The same for every request of a connection that repeats these bytes."""


class Original:
    """What a handler concluded from a head alone, for the requests that repeat its bytes.

    A client in a loop sends one head again and again; whoever judged it keeps the judgement here
    instead of coming to it anew. `conclusion` is whatever that handler put there.
    """

    __slots__ = ("conclusion",)

    def __init__(self) -> None:
        self.conclusion: object = None


_MAX_REPEATED_BYTES = 2_048


class HeadReader:
    """One connection's heads. A client that sends the same bytes again means the same again."""

    __slots__ = ("_head", "_raw")

    def __init__(self) -> None:
        self._raw = b""
        self._head = Head()

    def read(self, head: Head, raw: bytes, limits: Limits) -> None:
        """Fill `head` as `read_head` does."""
        last = self._head
        if raw != self._raw:
            self._raw = b""
            last.original = Original()
            read_head(last, raw, limits)
            if len(raw) <= _MAX_REPEATED_BYTES:
                self._raw = raw
        head.method = last.method
        head.target = last.target
        head.path = last.path
        head.query = last.query
        head.headers = last.headers
        head.http10 = last.http10
        head.keep_alive = last.keep_alive
        head.expects = last.expects
        head.length = last.length
        head.original = last.original


class _Silent:
    """No callbacks; spelt out, because a failing lookup costs httptools more than one that finds."""

    on_message_begin = on_url = on_header = on_headers_complete = on_body = None
    on_message_complete = on_chunk_header = on_chunk_complete = None


def read_head(head: Head, raw: bytes, limits: Limits) -> None:
    """Fill `head` from a head's first byte to its blank line; raises `Refused`."""
    try:
        HttpRequestParser(_Silent).feed_data(raw)
    except HttpParserUpgrade:
        # An upgrade may be ignored (RFC 9110, 7.8), and is; the body then follows as usual.
        pass
    except HttpParserInvalidMethodError:
        status = 501 if _REQUEST_LINE.match(raw) else 400
        raise Refused(status, "unknown method") from None
    except HttpParserError as error:
        raise Refused(400, str(error)) from None
    line, *lines = raw[:-4].split(b"\r\n")
    known = _lines.get(line) or _remember(line)
    head.method, head.target, head.path, head.query, head.http10 = known
    if len(head.target) > limits.target_bytes:
        raise Refused(414, f"request target longer than {limits.target_bytes} bytes")
    if len(lines) > limits.header_count:
        raise Refused(431, f"more than {limits.header_count} header fields")
    head.headers = Headers(split_fields(lines))
    _obey(head, head.headers)


def refuse_oversized(raw: bytes | bytearray, at: int, limits: Limits) -> None:
    """Raise 414 when the request line is what is too long, else 431 if the head is."""
    room = limits.target_bytes + _REQUEST_LINE_ROOM
    if len(raw) - at > room and raw.find(b"\r\n", at, at + room) < 0:
        raise Refused(414, f"request target longer than {limits.target_bytes} bytes")
    if len(raw) - at > limits.header_bytes:
        raise Refused(431, f"request head larger than {limits.header_bytes} bytes")


RequestLine = tuple[str, bytes, str, bytes, bool]
"""Method, target, path, query, whether it is HTTP/1.0."""

_lines: dict[bytes, RequestLine] = {}
"""Short request lines that came before: clients repeat themselves."""
_MAX_LINES = 1024
_MAX_LINE_BYTES = 256


def _remember(line: bytes) -> RequestLine:
    read = _read_request_line(line)
    if len(line) <= _MAX_LINE_BYTES:
        if len(_lines) == _MAX_LINES:
            _lines.clear()
        _lines[line] = read
    return read


def _read_request_line(line: bytes) -> RequestLine:
    # Exactly two spaces: proxies disagree about more, which is how smuggling starts.
    try:
        method_bytes, target, version = line.split(b" ")
    except ValueError:
        raise Refused(400, "malformed request line") from None
    if line == b"PRI * HTTP/2.0":
        raise Refused(400, "HTTP/2 is not spoken here")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    if b"#" in target:
        raise Refused(400, "a request target has no fragment")
    method = method_bytes.decode("ascii")
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
    else:
        path, query = _other_target(method, target)
    return method, target, path.decode("ascii"), query, version == b"HTTP/1.0"


def _other_target(method: str, target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a target that is not a path: absolute, or `*` (RFC 9112, 3.2)."""
    if method == "CONNECT":
        raise Refused(501, "this is not a proxy")
    if match := _ABSOLUTE.fullmatch(target):
        return match[1] or b"/", match[2] or b""
    if target == b"*" and method == "OPTIONS":
        return target, b""
    raise Refused(400, "malformed request target")


def _obey(head: Head, headers: Headers) -> None:
    """Framing, persistence and expectation, from the fields that rule them."""
    get = headers.get
    if headers.repeated:
        _refuse_repeated(headers)
    if get(b"host") is None and not head.http10:
        raise Refused(400, "HTTP/1.1 needs a Host header")
    length, coding = get(b"content-length"), get(b"transfer-encoding")
    if coding is not None:
        head.length = _chunked(head, length, coding)
    else:
        # llhttp has refused everything but one run of digits.
        head.length = int(length) if length is not None else 0
    connection = get(b"connection")
    if connection is None:
        head.keep_alive = not head.http10
    else:
        tokens = [token.strip() for token in connection.lower().split(b",")]
        keep = not head.http10 or b"keep-alive" in tokens
        head.keep_alive = keep and b"close" not in tokens
    expect = get(b"expect")
    head.expects = expect is not None and not head.http10
    if head.expects and expect is not None and expect.lower() != b"100-continue":
        raise Refused(417, "the only expectation known here is 100-continue")


def _chunked(head: Head, length: bytes | None, coding: bytes) -> int:
    if length is not None:
        raise Refused(400, "both Content-Length and Transfer-Encoding")
    if head.http10:
        raise Refused(400, "Transfer-Encoding does not exist in HTTP/1.0")
    if coding.lower() != b"chunked":
        raise Refused(400, "the only transfer coding known here is chunked")
    return CHUNKED


def _refuse_repeated(headers: Headers) -> None:
    for name in (b"host", b"content-length", b"transfer-encoding", b"expect"):
        if len(headers.get_all(name)) > 1:
            raise Refused(400, f"more than one {name.decode('ascii').title()} header")
