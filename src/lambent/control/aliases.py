"""Aliases: names for versions, and the share of calls that a second version gets."""

from __future__ import annotations

from collections.abc import Callable

from lambent.control import answers, revisions
from lambent.control.attachments import without
from lambent.control.bundle import Bundle, routed_versions
from lambent.control.names import LATEST, Scope, not_found_text, resolve, unqualified
from lambent.control.paging import page
from lambent.control.provisioned import check_move, without_provisioned
from lambent.control.registry import Registry
from lambent.control.requests import (
    CreateAlias,
    ListAliases,
    NamedAlias,
    RoutingConfig,
    UpdateAlias,
)
from lambent.errors import (
    InvalidParameterValue,
    ResourceConflict,
    ResourceNotFound,
    UntypedInvalidParameterValue,
)
from lambent.store.records import Alias


class Aliases:
    """What can be done with the aliases of a function."""

    def __init__(self, registry: Registry, new_id: Callable[[], str]) -> None:
        self._registry = registry
        self._new_id = new_id

    async def create(self, scope: Scope, request: CreateAlias) -> answers.AliasConfiguration:
        """CreateAlias."""
        name = unqualified(scope, request.function_name, operation="CreateAlias")
        alias = Alias(
            name=request.name,
            version=request.function_version,
            description=request.description or "",
            weights=_weights(request.routing_config) or {},
            revision_id=self._new_id(),
        )

        def rule(old: Bundle | None) -> tuple[Bundle, answers.AliasConfiguration]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name, request.function_version))
            if request.name in old.aliases:
                raise ResourceConflict(f"Alias already exists: {old.arn}:{request.name}")
            _check(old, alias)
            return old.with_alias(alias), answers.alias(scope, name, alias)

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: NamedAlias) -> answers.AliasConfiguration:
        """GetAlias."""
        name = unqualified(scope, request.function_name, operation="GetAlias")
        bundle = self._registry.get(scope, name)
        alias = None if bundle is None else bundle.aliases.get(request.name)
        if alias is None:
            raise ResourceNotFound(f"Cannot find alias arn: {scope.arn(name, request.name)}")
        return answers.alias(scope, name, alias)

    async def update(self, scope: Scope, request: UpdateAlias) -> answers.AliasConfiguration:
        """UpdateAlias: only what is named changes; an empty routing removes the second version."""
        name = unqualified(scope, request.function_name, operation="UpdateAlias")

        def rule(old: Bundle | None) -> tuple[Bundle, answers.AliasConfiguration]:
            present = None if old is None else old.aliases.get(request.name)
            if old is None or present is None:
                raise ResourceNotFound(f"Alias not found: {scope.arn(name, request.name)}")
            revisions.check(request.revision_id, present.revision_id)
            alias = self._changed(present, request)
            _check(old, alias)
            check_move(old, present, alias)
            return old.with_alias(alias), answers.alias(scope, name, alias)

        return await self._registry.change(scope, name, rule)

    async def delete(self, scope: Scope, request: NamedAlias) -> None:
        """DeleteAlias: one that does not exist is as good as deleted."""
        name = unqualified(scope, request.function_name, operation="DeleteAlias")

        def rule(old: Bundle | None) -> tuple[Bundle | None, None]:
            if old is None or request.name not in old.aliases:
                return old, None
            gone = without(without_provisioned(old, request.name), request.name)
            return gone.without_alias(request.name), None

        await self._registry.change(scope, name, rule)

    async def list(self, scope: Scope, request: ListAliases) -> answers.AliasList:
        """ListAliases, all or those that send calls to one version."""
        name = resolve(scope, request.function_name, operation="ListAliases").name
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        wanted = request.function_version
        found = [
            alias
            for alias in bundle.aliases.values()
            if wanted is None or wanted in routed_versions(alias)
        ]
        shown, marker = page(found, lambda a: [a.name], request.marker, request.max_items)
        return answers.AliasList(
            aliases=[answers.alias(scope, name, alias) for alias in shown], next_marker=marker
        )

    def _changed(self, present: Alias, request: UpdateAlias) -> Alias:
        weights = _weights(request.routing_config)
        return Alias(
            name=present.name,
            version=request.function_version or present.version,
            description=(
                present.description if request.description is None else request.description
            ),
            weights=present.weights if weights is None else weights,
            revision_id=self._new_id(),
        )


def _weights(routing: RoutingConfig | None) -> dict[str, float] | None:
    """None when the request says nothing about routing."""
    return None if routing is None else (routing.additional_version_weights or {})


def _check(bundle: Bundle, alias: Alias) -> None:
    """Every version exists, and the routing makes sense (LAMBDA.md 36, 37)."""
    if len(alias.weights) > 1:
        raise InvalidParameterValue(
            "Number of items in AdditionalVersionWeights cannot be greater than 1"
        )
    if alias.weights and LATEST in routed_versions(alias):
        raise UntypedInvalidParameterValue(
            "$LATEST is not supported for an alias pointing to more than 1 version"
        )
    if alias.version in alias.weights:
        raise InvalidParameterValue(
            f"Invalid function version {alias.version}. Function version {alias.version} is "
            "already included in routing configuration."
        )
    for version in (alias.version, *alias.weights):
        bundle.find(version)
