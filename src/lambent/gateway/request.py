"""An HTTP request as events are made of it: every flavour starts from this.

AWS hands text on as text and everything else as base64; which is which is decided here, for all
flavours alike. (AWS Lambda developer guide, "Invoking Lambda function URLs"; API Gateway
developer guide, "Working with binary media types".)
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

_TEXT_TYPES: Final = frozenset(
    {
        b"application/json",
        b"application/javascript",
        b"application/xml",
        b"application/graphql",
    }
)
_TEXT_SUFFIXES: Final = (b"+json", b"+xml")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What the events say of a request. Header names are lower-case."""

    method: str
    path: str
    """Percent-encoded as it came, without what the gateway itself took off its front."""
    query: str
    """Without the question mark, as it came."""
    fields: Sequence[tuple[str, str]]
    """Header fields in order, repeated names included."""
    body: bytes
    source_ip: str
    domain: str
    """The host that the client addressed, without its port."""
    request_id: str
    time_ms: int

    def header(self, name: str) -> str | None:
        """The last field of that name."""
        return next((value for key, value in reversed(self.fields) if key == name), None)

    def query_pairs(self) -> list[tuple[str, str]]:
        """Decoded names and values in order; a name without a value has an empty one."""
        return parse_qsl(self.query, keep_blank_values=True)


def joined(fields: Sequence[tuple[str, str]], glue: str = ",") -> dict[str, str]:
    """One value per name: repeated ones are joined, in order."""
    found: dict[str, str] = {}
    for name, value in fields:
        found[name] = f"{found[name]}{glue}{value}" if name in found else value
    return found


def grouped(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """All values per name."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def body_text(request: HttpRequest) -> tuple[str | None, bool]:
    """The body as an event carries it, and whether that is base64; None when there is none."""
    if not request.body:
        return None, False
    if _is_text(request):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # it only says that it is text
    return base64.b64encode(request.body).decode(), True


def _is_text(request: HttpRequest) -> bool:
    if request.header("content-encoding"):
        return False
    declared = (request.header("content-type") or "").partition(";")[0].strip().lower().encode()
    return (
        declared.startswith(b"text/")
        or declared in _TEXT_TYPES
        or declared.endswith(_TEXT_SUFFIXES)
    )
