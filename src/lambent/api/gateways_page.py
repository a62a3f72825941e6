"""`/_lambent/gateways/`: what gateways there are, and `…/NAME` to GET, PUT and DELETE one.

Ours, beside AWS's API, where API Gateway and load balancers are services of their own; the same
credentials hold, and policies speak of `apigateway:PUT` and so on, as API Gateway's do. A gateway is put as one document (`control/gateways.GatewayConfig`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from lambent.api import callers
from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.clock import new_uuid
from lambent.control.gateways import Gateway, GatewayConfig, Gateways
from lambent.control.names import Scope
from lambent.errors import InvalidParameterValue, LambentError
from lambent.http.exchange import Exchange

PREFIX: Final = "/_lambent/gateways/"
JSON: Final = [(b"Content-Type", b"application/json")]
_LIMIT: Final = 1 << 20


class GatewaysPage:
    """Serves the paths above."""

    def __init__(
        self,
        gateways: Gateways,
        authenticator: Authenticator,
        access: Access,
        stages: Callable[[Gateway], dict[str, str]],
        changed: Callable[[str], None],
    ) -> None:
        self._gateways = gateways
        self._authenticator = authenticator
        self._access = access
        self._stages = stages
        self._changed = changed

    def handle(self, exchange: Exchange) -> None:
        exchange.read_all(_LIMIT, self._on_body)

    def _on_body(self, exchange: Exchange, body: bytes) -> None:
        exchange.spawn(self._serve(exchange, body))

    async def _serve(self, exchange: Exchange, body: bytes) -> None:
        try:
            name, method = unquote(_name(exchange)), exchange.method
            caller = callers.scope(
                self._authenticator,
                exchange,
                self._access,
                f"apigateway:{method}",
                f"arn:aws:apigateway:{{scope}}:/gateways/{name}",
                body,
            )
            found = await self._done(method, Scope(*caller), name, body)
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        exchange.respond(200, JSON, msgspec.json.encode(found))

    async def _done(self, method: str, scope: Scope, name: str, body: bytes) -> dict[str, Any]:
        if not name and method == "GET":
            return {"gateways": [self._facts(one) for one in self._gateways.all(scope)]}
        match method:
            case "GET":
                gateway = self._gateways.get(scope, name)
            case "PUT":
                gateway = await self._gateways.put(scope, name, _config(body))
            case "DELETE":
                gateway = await self._gateways.delete(scope, name)
            case _:
                raise InvalidParameterValue(f"{method} of a gateway means nothing")
        if method != "GET":
            self._changed(gateway.gateway_id)
        if method == "DELETE":
            return {"name": name, "id": gateway.gateway_id}
        return self._facts(gateway)

    def _facts(self, gateway: Gateway) -> dict[str, Any]:
        return {
            "name": gateway.name,
            "id": gateway.gateway_id,
            "urls": self._stages(gateway),
            "config": msgspec.to_builtins(gateway.config),
        }


def _name(exchange: Exchange) -> str:
    return exchange.path[len(PREFIX) :]


def _config(body: bytes) -> GatewayConfig:
    try:
        return msgspec.json.decode(body, type=GatewayConfig)
    except msgspec.MsgspecError as error:
        raise InvalidParameterValue(f"not a gateway: {error}") from None
