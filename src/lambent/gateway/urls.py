"""What the gateway must know of a function URL, and under which addresses one is reached.

`control` keeps the configurations and tells them here as `UrlTarget`s. A URL answers at three
addresses: by host (`<id>.lambda-url.<region>.localhost`), by path (`/_url/<id>/…`), and at a port
of its own, since Python and Node do not resolve `*.localhost` everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from lambent.control.iam.document import Policy
from lambent.gateway.cors import Cors

PATH_PREFIX: Final = "/_url/"
_HOST: Final = re.compile(rb"([a-z0-9]{1,64})\.lambda-url\.([a-z0-9-]{1,64})\.", re.IGNORECASE)
MARK: Final = b".lambda-url."
"""Stands in the Host of a request to a function URL, and in no other."""


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """One function URL."""

    url_id: str
    account: str
    region: str
    function_name: str
    qualifier: str | None
    """An alias, or None for `$LATEST`."""
    auth_type: Literal["NONE", "AWS_IAM"]
    invoke_mode: Literal["BUFFERED", "RESPONSE_STREAM"]
    cors: Cors | None
    domain: str
    """`<id>.lambda-url.<region>.<base>`: what the event shows as domainName."""
    policy: Policy | None = None
    """The resource-based policy of what the URL runs."""

    @property
    def arn(self) -> str:
        """Of what the URL runs."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{self.function_name}"
        return arn if self.qualifier is None else f"{arn}:{self.qualifier}"


def by_host(host: bytes) -> str | None:
    """The URL's id in a Host header; None when it is no function URL's."""
    found = _HOST.match(host)
    return found[1].decode().lower() if found else None


def by_path(path: str) -> tuple[str, str]:
    """The URL's id and the rest of the path, of a path that begins with `PATH_PREFIX`."""
    url_id, slash, rest = path[len(PATH_PREFIX) :].partition("/")
    return url_id.lower(), slash + rest or "/"
