"""PutFunctionRecursionConfig and its reading: whether a loop of invokes is stopped at 16 hops.

`runnable` tells the engine, which does the counting.
"""

from __future__ import annotations

from typing import Any

from lambent.control.attachments import changed
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, not_found_text, unqualified
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import ResourceNotFound


class PutRecursion(Request, frozen=True, kw_only=True):
    function_name: str
    recursive_loop: Any


class GetRecursion(Request, frozen=True, kw_only=True):
    function_name: str


class Recursion:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def put(self, scope: Scope, request: PutRecursion) -> dict[str, str]:
        name = unqualified(scope, request.function_name, operation="PutFunctionRecursionConfig")

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, str]]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            wanted = request.recursive_loop
            return changed(old, recursive_loop=wanted), {"RecursiveLoop": wanted}

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: GetRecursion) -> dict[str, str]:
        name = unqualified(scope, request.function_name, operation="GetFunctionRecursionConfig")
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        return {"RecursiveLoop": bundle.function.recursive_loop}
