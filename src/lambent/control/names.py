"""Function names, ARNs and qualifiers, as every operation accepts them.

A function may be called by its name, `account:function:name`, a partial or a full ARN, each with a
qualifier or without (AWS API reference, FunctionName). `resolve` turns what was given into a name
and a qualifier within the caller's account and region, or raises what AWS answers.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lambent.errors import (
    AccessDenied,
    AwsError,
    InvalidParameterValue,
    ResourceNotFound,
)
from lambent.store.records import LATEST as LATEST_NUMBER
from lambent.store.records import LATEST_PUBLISHED as LATEST_PUBLISHED_NUMBER

LATEST: Final = "$LATEST"
LATEST_PUBLISHED: Final = "$LATEST.PUBLISHED"
_NAMED_NUMBERS: Final = {LATEST: LATEST_NUMBER, LATEST_PUBLISHED: LATEST_PUBLISHED_NUMBER}
_NUMBER_NAMES: Final = {number: name for name, number in _NAMED_NUMBERS.items()}

# Optional parts in this order make `…:function` a function called "function", as on AWS.
_NAME: Final = re.compile(
    r"(arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?"
    r"((?P<region>(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}):)?"
    r"((?P<account>\d{12}):)?(function:)?"
    r"(?P<name>[a-zA-Z0-9-_\.]+)(:(?P<qualifier>\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_$]+))?",
    re.ASCII,
)


class Scope(NamedTuple):
    """Whose functions, and where: nothing is shared between two scopes."""

    account: str
    region: str

    def arn(self, name: str, qualifier: str | None = None) -> str:
        arn = f"arn:{partition(self.region)}:lambda:{self.region}:{self.account}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"


class FunctionRef(NamedTuple):
    """One function, and the qualifier that came with it in either place."""

    name: str
    qualifier: str | None


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-eusc" if region.startswith("eusc-") else "aws"


def resolve(
    scope: Scope, function_name: str, qualifier: str | None = None, *, operation: str
) -> FunctionRef:
    """The function meant; the API has checked `function_name` against the operation's pattern."""
    found = _NAME.fullmatch(function_name)
    if found is None:
        raise ResourceNotFound(not_found_text(scope, function_name))
    region, account, name = found["region"], found["account"], found["name"]
    if region is not None and region != scope.region:
        raise ResourceNotFound(
            f"Functions from '{region}' are not reachable in this region ('{scope.region}')"
        )
    if account is not None and account != scope.account:
        raise _foreign(scope, Scope(account, scope.region).arn(name), operation)
    derived = found["qualifier"]
    if derived is not None and qualifier is not None and derived != qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionRef(name, qualifier if derived is None else derived)


def other_account(scope: Scope, function_name: str) -> str | None:
    """The account that a name or ARN of this region names, where it is not the scope's own."""
    found = _NAME.fullmatch(function_name)
    if found is None or found["region"] not in (None, scope.region):
        return None
    account: str | None = found["account"]
    return account if account != scope.account else None


def unqualified(scope: Scope, function_name: str, *, operation: str) -> str:
    """For operations on whole functions: the name, when no version or alias is named."""
    ref = resolve(scope, function_name, operation=operation)
    if ref.qualifier is not None:
        raise InvalidParameterValue(
            "This operation is permitted on Lambda functions only. Aliases and versions do not "
            "support this operation. Please specify either a function name or an unqualified "
            "function ARN."
        )
    return ref.name


def latest_only(scope: Scope, function_name: str, *, operation: str) -> str:
    """The same for operations that change `$LATEST`, which may also be called so."""
    ref = resolve(scope, function_name, operation=operation)
    if ref.qualifier == LATEST:
        return ref.name
    return unqualified(scope, function_name, operation=operation)


def not_found_text(scope: Scope, name: str, qualifier: str | None = None) -> str:
    return f"Function not found: {scope.arn(name, qualifier)}"


def version_name(number: int) -> str:
    return _NUMBER_NAMES.get(number) or str(number)


def version_number(qualifier: str | None) -> int | None:
    """The number that a qualifier means by itself; None for what can only be an alias."""
    if qualifier is None:
        return LATEST_NUMBER
    if qualifier in _NAMED_NUMBERS:
        return _NAMED_NUMBERS[qualifier]
    if qualifier.isascii() and qualifier.isdigit() and len(qualifier) < 16:
        # "0" must not become $LATEST, nor "007" version 7.
        return int(qualifier) if not qualifier.startswith("0") else None
    return None


def _foreign(scope: Scope, arn: str, operation: str) -> AwsError:
    """A function of another account; AWS names no reason on create."""
    if operation == "CreateFunction":
        return AccessDenied(None)
    action = f"lambda:{operation}"
    return AccessDenied(
        f"User: arn:{partition(scope.region)}:iam::{scope.account}:root is not authorized to "
        f"perform: {action} on resource: {arn} because no resource-based policy allows the "
        f"{action} action"
    )
