"""Web pages must not reach a server that accepts every credential.

With `auth = "any"` any page that its visitor opens could send a plain POST to 127.0.0.1 and so
create a function, that is, run code. Browsers say where a request comes from; SDKs, the AWS CLI
and curl say nothing of the kind. There are no CORS answers either.
"""

from __future__ import annotations

from typing import Final

from lambent.errors import AccessDenied
from lambent.http.headers import Headers

_LOOPBACK: Final = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
LOOPBACK_PEERS: Final = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
"""Addresses of clients on this machine."""
_OWN_SITES: Final = frozenset({None, b"same-origin", b"none"})


def refuse_foreign_pages(headers: Headers) -> None:
    """Raises `AccessDenied` for a request of another origin's page.

    The host must be a loopback name too: a page whose own name resolves to 127.0.0.1 (DNS
    rebinding) is of the same origin as far as the browser knows.
    """
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if origin is None and site is None:
        return
    host = headers.get(b"host") or b""
    own = origin is None or origin.partition(b"//")[2] == host
    name = host.rpartition(b":")[0] if not host.endswith(b"]") and b":" in host else host
    if not own or site not in _OWN_SITES or name not in _LOOPBACK:
        raise AccessDenied("Web pages of another origin may not call this server.")
