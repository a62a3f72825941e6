"""The Telemetry API and the older Logs API over HTTP: subscriptions, checked as AWS checks them.

`PUT /2022-07-01/telemetry` and `PUT /2020-08-15/logs`, while Init runs, by registered extensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from lambent.engine.door import Door, refuse
from lambent.engine.extension_api import identify
from lambent.engine.extensions import Extensions, Forbidden
from lambent.engine.telemetry import Destination, Kind, Telemetry, Wanted
from lambent.http.exchange import Exchange

TELEMETRY: Final = "/2022-07-01/telemetry"
LOGS: Final = "/2020-08-15/logs"
BODY_LIMIT: Final = 64 * 1024
HOSTS: Final = frozenset({"sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"})
RESERVED_PORTS: Final = frozenset({9001, 2000})


class _Buffering(msgspec.Struct, rename="camel"):
    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000


class _Destination(msgspec.Struct):
    protocol: Literal["HTTP", "TCP"]
    URI: str | None = None
    port: int | None = None
    method: Literal["POST", "PUT"] = "POST"
    encoding: Literal["JSON"] = "JSON"


class _Subscription(msgspec.Struct, rename="camel"):
    destination: _Destination
    types: frozenset[Kind]
    schema_version: str = ""
    buffering: _Buffering = msgspec.field(default_factory=_Buffering)


SCHEMAS: Final = {
    TELEMETRY: ("2022-07-01", "2022-12-13", "2025-01-29"),
    LOGS: ("2020-08-15", "2021-03-18"),
}
_BOUNDS: Final = {
    "max_items": (1_000, 10_000),
    "max_bytes": (262_144, 1_048_576),
    "timeout_ms": (25, 30_000),
}


class TelemetryApi:
    """Requests of one environment's extensions."""

    def __init__(
        self, extensions: Extensions, telemetry: Callable[[], Telemetry], door: Door
    ) -> None:
        self._extensions = extensions
        self._telemetry = telemetry
        for prefix in (TELEMETRY, LOGS):
            door.route(prefix, self._handle)

    def _handle(self, exchange: Exchange) -> None:
        if exchange.method == "PUT" and exchange.path in SCHEMAS:
            exchange.read_all(BODY_LIMIT, self._subscribe)
        else:
            refuse(exchange, 404, "NotFound", f"no such path: {exchange.path}")

    def _subscribe(self, exchange: Exchange, body: bytes) -> None:
        kind = "Telemetry" if exchange.path == TELEMETRY else "Logs"
        invalid = "ValidationError" if exchange.path == TELEMETRY else "Logs.ValidationError"
        try:
            member = identify(self._extensions, exchange)
            self._extensions.check_open(f"{kind}.SubscriptionClosed")
            wanted = _wanted(exchange.path, member.name, body)
        except Forbidden as error:
            refuse(exchange, 403, error.kind, str(error))
        except (ValueError, msgspec.DecodeError) as error:
            refuse(exchange, 400, invalid, str(error).replace('"', "'"))
        else:
            self._telemetry().subscribe(wanted)
            exchange.respond(200, [(b"content-type", b"text/plain")], b"OK")


def _wanted(path: str, name: str, body: bytes) -> Wanted:
    """Raises `ValueError` with everything that is wrong, as AWS lists it."""
    asked = msgspec.json.decode(body, type=_Subscription)
    schema = asked.schema_version or (SCHEMAS[LOGS][0] if path == LOGS else "")
    destination, wrong = _destination(asked.destination)
    if not asked.types:
        wrong.append("types should not be empty")
    if schema not in SCHEMAS[path]:
        wrong.append(f"schemaVersion should be one of {', '.join(SCHEMAS[path])}")
    for field, (least, most) in _BOUNDS.items():
        if not least <= getattr(asked.buffering, field) <= most:
            wrong.append(f"buffering.{_camel(field)} should be between {least} and {most}")
    if wrong:
        raise ValueError("; ".join(wrong))
    return Wanted(
        name=name,
        types=asked.types,
        destination=destination,
        max_items=asked.buffering.max_items,
        max_bytes=asked.buffering.max_bytes,
        timeout_s=asked.buffering.timeout_ms / 1000,
        logs_api=schema if path == LOGS else "",
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _destination(asked: _Destination) -> tuple[Destination, list[str]]:
    """Where to, and what is wrong with it."""
    wrong: list[str] = []
    port, path = asked.port, "/"
    if asked.protocol == "HTTP":
        port, path = _of_uri(asked.URI, wrong)
    elif port is None:
        wrong.append("port is not provided")
    if port is not None and (not 0 < port < 65_536 or port in RESERVED_PORTS):
        wrong.append("port is not allowed")
    return Destination(asked.protocol, port or 0, path, asked.method), wrong


def _of_uri(uri: str | None, wrong: list[str]) -> tuple[int | None, str]:
    """Port and path; the host can only be the sandbox itself."""
    try:
        address = urlsplit(uri or "")
        port = address.port
    except ValueError:
        wrong.append("URI port is not a number")
        return None, "/"
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    if not uri:
        wrong.append("URI is not provided")
    elif address.scheme != "http":
        wrong.append("URI scheme should be http")
    elif address.hostname not in HOSTS:
        wrong.append("URI host should be sandbox.localdomain")
    elif port is None:
        wrong.append("URI port is not provided")
    if any(character <= " " or character > "~" for character in path):
        wrong.append("URI has characters that are not allowed")
    return port, path
