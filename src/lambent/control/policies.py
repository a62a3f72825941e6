"""Resource-based policies: statements, how they are added and removed, and whom they let in.

What functions and layers have in common (LAMBDA.md 44–47): the order of a statement's members, how
a principal is written, AWS's refusals. Whoever owns a policy keeps the `Policy` record that `added`
and `removed` return.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from lambent.control.names import Scope, partition
from lambent.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    PreconditionFailed,
    ResourceConflict,
    ResourceNotFound,
)
from lambent.store.policies import Policy
from lambent.store.records import FunctionPolicy

_SERVICE: Final = re.compile(r"[a-z0-9\-.]+\.amazon(aws)?\.com(\.cn)?")
_KNOWN: Final = re.compile(
    r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:"
    r"(root|(user|role|federated-user|assumed-role)/.+)"
)
LIMIT: Final = 20_480
"""Characters of a whole policy."""

NO_POLICY: Final = "No policy is associated with the given resource."


def statement(
    sid: str,
    principal: Any,
    action: str,
    resource: str,
    condition: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """One Allow statement, its members in AWS's order; `principal` is what `principal()` made."""
    made: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": resource,
    }
    if condition:
        made["Condition"] = {operator: dict(keys) for operator, keys in condition.items()}
    return made


def principal(scope: Scope, given: str) -> str | dict[str, str]:
    """How a policy writes a principal: a service, an account by its root, everybody, any ARN."""
    if given == "*":
        return given
    if _SERVICE.fullmatch(given):
        return {"Service": given}
    if given.isdigit():
        return {"AWS": f"arn:{partition(scope.region)}:iam::{given}:root"}
    return {"AWS": given}


def check_principal(given: str) -> None:
    """Raises AWS's refusal of what can be no principal of a function's policy."""
    if not _KNOWN.fullmatch(given) and not _SERVICE.fullmatch(given):
        raise InvalidParameterValue(
            "The provided principal was invalid. Please check the principal and try again."
        )


def check_length(policy: str) -> None:
    if len(policy) > LIMIT:
        raise PolicyLengthExceeded(
            f"The final policy size ({len(policy)}) is bigger than the limit ({LIMIT})."
        )


def document(policy: Policy | FunctionPolicy) -> str:
    """The policy as the JSON text that Get*Policy answers."""
    whole = {"Version": "2012-10-17", "Id": "default", "Statement": policy.statements}
    return msgspec.json.encode(whole).decode()


def text(made: Mapping[str, Any]) -> str:
    """A statement as the JSON text that Add*Permission answers."""
    return msgspec.json.encode(made).decode()


def added(
    policy: Policy | None,
    made: dict[str, Any],
    new_id: Callable[[], str],
    *,
    revision_id: str | None,
    getter: str,
) -> Policy:
    """The policy with one statement more. `getter` is the operation that tells its revision."""
    check_revision(policy, revision_id, getter)
    present = () if policy is None else policy.statements
    if any(other.get("Sid") == made["Sid"] for other in present):
        raise ResourceConflict(
            f"The statement id ({made['Sid']}) provided already exists. Please provide a new "
            "statement id, or remove the existing statement."
        )
    return Policy(revision_id=new_id(), statements=(*present, made))


def removed(
    policy: Policy | None,
    sid: str,
    new_id: Callable[[], str],
    *,
    revision_id: str | None,
    getter: str,
) -> Policy | None:
    """The policy without a statement; None when that was its last."""
    if policy is None:
        raise ResourceNotFound(NO_POLICY)
    rest = tuple(other for other in policy.statements if other.get("Sid") != sid)
    if len(rest) == len(policy.statements):
        raise ResourceNotFound(f"Statement {sid} is not found in resource policy.")
    check_revision(policy, revision_id, getter)
    return Policy(revision_id=new_id(), statements=rest) if rest else None


def check_revision(policy: Policy | None, given: str | None, getter: str) -> None:
    """Raises AWS's 412 when the caller knows another revision than the present one."""
    if given is not None and (policy is None or given != policy.revision_id):
        raise PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the "
            f"{getter} API to retrieve the latest Revision Id"
        )


def lets_account(policy: Policy | None, account: str, action: str) -> bool:
    """Whether another account may do `action`, as far as that needs no more than its id.

    A statement with a condition (an organization) lets nobody in: there are no organizations here.
    """
    return policy is not None and any(
        made["Action"] == action
        and "Condition" not in made
        and (made["Principal"] == "*" or account in _account_of(made["Principal"]))
        for made in policy.statements
    )


def _account_of(written: str | dict[str, str]) -> tuple[str, ...]:
    arn = written.get("AWS", "") if isinstance(written, dict) else written
    parts = arn.split(":")
    return (parts[4],) if len(parts) > 4 else ()
