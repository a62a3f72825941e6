"""The public keys of token issuers: found as OpenID Connect says, kept, and found again.

`<issuer>/.well-known/openid-configuration` names the key set; the setting `jwt_keys` may name it
instead, as a file or an address. Without that an issuer is a stranger's word: only https, only
addresses of the public Internet, no redirects, and the address that was checked is the one that is
connected to. Keys are kept for two hours, as on AWS; a token with a key that is not known makes us
look again, once a minute at most. (OpenID Connect Discovery 1.0.)
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import structlog
import urllib3

from lambent.clock import Clock
from lambent.gateway.jwt import InvalidToken, Key, read_keys

log = structlog.get_logger()

KEPT_S: Final = 7_200.0
AGAIN_S: Final = 60.0
FETCH_S: Final = 5.0
LARGEST: Final = 1 << 20
ISSUERS_MAX: Final = 1_000
DISCOVERY: Final = "/.well-known/openid-configuration"
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
UNREACHABLE: Final = "OIDC discovery endpoint communication error"


class Unreachable(Exception):  # noqa: N818  says what it is
    """An issuer's keys could not be had; the text is for the server's log."""


@dataclass(slots=True)
class _Known:
    """What is known of one issuer."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    asked: float | None = None
    """When its keys were asked for last; monotonic seconds."""
    had: float | None = None
    """When they came."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """All issuers of a server."""

    def __init__(self, clock: Clock, places: Mapping[str, str]) -> None:
        """`places`: issuer → where its owner says that its keys are."""
        self._clock = clock
        self._places = places
        self._known: dict[str, _Known] = {}

    async def key(self, issuer: str, kid: str) -> Key | None:
        """Raises `InvalidToken` when the issuer's keys cannot be had at all."""
        known = self._known.get(issuer)
        if known is None:
            if len(self._known) >= ISSUERS_MAX:
                self._known.clear()
            known = self._known[issuer] = _Known()
        if self._stale(known) or (kid not in known.keys and self._may_ask(known)):
            async with known.lock:  # one question, however many wait for its answer
                if self._stale(known) or (kid not in known.keys and self._may_ask(known)):
                    await self._ask(issuer, known)
        if known.had is None:
            raise InvalidToken(UNREACHABLE)
        return known.keys.get(kid)

    def _stale(self, known: _Known) -> bool:
        now = self._clock.monotonic()
        return (known.had is None or now - known.had >= KEPT_S) and self._may_ask(known)

    def _may_ask(self, known: _Known) -> bool:
        return known.asked is None or self._clock.monotonic() - known.asked >= AGAIN_S

    async def _ask(self, issuer: str, known: _Known) -> None:
        try:
            found = await asyncio.to_thread(_fetch, issuer, self._places.get(issuer))
        except (Unreachable, OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            log.warning("jwt.keys_not_had", issuer=issuer, why=str(error) or type(error).__name__)
        else:
            known.keys, known.had = found, self._clock.monotonic()
        # Only now: who comes meanwhile waits for the answer instead of going without.
        known.asked = self._clock.monotonic()


def _fetch(issuer: str, place: str | None) -> dict[str, Key]:
    """Blocking."""
    if place is not None and not place.startswith(("http://", "https://")):
        return read_keys(msgspec.json.decode(Path(place).expanduser().read_bytes()))
    if place is None:
        found = _get(issuer.rstrip("/") + DISCOVERY, trusted=False)
        place = found.get("jwks_uri") if isinstance(found, dict) else None
        if not isinstance(place, str):
            raise Unreachable("its discovery document names no jwks_uri")
        return read_keys(_get(place, trusted=False))
    return read_keys(_get(place, trusted=True))


def _get(url: str, *, trusted: bool) -> Any:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme != "https" and not trusted:
        raise Unreachable(f"{url} is not https")
    address = host if trusted else _public(host, port)
    pool: urllib3.HTTPConnectionPool
    if parts.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            address, port, server_hostname=host, assert_hostname=host, cert_reqs="CERT_REQUIRED"
        )
    else:
        pool = urllib3.HTTPConnectionPool(address, port)
    with pool:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = pool.urlopen(
            "GET", target, headers={"Host": parts.netloc.rpartition("@")[2]}, redirect=False,
            retries=False, timeout=FETCH_S, preload_content=False,
        )  # fmt: skip
        body = _read(answer)
    if answer.status != 200 or len(body) > LARGEST:
        raise Unreachable(f"{url} answered {answer.status} with {len(body)} bytes")
    return msgspec.json.decode(body)


def _read(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Its body, in bounded size and time; one byte more than allowed says that it is too much."""
    end, body = time.monotonic() + FETCH_S, b""
    while len(body) <= LARGEST and (piece := answer.read1(LARGEST, decode_content=False)):
        body += piece
        if time.monotonic() > end:
            raise Unreachable("its answer took too long")
    answer.close()
    return body


def _public(host: str, port: int) -> str:
    """An address of the public Internet that the name stands for; all that it has must be."""
    found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in found:
        if not _is_public(ipaddress.ip_address(str(address).partition("%")[0])):
            raise Unreachable(f"{host} is not on the public Internet: name it in jwt_keys")
    return str(min(found))


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address.sixtofour or address.teredo or address in _NAT64:  # others behind it
            return False
    return address.is_global and not address.is_multicast
