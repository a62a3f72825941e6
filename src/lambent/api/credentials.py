"""Whose request it is: account and region from the credential scope.

`Authorization: AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`, or
the same as `X-Amz-Credential` of a presigned query. A 12-digit access key id is its own account
id; any other means the server's account. Whether the signature holds is `auth`'s question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

ALGORITHM: Final = "AWS4-HMAC-SHA256"

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z0-9-]{1,64}")
_CREDENTIAL: Final = re.compile(rb"Credential=([^,\s]+)")
_QUERY_CREDENTIAL: Final = re.compile(rb"(?:^|&)X-Amz-Credential=([^&]+)")

_CACHE_MAX: Final = 1024
_REMEMBERED_MAX: Final = 512
"""Bytes; a stranger's long header is read each time and not kept."""


@dataclass(frozen=True, slots=True)
class Identity:
    """On whose behalf a request acts."""

    account: str
    region: str
    access_key: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """A credential: `key/date/region/service/terminator`."""

    key: str
    date: str
    region: str
    service: str
    terminator: str

    @property
    def text(self) -> str:
        """What is signed: all but the key."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


def parse_scope(credential: str) -> Scope | None:
    """None when it is not five parts; an access key id may itself hold slashes."""
    parts = credential.rsplit("/", 4)
    return Scope(*parts) if len(parts) == 5 else None


class Identifier:
    """Credential to identity; the few credentials that a server sees are remembered."""

    def __init__(self, account: str, region: str) -> None:
        self._default = Identity(account, region)
        self._known: dict[bytes, Identity] = {}

    def identify(self, authorization: bytes | None, query: bytes) -> Identity:
        """The server's own account and region for a request without readable credentials."""
        if authorization is not None:
            prefix = authorization[: authorization.find(b",")]
            return self._known.get(prefix) or self._read(prefix, _CREDENTIAL)
        if query and b"X-Amz-Credential=" in query:
            return self._read(query, _QUERY_CREDENTIAL)
        return self._default

    def of_scope(self, scope: Scope) -> Identity:
        account = scope.key if _ACCOUNT.fullmatch(scope.key) else self._default.account
        region = scope.region if _REGION.fullmatch(scope.region) else self._default.region
        return Identity(account, region, scope.key)

    def _read(self, text: bytes, pattern: re.Pattern[bytes]) -> Identity:
        found = pattern.search(text)
        scope = parse_scope(unquote(found[1].decode("latin-1"))) if found else None
        identity = self.of_scope(scope) if scope else self._default
        if pattern is _CREDENTIAL and len(text) <= _REMEMBERED_MAX:
            if len(self._known) >= _CACHE_MAX:
                self._known.clear()
            self._known[text] = identity
        return identity
