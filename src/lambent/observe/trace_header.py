"""X-Amzn-Trace-Id, as far as a log needs it: `Root=1-…;Parent=…;Sampled=1`."""

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
