"""AddPermission, RemovePermission, GetPolicy: who may invoke a function, version or alias.

Policies are per qualifier and share the RevisionId of what they stand on (LAMBDA.md 45–47; AWS
Lambda developer guide, "Working with resource-based IAM policies in Lambda").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from lambent.control import policies
from lambent.control.attachments import changed, place, renewed, require, revision
from lambent.control.bundle import Bundle
from lambent.control.names import LATEST, Scope, not_found_text, resolve
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.policies import Policy
from lambent.store.records import FunctionPolicy

ABSENT: Final = "The resource you requested does not exist."


class AddPermission(Request, frozen=True, kw_only=True):
    function_name: str
    statement_id: str
    action: str
    principal: str
    source_arn: str | None = None
    function_url_auth_type: str | None = None
    invoked_via_function_url: bool | None = None
    source_account: str | None = None
    event_source_token: str | None = None
    qualifier: str | None = None
    revision_id: str | None = None
    principal_org_id: str | None = msgspec.field(name="PrincipalOrgID", default=None)


class RemovePermission(Request, frozen=True, kw_only=True):
    function_name: str
    statement_id: str
    qualifier: str | None = None
    revision_id: str | None = None


class GetPolicy(Request, frozen=True, kw_only=True):
    function_name: str
    qualifier: str | None = None


class Permissions:
    """The policies of functions, statement by statement."""

    def __init__(self, registry: Registry, new_id: Callable[[], str]) -> None:
        self._registry = registry
        self._new_id = new_id

    async def add(self, scope: Scope, request: AddPermission) -> dict[str, str]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="AddPermission"
        )
        if qualifier == LATEST:
            raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, str]]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name, qualifier))
            require(old, qualifier)
            new = _statement(scope, request, scope.arn(name, qualifier))
            grown = policies.added(
                _policy(old, qualifier)
                or Policy(revision_id=revision(old, qualifier), statements=()),
                new,
                self._new_id,
                revision_id=request.revision_id,
                getter="GetPolicy",
            )
            policies.check_length(policies.document(grown))
            bundle = _with_policy(old, qualifier, grown)
            return renewed(bundle, qualifier, self._new_id), {"Statement": policies.text(new)}

        return await self._registry.change(scope, name, rule)

    async def remove(self, scope: Scope, request: RemovePermission) -> None:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="RemovePermission"
        )

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None:
                raise ResourceNotFound(f"No policy found for: {scope.arn(name, qualifier)}")
            require(old, qualifier)
            left = policies.removed(
                _policy(old, qualifier),
                request.statement_id,
                self._new_id,
                revision_id=request.revision_id,
                getter="GetPolicy",
            )
            bundle = _with_policy(old, qualifier, left)
            return renewed(bundle, qualifier, self._new_id), None

        await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: GetPolicy) -> dict[str, str]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="GetPolicy"
        )
        return shown(self._registry.get(scope, name), qualifier)


def shown(bundle: Bundle | None, qualifier: str | None) -> dict[str, str]:
    """What GetPolicy and GetResourcePolicy answer; raises their 404."""
    policy = None if bundle is None else _policy(bundle, qualifier)
    if bundle is None or policy is None:
        raise ResourceNotFound(ABSENT)
    given = bundle.function.policies[place(qualifier)].document
    return {"Policy": given or policies.document(policy), "RevisionId": policy.revision_id}


def _policy(bundle: Bundle, qualifier: str | None) -> Policy | None:
    kept = bundle.function.policies.get(place(qualifier))
    if kept is None:
        return None
    return Policy(revision_id=revision(bundle, qualifier), statements=kept.statements)


def _with_policy(bundle: Bundle, qualifier: str | None, policy: Policy | None) -> Bundle:
    kept = {k: v for k, v in bundle.function.policies.items() if k != place(qualifier)}
    if policy is not None:
        kept[place(qualifier)] = FunctionPolicy(statements=policy.statements)
    return changed(bundle, policies=kept)


def _statement(scope: Scope, request: AddPermission, resource: str) -> dict[str, Any]:
    policies.check_principal(request.principal)
    who = policies.principal(scope, request.principal)
    if request.function_url_auth_type and request.action != "lambda:InvokeFunctionUrl":
        raise InvalidParameterValue(
            "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
        )
    condition: dict[str, dict[str, Any]] = {}
    equals = {
        "AWS:SourceAccount": request.source_account,
        "lambda:FunctionUrlAuthType": request.function_url_auth_type,
        "aws:PrincipalOrgID": request.principal_org_id,
        "lambda:EventSourceToken": request.event_source_token,
    }
    if given := {key: value for key, value in equals.items() if value}:
        condition["StringEquals"] = given
    if request.source_arn:
        condition["ArnLike"] = {"AWS:SourceArn": request.source_arn}
    if request.invoked_via_function_url is not None:
        shown = "true" if request.invoked_via_function_url else "false"
        condition["Bool"] = {"lambda:InvokedViaFunctionUrl": shown}
    return policies.statement(request.statement_id, who, request.action, resource, condition)
