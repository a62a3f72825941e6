"""The API as functions reach it: at their own loopback, where `AWS_ENDPOINT_URL_LAMBDA` points.

A sandbox sees nothing of the server's address; what its door (`engine/door`) does not know itself
comes here. With `auth = "sigv4"` a function may do what its role may: its credentials are judged
like anybody's. With `auth = "any"` nobody's are, and a function may invoke functions of its account
and nothing else, so that code which was only meant to run cannot change what exists.
"""

from __future__ import annotations

import re
from typing import Final

from lambent.api.app import App
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.clock import new_uuid
from lambent.control.targets import VersionTarget
from lambent.errors import AccessDenied, LambentError
from lambent.http.exchange import Exchange

_OPERATION: Final = re.compile(r"/20[0-9]{2}-[0-9]{2}-[0-9]{2}/")
"""Where every path of AWS Lambda begins, and none of the server's own pages."""
_INVOKE: Final = re.compile(
    r"/(2015-03-31/functions/[^/]+/invocations|2014-11-13/functions/[^/]+/invoke-async/?"
    r"|2021-11-15/functions/[^/]+/response-streaming-invocations)"
)


class FunctionCalls:
    def __init__(self, app: App, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    def handle(self, exchange: Exchange, caller: VersionTarget) -> None:
        """A request out of an environment of `caller`."""
        refusal = self._refusal(exchange, caller)
        if refusal is None:
            self._app.handle(exchange)
        else:
            respond_error(exchange, new_uuid(), AccessDenied(refusal))

    def _refusal(self, exchange: Exchange, caller: VersionTarget) -> str | None:
        if not _OPERATION.match(exchange.path):
            return "Functions reach AWS Lambda's API here, and none of the server's own pages."
        if self._authenticator.verifies:
            return None
        if exchange.method != "POST" or not _INVOKE.fullmatch(exchange.path):
            return (
                'With auth = "any" functions may invoke functions and do nothing else; with '
                'auth = "sigv4" they may do what their roles may.'
            )
        try:
            identity = self._authenticator.identify(
                exchange.headers.get(b"authorization"), exchange.query
            )
        except LambentError as error:
            return str(error)
        if identity.account != caller.account:
            return f"Functions of account {caller.account} may invoke its functions only."
        return None
