"""X-Amzn-Trace-Id: made for calls that came without one, read as far as a log needs it.

`Root=1-…;Parent=…;Sampled=1` (AWS X-Ray developer guide, "Tracing header").
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SAFE = re.compile(r"[0-9A-Za-z-]{1,64}")


class TraceHeader(NamedTuple):
    root: str
    parent: str
    sampled: bool

    @classmethod
    def parse(cls, header: str) -> TraceHeader:
        """Its parts; a part that is missing or not of a trace's characters is empty."""
        parts = dict(part.strip().partition("=")[::2] for part in header[:1024].split(";"))
        root, parent = parts.get("Root", ""), parts.get("Parent", "")
        sampled = parts.get("Sampled") == "1" and _SAFE.fullmatch(root) is not None
        return cls(
            root if _SAFE.fullmatch(root) else "",
            parent if _SAFE.fullmatch(parent) else "",
            sampled,
        )


def new_trace(request_id: str, time_ms: int) -> tuple[str, bytes]:
    """For a call that came without one, not sampled: the function's header, and the answer's.

    The ids are the request's own digits, so that a trace can be found from its request.
    """
    digits = request_id.replace("-", "")
    root = f"Root=1-{time_ms // 1000:08x}-{digits[:24]}"
    return f"{root};Parent={digits[16:]};Sampled=0", f"{root};Sampled=0".encode()
