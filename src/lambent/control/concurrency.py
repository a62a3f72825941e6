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
            check_covers_provisioned(old, wanted)
            others = set_aside(self._registry, scope) - set_aside_by(old)
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


def check_covers_provisioned(bundle: Bundle, wanted: int) -> None:
    """A reservation holds all that is provisioned of its function (LAMBDA.md 54)."""
    provisioned = provisioned_by(bundle)
    if wanted < provisioned:
        raise UntypedInvalidParameterValue(
            f" ReservedConcurrentExecutions  {wanted} should not be lower than function's total "
            f"provisioned concurrency [{provisioned}]."
        )


def provisioned_by(bundle: Bundle) -> int:
    """What is provisioned of all its versions and aliases."""
    return sum(kept.requested for kept in bundle.function.provisioned.values())


def set_aside_by(bundle: Bundle) -> int:
    """What one function keeps from the others: its reservation, or else what is provisioned."""
    reserved = bundle.function.reserved_concurrency
    return provisioned_by(bundle) if reserved is None else reserved


def set_aside(registry: Registry, scope: Scope) -> int:
    """The same for all functions of an account and region together."""
    return sum(set_aside_by(bundle) for bundle in registry.all(scope))


def _with_reservation(bundle: Bundle, value: int | None) -> Bundle:
    return bundle.with_function(
        msgspec.structs.replace(bundle.function, reserved_concurrency=value)
    )
