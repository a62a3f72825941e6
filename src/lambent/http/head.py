"""From the bytes of one complete request head to a `Head`, or to a refusal.

llhttp (through httptools) judges the syntax; what it lets pass and a safe server may not
(several spaces, other versions, codings other than chunked, a missing Host) is judged here.
Each head gets a parser of its own: half a microsecond, and no request can leave a state behind
that the next one is read with. The body is framed by `body.py` from `Head.length`.
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
from lambent.http.headers import Field, Headers
from lambent.http.limits import Limits

CHUNKED = -1
"""The `length` of a body that comes in chunks."""

_ABSOLUTE = re.compile(rb"https?://[^/?#]+([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} [!-~]+ HTTP/1\.[01]\r\n")
_REQUEST_LINE_ROOM = 48
"""Method, version and spaces: what a request line holds besides its target."""


class Head:
    """What a request says before its body. Filled by httptools' callbacks."""

    __slots__ = (
        "complete",
        "expects",
        "fields",
        "headers",
        "keep_alive",
        "length",
        "method",
        "minor",
        "path",
        "query",
        "target",
    )

    headers: Headers
    method: str
    minor: int
    """Of the version: 0 or 1."""
    path: str
    query: bytes
    length: int
    """Of the body in bytes, or `CHUNKED`."""
    keep_alive: bool
    expects: bool
    """The client waits for `100 Continue` before it sends the body."""

    def __init__(self) -> None:
        self.fields: list[Field] = []
        self.target = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


_methods: dict[bytes, str] = {}


def parse_head(raw: bytes, limits: Limits) -> Head:
    """Parse a head from its first byte to its blank line; raises `Refused`."""
    head = Head()
    parser = HttpRequestParser(head)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        # An upgrade may be ignored (RFC 9110, 7.8), and is; the body then follows as usual.
        pass
    except HttpParserInvalidMethodError:
        status = 501 if _METHOD.match(raw) else 400
        raise Refused(status, "unknown method") from None
    except HttpParserError as error:
        raise Refused(400, str(error)) from None
    if not head.complete:
        raise Refused(400, "malformed head")
    method = parser.get_method()
    head.method = _methods.get(method) or _methods.setdefault(method, method.decode("ascii"))
    if len(head.fields) > limits.header_count:
        raise Refused(431, f"more than {limits.header_count} header fields")
    _judge_request_line(raw, method, head, limits)
    _split_target(head)
    if b" \r\n" in raw or b"\t\r\n" in raw:
        head.fields = [(name, value.rstrip(b" \t")) for name, value in head.fields]
    head.headers = Headers(head.fields)
    _judge_fields(head)
    return head


def refuse_oversized(raw: bytes | bytearray, at: int, limits: Limits) -> None:
    """Raise 414 when the request line is what is too long, else 431 if the head is."""
    room = limits.target_bytes + _REQUEST_LINE_ROOM
    if len(raw) - at > room and raw.find(b"\r\n", at, at + room) < 0:
        raise Refused(414, f"request target longer than {limits.target_bytes} bytes")
    if len(raw) - at > limits.header_bytes:
        raise Refused(431, f"request head larger than {limits.header_bytes} bytes")


def _judge_request_line(raw: bytes, method: bytes, head: Head, limits: Limits) -> None:
    end = raw.find(b"\r\n")
    version = raw[end - 9 : end]
    if version == b" HTTP/1.1":
        head.minor = 1
    elif version == b" HTTP/1.0":
        head.minor = 0
    else:
        raise Refused(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    # Exactly one space on each side: proxies disagree about more, which is how smuggling starts.
    if end != len(method) + 1 + len(head.target) + 9:
        raise Refused(400, "malformed request line")
    if len(head.target) > limits.target_bytes:
        raise Refused(414, f"request target longer than {limits.target_bytes} bytes")


def _split_target(head: Head) -> None:
    target = head.target
    if b"#" in target:
        raise Refused(400, "a request target has no fragment")
    if target[0] == 0x2F:
        path, _, head.query = target.partition(b"?")
    elif match := _ABSOLUTE.fullmatch(target):
        path, head.query = match[1] or b"/", match[2] or b""
    elif target == b"*" and head.method == "OPTIONS":
        path, head.query = target, b""
    elif head.method == "CONNECT":
        raise Refused(501, "this is not a proxy")
    else:
        raise Refused(400, "malformed request target")
    head.path = path.decode("ascii")


def _judge_fields(head: Head) -> None:
    """Framing, persistence and expectation, from the fields that rule them."""
    headers = head.headers
    get = headers.get
    modern = head.minor == 1
    host = get(b"host")
    if host is None:
        if modern:
            raise Refused(400, "HTTP/1.1 needs a Host header")
    elif len(headers) != len(headers._index) and len(headers.get_all(b"host")) > 1:  # noqa: SLF001  one room
        raise Refused(400, "more than one Host header")
    head.length = _body_length(head, get(b"content-length"), get(b"transfer-encoding"))
    head.keep_alive = modern
    connection = get(b"connection")
    if connection is not None:
        tokens = [token.strip() for token in connection.lower().split(b",")]
        head.keep_alive = b"close" not in tokens and (modern or b"keep-alive" in tokens)
    head.expects = False
    expect = get(b"expect")
    if expect is not None and modern:
        if expect.lower() != b"100-continue":
            raise Refused(417, "the only expectation known here is 100-continue")
        head.expects = head.length != 0


def _body_length(head: Head, length: bytes | None, coding: bytes | None) -> int:
    if coding is not None:
        if length is not None:
            raise Refused(400, "both Content-Length and Transfer-Encoding")
        if head.minor == 0:
            raise Refused(400, "Transfer-Encoding does not exist in HTTP/1.0")
        if coding.lower() != b"chunked":
            raise Refused(400, "the only transfer coding known here is chunked")
        return CHUNKED
    if length is None:
        return 0
    if not length.isdigit():
        raise Refused(400, "malformed Content-Length")
    return int(length)
