"""Provisioned concurrency: environments of a version that are kept initialised ahead of calls.

A configuration belongs to a published version or to an alias, which takes it along when it moves.
What is kept is only how many are wanted; how many stand is asked of the engine (`Allocator`), which
hears of every change through `runnable.targets`. (AWS Lambda developer guide, "Configuring
provisioned concurrency"; LAMBDA.md 49, 52–54.)
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.clock import Clock, iso8601
from lambent.control import answers
from lambent.control.bundle import Bundle, routed_versions
from lambent.control.concurrency import (
    MIN_UNRESERVED,
    provisioned_by,
    set_aside,
)
from lambent.control.names import (
    LATEST,
    FunctionRef,
    Scope,
    not_found_text,
    resolve,
    version_number,
)
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import (
    ListProvisionedConcurrency,
    ProvisionedFunction,
    PutProvisionedConcurrency,
)
from lambent.control.targets import Allocation, Allocator
from lambent.errors import (
    InvalidParameterValue,
    ProvisionedConcurrencyNotFound,
    ResourceConflict,
    ResourceNotFound,
    UntypedInvalidParameterValue,
)
from lambent.store.records import Alias, Provisioned

UNKNOWN: Final = "No Provisioned Concurrency Config found for this function"


class ProvisionedConcurrency:
    """Put, get, list and delete of provisioned concurrency configurations."""

    def __init__(self, registry: Registry, allocator: Allocator, clock: Clock, limit: int) -> None:
        self._registry = registry
        self._allocator = allocator
        self._clock = clock
        self._limit = limit

    async def put(
        self, scope: Scope, request: PutProvisionedConcurrency
    ) -> answers.ProvisionedAnswer:
        """PutProvisionedConcurrencyConfig; accepted at once, and the engine goes to work."""
        name, qualifier = _named(scope, request, "PutProvisionedConcurrencyConfig")
        if qualifier == LATEST:
            raise InvalidParameterValue(
                "Provisioned Concurrency Configs cannot be applied to unpublished function "
                "versions."
            )
        wanted = request.provisioned_concurrent_executions

        def rule(old: Bundle | None) -> tuple[Bundle, answers.ProvisionedAnswer]:
            bundle = _existing(scope, name, qualifier, old)
            bundle.refuse_tenants("Provisioned Concurrency is")
            if bundle.find(qualifier).configuration.capacity is not None:
                raise InvalidParameterValue(
                    "Provisioned concurrency is not for functions with a capacity provider. "
                    "PutFunctionScalingConfig says how many of their environments stand ready."
                )
            _check_conflicts(bundle, qualifier)
            self._check_quota(scope, bundle, qualifier, wanted)
            kept = Provisioned(requested=wanted, modified_ms=self._clock.time_ms())
            ready = min(self._allocation(bundle, qualifier).ready, wanted)
            # Whatever stands already, AWS says first that it is at work.
            answer = _answer(kept, Allocation(ready), status="IN_PROGRESS")
            return _with(bundle, {**bundle.function.provisioned, qualifier: kept}), answer

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: ProvisionedFunction) -> answers.ProvisionedAnswer:
        """GetProvisionedConcurrencyConfig."""
        name, qualifier = _named(scope, request, "GetProvisionedConcurrencyConfig")
        _check_published(qualifier)
        bundle = _existing(scope, name, qualifier, self._registry.get(scope, name))
        kept = bundle.function.provisioned.get(qualifier)
        if kept is None:
            raise ProvisionedConcurrencyNotFound(UNKNOWN)
        return _answer(kept, self._allocation(bundle, qualifier))

    async def list(
        self, scope: Scope, request: ListProvisionedConcurrency
    ) -> answers.ProvisionedList:
        """ListProvisionedConcurrencyConfigs of one function, by qualifier."""
        name = resolve(
            scope, request.function_name, operation="ListProvisionedConcurrencyConfigs"
        ).name
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        shown, marker = page(
            bundle.function.provisioned.items(),
            lambda item: [item[0]],
            request.marker,
            request.max_items,
        )
        return answers.ProvisionedList(
            provisioned_concurrency_configs=[
                _answer(kept, self._allocation(bundle, qualifier), arn=scope.arn(name, qualifier))
                for qualifier, kept in shown
            ],
            next_marker=marker,
        )

    async def delete(self, scope: Scope, request: ProvisionedFunction) -> None:
        """DeleteProvisionedConcurrencyConfig: none is as good as deleted."""
        name, qualifier = _named(scope, request, "DeleteProvisionedConcurrencyConfig")
        _check_published(qualifier)

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            bundle = _existing(scope, name, qualifier, old)
            return without_provisioned(bundle, qualifier), None

        await self._registry.change(scope, name, rule)

    def _allocation(self, bundle: Bundle, qualifier: str) -> Allocation:
        return self._allocator.allocation(
            *bundle.scope, bundle.function.name, _version(bundle, qualifier)
        )

    def _check_quota(self, scope: Scope, bundle: Bundle, qualifier: str, wanted: int) -> None:
        """A function with a reservation provisions out of it, any other out of the account's."""
        reserved = bundle.function.reserved_concurrency
        before = bundle.function.provisioned.get(qualifier)
        own = 0 if before is None else before.requested
        if reserved is not None:
            if provisioned_by(bundle) - own + wanted > reserved:
                raise InvalidParameterValue(
                    "Requested Provisioned Concurrency should not be greater than the "
                    "reservedConcurrentExecution for function"
                )
            return
        free = self._limit - set_aside(self._registry, scope) + own
        if wanted > free:
            raise UntypedInvalidParameterValue(
                "Specified ConcurrentExecutions for function is greater than account's "
                f"unreserved concurrency [{free}]."
            )
        if free - wanted < MIN_UNRESERVED:
            raise UntypedInvalidParameterValue(
                "Specified ConcurrentExecutions for function decreases account's "
                "UnreservedConcurrentExecution below its minimum value of "
                f"[{MIN_UNRESERVED}]."
            )


def check_move(bundle: Bundle, present: Alias, moved: Alias) -> None:
    """An alias takes its configuration along, but not to where there is one, nor to `$LATEST`."""
    if present.name not in bundle.function.provisioned or moved.version == present.version:
        return
    if moved.version == LATEST or moved.version in _provisioned_versions(bundle, present.name):
        raise InvalidParameterValue("Invalid alias configuration for Provisioned Concurrency")


def without_provisioned(bundle: Bundle, qualifier: str) -> Bundle:
    """The bundle less the configuration of a qualifier, if it has one."""
    kept = bundle.function.provisioned
    if qualifier not in kept:
        return bundle
    return _with(bundle, {q: each for q, each in kept.items() if q != qualifier})


def _named(
    scope: Scope, request: PutProvisionedConcurrency | ProvisionedFunction, operation: str
) -> tuple[str, str]:
    """Name and qualifier; the model requires a Qualifier, so there always is one."""
    ref: FunctionRef = resolve(scope, request.function_name, request.qualifier, operation=operation)
    return ref.name, ref.qualifier or LATEST


def _check_published(qualifier: str) -> None:
    if qualifier == LATEST:
        raise InvalidParameterValue(
            "The function resource provided must be an alias or a published version."
        )


def _existing(scope: Scope, name: str, qualifier: str, bundle: Bundle | None) -> Bundle:
    """The bundle, when it has such a version or alias."""
    if bundle is not None and qualifier in bundle.aliases:
        return bundle
    number = version_number(qualifier)
    if bundle is not None and number in bundle.versions:
        return bundle
    if bundle is not None and number is None:
        raise ResourceNotFound(f"Cannot find alias arn: {scope.arn(name, qualifier)}")
    raise ResourceNotFound(not_found_text(scope, name, qualifier))


def _check_conflicts(bundle: Bundle, qualifier: str) -> None:
    alias = bundle.aliases.get(qualifier)
    elsewhere = _provisioned_versions(bundle, qualifier)
    if alias is None:
        if qualifier in elsewhere:
            raise ResourceConflict("Version is pointed by a Provisioned Concurrency alias")
        return
    if alias.weights:
        raise InvalidParameterValue(
            "Alias with weights can not be used with Provisioned Concurrency"
        )
    if alias.version == LATEST:
        raise InvalidParameterValue(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    if routed_versions(alias) & elsewhere:
        raise ResourceConflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already "
            "Provisioned version"
        )


def _provisioned_versions(bundle: Bundle, but: str) -> set[str]:
    """The versions that configurations lead to, other than that of the qualifier `but`."""
    return {_version(bundle, q) for q in bundle.function.provisioned if q != but}


def _version(bundle: Bundle, qualifier: str) -> str:
    alias = bundle.aliases.get(qualifier)
    return qualifier if alias is None else alias.version


def _with(bundle: Bundle, provisioned: dict[str, Provisioned]) -> Bundle:
    return bundle.with_function(msgspec.structs.replace(bundle.function, provisioned=provisioned))


def _answer(
    kept: Provisioned, allocation: Allocation, *, status: str = "", arn: str = ""
) -> answers.ProvisionedAnswer:
    ready = min(allocation.ready, kept.requested)
    failed = bool(allocation.failure) and ready < kept.requested
    found = "READY" if ready >= kept.requested else "FAILED" if failed else "IN_PROGRESS"
    return answers.ProvisionedAnswer(
        function_arn=arn or msgspec.UNSET,
        requested_provisioned_concurrent_executions=kept.requested,
        available_provisioned_concurrent_executions=ready,
        allocated_provisioned_concurrent_executions=ready,
        status=status or found,
        status_reason=allocation.failure if failed and not status else msgspec.UNSET,
        last_modified=iso8601(kept.modified_ms),
    )
