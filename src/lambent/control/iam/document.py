"""Policies as they are written, read into statements that can be asked.

A document that cannot be understood is refused whole: a policy with a mistake in it must not allow,
and must not fail to deny. (AWS IAM user guide, "Grammar of the IAM JSON policy language".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from lambent.control.iam import conditions
from lambent.control.iam.conditions import Condition
from lambent.control.iam.patterns import arn_matches, filled, matches
from lambent.control.iam.principals import Principals
from lambent.control.iam.query import Principal, Query

_VERSIONS: Final = frozenset({"2012-10-17", "2008-10-17"})
_ELEMENTS: Final = frozenset(
    {
        "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
        "NotResource", "Condition",
    }
)  # fmt: skip


class MalformedPolicy(ValueError):  # noqa: N818  AWS's word
    """What is wrong with a policy document, in a sentence."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `answers` tells whether it speaks of a query at all."""

    sid: str
    effect: Literal["Allow", "Deny"]
    principals: Principals | None
    """None in an identity's policy, whose principal is whoever has it."""
    actions: Sequence[str]
    not_actions: bool
    resources: Sequence[str]
    not_resources: bool
    conditions: Sequence[Condition]
    variables: bool
    """`${…}` is read: not in documents of 2008."""

    def answers(self, query: Query) -> bool:
        return (
            self._speaks_of_action(query.action)
            and self._speaks_of_resource(query)
            and self._speaks_of(query.principal)
            and all(c.holds(query.context, variables=self.variables) for c in self.conditions)
        )

    def _speaks_of(self, principal: Principal) -> bool:
        if self.principals is None:
            return True
        return self.principals.include(principal, denying=self.effect == "Deny")

    def _speaks_of_action(self, action: str) -> bool:
        found = any(matches(pattern, action, ignore_case=True) for pattern in self.actions)
        return found is not self.not_actions

    def _speaks_of_resource(self, query: Query) -> bool:
        if not self.resources:  # a resource's own policy need not say whose it is
            return True
        patterns = (filled(p, query.context, variables=self.variables) for p in self.resources)
        found = any(p is not None and arn_matches(p, query.resource) for p in patterns)
        return found is not self.not_resources


@dataclass(frozen=True, slots=True)
class Policy:
    """A named document."""

    name: str
    """For whoever reads decisions: `function policy of x`, `arn:…:policy/y`."""
    statements: Sequence[Statement]


def read(name: str, text: str | bytes | Mapping[str, Any]) -> Policy:
    """Raises `MalformedPolicy`."""
    document: Any = text
    if isinstance(text, str | bytes):
        try:
            document = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedPolicy(f"{name} is not JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise MalformedPolicy(f"{name} is not an object")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise MalformedPolicy(f"{name} has an unknown Version: {version!r}")
    statements = document.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list):
        raise MalformedPolicy(f"{name} has no list of statements")
    return Policy(
        name, [_statement(name, one, variables=version == "2012-10-17") for one in statements]
    )


def _statement(name: str, one: object, *, variables: bool) -> Statement:
    if not isinstance(one, Mapping):
        raise MalformedPolicy(f"a statement of {name} is not an object")
    sid = str(one.get("Sid", ""))
    where = f"statement {sid!r} of {name}" if sid else f"a statement of {name}"
    unknown = set(one) - _ELEMENTS
    if unknown:
        raise MalformedPolicy(f"{where} has an unknown element: {min(unknown)}")
    effect = one.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicy(f"{where} has neither Allow nor Deny as its Effect")
    actions, not_actions = _either(where, one, "Action", "NotAction")
    resources, not_resources = _either(where, one, "Resource", "NotResource")
    if not actions:
        raise MalformedPolicy(f"{where} names no Action")
    return Statement(
        sid=sid,
        effect=effect,
        principals=_principals(where, one),
        actions=actions,
        not_actions=not_actions,
        resources=resources,
        not_resources=not_resources,
        conditions=_conditions(where, one.get("Condition") or {}),
        variables=variables,
    )


def _either(
    where: str, one: Mapping[str, Any], name: str, negation: str
) -> tuple[Sequence[str], bool]:
    if name in one and negation in one:
        raise MalformedPolicy(f"{where} has both {name} and {negation}")
    return _texts(where, one.get(name, one.get(negation, []))), negation in one


def _texts(where: str, value: object) -> Sequence[str]:
    values = value if isinstance(value, list) else [value]
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) != len(values):
        raise MalformedPolicy(f"{where} has a value that is not text")
    return texts


def _principals(where: str, one: Mapping[str, Any]) -> Principals | None:
    if "Principal" in one and "NotPrincipal" in one:
        raise MalformedPolicy(f"{where} has both Principal and NotPrincipal")
    value = one.get("Principal", one.get("NotPrincipal"))
    if value is None:
        return None
    if value == "*":
        value = {"AWS": "*"}
    if not isinstance(value, Mapping):
        raise MalformedPolicy(f"{where} has a Principal that is neither * nor an object")
    kinds = {str(kind): _texts(where, names) for kind, names in value.items()}
    return Principals(kinds, negated="NotPrincipal" in one)


def _conditions(where: str, block: object) -> Sequence[Condition]:
    if not isinstance(block, Mapping):
        raise MalformedPolicy(f"{where} has a Condition that is not an object")
    found = []
    for operator, keys in block.items():
        if not isinstance(keys, Mapping):
            raise MalformedPolicy(f"{where} has a condition {operator} without keys")
        for key, values in keys.items():
            try:
                found.append(conditions.read(str(operator), str(key), _values(where, values)))
            except conditions.UnknownOperator:
                raise MalformedPolicy(
                    f"{where} has an unknown condition operator: {operator}"
                ) from None
    return found


def _values(where: str, value: object) -> Sequence[str]:
    """Numbers and booleans may stand without quotes."""
    values = value if isinstance(value, list) else [value]
    found = []
    for one in values:
        if isinstance(one, bool):
            found.append("true" if one else "false")
        elif isinstance(one, str | int | float):
            found.append(str(one))
        else:
            raise MalformedPolicy(f"{where} has a condition value that is no text or number")
    return found
