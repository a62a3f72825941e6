"""The Extensions API over HTTP: `/2020-01-01/extension/…`, translated for `Extensions`.

(AWS Lambda developer guide, "Lambda Extensions API reference": register, next, init/error,
exit/error.)
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.engine.door import JSON, Door, refuse
from lambent.engine.extensions import INVOKE, SHUTDOWN, Act, Extension, Extensions, Forbidden
from lambent.http.exchange import Exchange

PREFIX: Final = "/2020-01-01/extension/"
NAME: Final = b"lambda-extension-name"
IDENTIFIER: Final = b"lambda-extension-identifier"
FEATURE: Final = b"lambda-extension-accept-feature"
ERROR_TYPE: Final = b"lambda-extension-function-error-type"
BODY_LIMIT: Final = 256 * 1024


class _Registration(msgspec.Struct):
    events: tuple[str, ...] = ()


class _Failure(msgspec.Struct):
    errorMessage: str = ""  # noqa: N815  AWS's name


class ExtensionApi:
    """Requests of one environment's extensions."""

    def __init__(self, extensions: Extensions, door: Door) -> None:
        self._extensions = extensions
        door.route(PREFIX, self._handle)

    def _handle(self, exchange: Exchange) -> None:
        verb = exchange.path[len(PREFIX) :]
        try:
            if exchange.method == "POST" and verb == "register":
                exchange.read_all(BODY_LIMIT, self._register)
            elif exchange.method == "GET" and verb == "event/next":
                self._extensions.next(identify(self._extensions, exchange), exchange)
            elif exchange.method == "POST" and verb in {"init/error", "exit/error"}:
                exchange.read_all(BODY_LIMIT, self._failure)
            else:
                refuse(exchange, 404, "NotFound", f"no such path: {exchange.path}")
        except Forbidden as error:
            refuse(exchange, 403, error.kind, str(error))

    def _register(self, exchange: Exchange, body: bytes) -> None:
        try:
            events = msgspec.json.decode(body or b"{}", type=_Registration).events
        except (msgspec.DecodeError, UnicodeDecodeError):
            refuse(exchange, 400, "InvalidRequestFormat", "the body is no registration")
            return
        unknown = [event for event in events if event not in {INVOKE, SHUTDOWN}]
        if unknown:
            refuse(exchange, 400, "Extension.InvalidEventType", "events are INVOKE and SHUTDOWN")
            return
        name = (exchange.headers.get(NAME) or b"").decode("latin-1")
        try:
            member = self._extensions.register(name, events)
        except Forbidden as error:
            refuse(exchange, 403, error.kind, str(error))
            return
        target = self._extensions.target
        answer = {
            "functionName": target.function_name,
            "functionVersion": target.version,
            "handler": target.handler or "",
        }
        if b"accountId" in (exchange.headers.get(FEATURE) or b""):
            answer["accountId"] = target.account
        headers = [JSON, (b"Lambda-Extension-Identifier", member.id.encode())]
        exchange.respond(200, headers, msgspec.json.encode(answer))

    def _failure(self, exchange: Exchange, body: bytes) -> None:
        act = Act.INIT_ERROR if exchange.path.endswith("init/error") else Act.EXIT_ERROR
        kind = (exchange.headers.get(ERROR_TYPE) or b"").decode("latin-1")
        if not kind:
            refuse(exchange, 403, "Extension.MissingHeader", "the error's type is not named")
            return
        try:
            message = msgspec.json.decode(body or b"{}", type=_Failure).errorMessage
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = ""
        try:
            member = identify(self._extensions, exchange)
            exchange.respond(202, [JSON], b'{"status":"OK"}\n')
            self._extensions.failed(member, act, f"{kind}: {message}" if message else kind)
        except Forbidden as error:
            if not exchange.gone:
                refuse(exchange, 403, error.kind, str(error))


def identify(extensions: Extensions, exchange: Exchange) -> Extension:
    """The extension that asks; raises `Forbidden`."""
    given = (exchange.headers.get(IDENTIFIER) or b"").decode("latin-1")
    if not given:
        raise Forbidden(
            "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header"
        )
    if len(given) != 36:
        raise Forbidden("Extension.InvalidExtensionIdentifier", "Invalid identifier")
    return extensions.by_id(given)
