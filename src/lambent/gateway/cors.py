"""CORS of a function URL: what a browser is told, and preflights that the function never sees.

The configuration's headers replace the function's own: AWS returns no two of a kind.
(AWS Lambda developer guide, "Cross-origin resource sharing (CORS)"; Fetch standard.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lambent.gateway.answer import Fields

_METHODS: Final = "GET,PUT,HEAD,POST,PATCH,DELETE,OPTIONS"
_OURS: Final = frozenset(
    {
        b"access-control-allow-origin",
        b"access-control-allow-methods",
        b"access-control-allow-headers",
        b"access-control-allow-credentials",
        b"access-control-expose-headers",
        b"access-control-max-age",
    }
)


@dataclass(frozen=True, slots=True)
class Cors:
    """`Cors` of CreateFunctionUrlConfig."""

    allow_credentials: bool = False
    allow_headers: Sequence[str] = ()
    allow_methods: Sequence[str] = ()
    allow_origins: Sequence[str] = ()
    expose_headers: Sequence[str] = ()
    max_age_s: int | None = None

    def answer_fields(self, origin: str) -> Fields:
        """For the answer to a request with that `Origin`; nothing for one that is not allowed."""
        allowed = self._origin(origin)
        if allowed is None:
            return []
        fields = [(b"Access-Control-Allow-Origin", allowed.encode())]
        if allowed != "*":
            fields.append((b"Vary", b"Origin"))
        if self.allow_credentials:
            fields.append((b"Access-Control-Allow-Credentials", b"true"))
        if self.expose_headers:
            fields.append(
                (b"Access-Control-Expose-Headers", ",".join(self.expose_headers).encode())
            )
        return fields

    def preflight_fields(self, origin: str, method: str, headers: str) -> Fields:
        """For OPTIONS with `Access-Control-Request-Method`; nothing that is not allowed is said."""
        fields = self.answer_fields(origin)
        if not fields:
            return []
        if "*" in self.allow_methods or method.upper() in self.allow_methods:
            # Browsers do not read `*` where credentials are allowed, so all are named.
            methods = _METHODS if "*" in self.allow_methods else ",".join(self.allow_methods)
            fields.append((b"Access-Control-Allow-Methods", methods.encode()))
        if allowed := self._headers(headers):
            fields.append((b"Access-Control-Allow-Headers", allowed.encode()))
        if self.max_age_s is not None:
            fields.append((b"Access-Control-Max-Age", str(self.max_age_s).encode()))
        return fields

    def _origin(self, origin: str) -> str | None:
        if "*" in self.allow_origins:
            return origin if self.allow_credentials else "*"
        return origin if any(_matches(rule, origin) for rule in self.allow_origins) else None

    def _headers(self, wanted: str) -> str:
        if "*" in self.allow_headers:
            return wanted
        known = {name.lower() for name in self.allow_headers}
        names = [name.strip() for name in wanted.split(",") if name.strip()]
        if names and all(name.lower() in known for name in names):
            return ",".join(self.allow_headers)
        return ""


def without_cors(fields: Fields) -> Fields:
    """The function's own fields, less those that the configuration decides."""
    return [field for field in fields if field[0].lower() not in _OURS]


def _matches(rule: str, origin: str) -> bool:
    """Equal, or with one `*` for a part: `https://*.example.com`, `http://*`."""
    if "*" not in rule:
        return rule.lower() == origin.lower()
    before, _, after = rule.lower().partition("*")
    low = origin.lower()
    return len(low) >= len(before) + len(after) and low.startswith(before) and low.endswith(after)
