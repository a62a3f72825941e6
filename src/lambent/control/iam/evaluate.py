"""The decision: all policies that apply, explicit deny first.

In one account an allow of the identity's own policies or of the resource's is enough; between
accounts both must allow. A permissions boundary and a session's policy allow nothing by
themselves; they bound what identity policies allow. A service has no identity policies. What
nobody allows is denied. (AWS IAM user guide, "Policy evaluation logic".)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lambent.control.iam.document import Policy, Statement
from lambent.control.iam.query import Query

IDENTITY: Final = "identity-based policy"
RESOURCE: Final = "resource-based policy"
BOUNDARY: Final = "permissions boundary"
SESSION: Final = "session policy"


@dataclass(frozen=True, slots=True)
class Applicable:
    """Every policy that has a say in a query."""

    identity: Sequence[Policy] = ()
    boundaries: Sequence[Policy] = ()
    """A permissions boundary: as far as it goes, and no further."""
    session: Sequence[Policy] = ()
    resource: Sequence[Policy] = ()
    resource_account: str = ""
    """Whose resource it is; another account's principal needs both sides."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and which statement said so."""

    allowed: bool
    why: str
    policy: str = ""
    sid: str = ""
    kind: str = ""
    """What kind of policy decided, in AWS's words: `identity-based policy`."""
    explicit: bool = False
    """A Deny said no, not silence."""


def evaluate(query: Query, policies: Applicable) -> Decision:
    """Whether `query` may be done."""
    if denial := _denial(query, policies):
        return denial
    resource = next(_answering(policies.resource, query, "Allow"), None)
    principal = query.principal
    if principal.anonymous or principal.service:
        return _granted(resource, "no statement of the resource's policy allows it")
    identity = _by_identity(query, policies)
    if principal.account != policies.resource_account and policies.resource_account:
        by_resource = _granted(resource, "the resource's policy does not allow another account")
        return identity if by_resource.allowed else by_resource
    if not identity.allowed and resource is not None and _suffices(resource[1], query, policies):
        return _granted(resource, "")
    return identity


def _denial(query: Query, policies: Applicable) -> Decision | None:
    every = (
        (policies.identity, IDENTITY),
        (policies.boundaries, BOUNDARY),
        (policies.session, SESSION),
        (policies.resource, RESOURCE),
    )
    for group, kind in every:
        for policy, statement in _answering(group, query, "Deny"):
            return Decision(
                False, "an explicit deny", policy.name, statement.sid, kind, explicit=True
            )
    return None


def _by_identity(query: Query, policies: Applicable) -> Decision:
    """What the caller's own policies allow, within its boundary and its session's policy."""
    found = next(_answering(policies.identity, query, "Allow"), None)
    if found is None:
        return Decision(False, "no policy of the caller allows it", kind=IDENTITY)
    for bounds, what in _bounds(policies):
        if next(_answering(bounds, query, "Allow"), None) is None:
            return Decision(False, f"the {what} does not allow it", bounds[0].name, kind=what)
    return _granted(found, "", IDENTITY)


def _bounds(policies: Applicable) -> list[tuple[Sequence[Policy], str]]:
    kinds = ((policies.boundaries, BOUNDARY), (policies.session, SESSION))
    return [(bounds, what) for bounds, what in kinds if bounds]


def _suffices(statement: Statement, query: Query, policies: Applicable) -> bool:
    """Whether a resource's policy lets a caller of its own account in without the caller's."""
    principals = statement.principals
    if principals is None or principals.delegate(query.principal):
        return False
    if principals.name(query.principal):
        return True
    return all(
        next(_answering(bounds, query, "Allow"), None) is not None
        for bounds, _ in _bounds(policies)
    )


def _answering(
    policies: Sequence[Policy], query: Query, effect: str
) -> Iterator[tuple[Policy, Statement]]:
    for policy in policies:
        for statement in policy.statements:
            if statement.effect == effect and statement.answers(query):
                yield policy, statement


def _granted(
    found: tuple[Policy, Statement] | None, otherwise: str, kind: str = RESOURCE
) -> Decision:
    if found is None:
        return Decision(False, otherwise, kind=kind)
    return Decision(True, "an allow", found[0].name, found[1].sid, kind)
