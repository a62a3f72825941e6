"""PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: a whole policy as one JSON document.

It is the same policy that AddPermission grows, so a put replaces what was added before. A document
that would let everybody in is refused (AWS: PublicPolicyException); the exception are statements
about function URLs, which are public by their own AuthType.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from lambent.control import policies
from lambent.control.attachments import changed, has, place, renewed, revision
from lambent.control.bundle import Bundle
from lambent.control.names import LATEST, FunctionRef, Scope, not_found_text, resolve
from lambent.control.permissions import ABSENT, shown
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.errors import (
    InvalidParameterValue,
    PublicPolicy,
    ResourceNotFound,
)
from lambent.store.policies import Policy
from lambent.store.records import FunctionPolicy

_RESTRICTING: Final = frozenset(
    {
        "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths",
        "aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount",
        "aws:principalarn", "aws:userid", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceip",
        "lambda:eventsourcetoken", "lambda:functionurlauthtype", "lambda:invokedviafunctionurl",
    }
)  # fmt: skip
"""Condition keys, in lower case, that name who is meant after all."""


class PutResourcePolicy(Request, frozen=True, kw_only=True):
    resource_arn: str
    policy: str
    revision_id: str | None = None


class NamedResourcePolicy(Request, frozen=True, kw_only=True):
    """GetResourcePolicy, DeleteResourcePolicy."""

    resource_arn: str
    revision_id: str | None = None


class ResourcePolicies:
    """The policies of functions, document by document."""

    def __init__(self, registry: Registry, new_id: Callable[[], str]) -> None:
        self._registry = registry
        self._new_id = new_id

    async def put(self, scope: Scope, request: PutResourcePolicy) -> dict[str, str]:
        name, qualifier = _target(scope, request.resource_arn, "PutResourcePolicy")
        if qualifier == LATEST:
            raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")
        statements = _statements(request.policy, scope.arn(name, qualifier))

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, str]]:
            if old is None or not has(old, qualifier):
                raise ResourceNotFound(not_found_text(scope, name, qualifier))
            policies.check_revision(
                Policy(revision_id=revision(old, qualifier), statements=()),
                request.revision_id,
                "GetResourcePolicy",
            )
            new = FunctionPolicy(statements=statements, document=request.policy)
            kept = {**old.function.policies, place(qualifier): new}
            bundle = renewed(changed(old, policies=kept), qualifier, self._new_id)
            return bundle, {"Policy": request.policy, "RevisionId": revision(bundle, qualifier)}

        return await self._registry.change(scope, name, rule)

    async def get(self, scope: Scope, request: NamedResourcePolicy) -> dict[str, str]:
        name, qualifier = _target(scope, request.resource_arn, "GetResourcePolicy")
        return shown(self._registry.get(scope, name), qualifier)

    async def delete(self, scope: Scope, request: NamedResourcePolicy) -> None:
        name, qualifier = _target(scope, request.resource_arn, "DeleteResourcePolicy")

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None or place(qualifier) not in old.function.policies:
                raise ResourceNotFound(ABSENT)
            policies.check_revision(
                Policy(revision_id=revision(old, qualifier), statements=()),
                request.revision_id,
                "GetResourcePolicy",
            )
            kept = {k: v for k, v in old.function.policies.items() if k != place(qualifier)}
            return renewed(changed(old, policies=kept), qualifier, self._new_id), None

        await self._registry.change(scope, name, rule)


def _target(scope: Scope, arn: str, operation: str) -> FunctionRef:
    if ":runtime/" in arn:
        raise ResourceNotFound(ABSENT)
    return resolve(scope, arn, operation=operation)


def _statements(policy: str, resource: str) -> tuple[dict[str, Any], ...]:
    """The document's statements; raises for what is no policy, or a public one."""
    policies.check_length(policy)
    try:
        read = msgspec.json.decode(policy, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidParameterValue("The policy is not a valid JSON document.") from None
    found = read.get("Statement")
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not statements:
        raise InvalidParameterValue("The policy has no statement.")
    for statement in statements:
        _check(statement, resource)
    return tuple(statements)


def _check(statement: Any, resource: str) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in {"Allow", "Deny"}:
        raise InvalidParameterValue("Every statement of a policy needs the Effect Allow or Deny.")
    for member in ("Principal", "Action"):
        if not statement.get(member) and not statement.get(f"Not{member}"):
            raise InvalidParameterValue(f"Every statement of a policy needs a {member}.")
    named = statement.get("Resource", resource)
    if any(each != resource for each in (named if isinstance(named, list) else [named])):
        raise InvalidParameterValue(f"The policy's Resource must be {resource}.")
    if statement["Effect"] == "Allow" and _is_for_everybody(statement):
        raise PublicPolicy(
            "The resource-based policy you tried to add to the Lambda resource would grant public "
            "access to it, which isn't allowed."
        )


def _is_for_everybody(statement: Mapping[str, Any]) -> bool:
    """Whether nothing says who is meant."""
    who = statement.get("Principal", "*")  # NotPrincipal with Allow is everybody else
    names = who.get("AWS", ()) if isinstance(who, dict) else who
    if "*" not in (names if isinstance(names, list) else [names]):
        return False
    condition = statement.get("Condition")
    operators = condition.values() if isinstance(condition, dict) else ()
    return not any(
        key.lower() in _RESTRICTING and value not in ("*", ["*"])
        for keys in operators
        if isinstance(keys, dict)
        for key, value in keys.items()
    )
