"""Reserved concurrency: a function's own part of the account's limit, which is also its ceiling."""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.control import answers
from lambent.control.bundle import Bundle
from lambent.control.names import LATEST, Scope, not_found_text, unqualified
from lambent.control.registry import Registry
from lambent.control.requests import PutFunctionConcurrency, UnqualifiedFunction
from lambent.errors import ResourceNotFound, UntypedInvalidParameterValue

MIN_UNRESERVED: Final = 100
"""What the functions without a reservation keep between them."""


class Concurrency:
    """PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency."""

    def __init__(self, registry: Registry, limit: int) -> None:
        self._registry = registry
        self._limit = limit

    async def put(self, scope: Scope, request: PutFunctionConcurrency) -> answers.ConcurrencyAnswer:
        """Reserve; nothing is a reservation too, and stops the function."""
        name = unqualified(scope, request.function_name, operation="PutFunctionConcurrency")
        wanted = request.reserved_concurrent_executions

        def rule(old: Bundle | None) -> tuple[Bundle, answers.ConcurrencyAnswer]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name, LATEST))
            others = reserved(self._registry, scope) - (old.function.reserved_concurrency or 0)
            if wanted and self._limit - others - wanted < MIN_UNRESERVED:
                raise UntypedInvalidParameterValue(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    "UnreservedConcurrentExecution below its minimum value of "
                    f"[{MIN_UNRESERVED}]."
                )
            return _with_reservation(old, wanted), answers.concurrency(wanted)

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: UnqualifiedFunction) -> answers.ConcurrencyAnswer:
        """The reservation; nothing at all when there is none."""
        name = unqualified(scope, request.function_name, operation="GetFunctionConcurrency")
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        return answers.concurrency(bundle.function.reserved_concurrency)

    async def delete(self, scope: Scope, request: UnqualifiedFunction) -> None:
        name = unqualified(scope, request.function_name, operation="DeleteFunctionConcurrency")

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            return _with_reservation(old, None), None

        await self._registry.change(scope, name, rule)


def reserved(registry: Registry, scope: Scope) -> int:
    """What all functions of an account and region reserve together."""
    return sum(bundle.function.reserved_concurrency or 0 for bundle in registry.all(scope))


def _with_reservation(bundle: Bundle, value: int | None) -> Bundle:
    return bundle.with_function(
        msgspec.structs.replace(bundle.function, reserved_concurrency=value)
    )
