"""Which function a path and a query mean: name, ARN or partial ARN, and the qualifier.

`addressed` is what an invoke asks for, remembered per path and query because callers repeat
themselves; `check` then holds it against who asks (LAMBDA.md 7, 9, 10, 12).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lambent.api.credentials import Identity
from lambent.errors import AccessDenied, InvalidParameterValue, ResourceNotFound

_NAME: Final = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Address:
    """A function as it was named; account and region only when the name held them."""

    name: str
    qualifier: str | None
    account: str | None
    region: str | None

    @property
    def bare(self) -> bool:
        """Nothing in it can contradict the caller's own account and region."""
        return self.account is None and self.region is None


def addressed(function_name: str, qualifier: str | None) -> Address | None:
    """None when it is no function's name at all; raises when the two qualifiers differ."""
    found = _NAME.fullmatch(function_name)
    if found is None:
        return None
    inner = found["qualifier"]
    if inner is not None and qualifier is not None and inner != qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Address(found["name"], inner or qualifier, found["account"], found["region"])


def check(address: Address, identity: Identity) -> None:
    """Raises unless `identity` can reach the function where it is."""
    if address.region is not None and address.region != identity.region:
        raise ResourceNotFound(
            f"Functions from '{address.region}' are not reachable in this region ('{identity.region}')"
        )
    if address.account is not None and address.account != identity.account:
        arn = f"arn:aws:lambda:{identity.region}:{address.account}:function:{address.name}"
        raise AccessDenied(
            f"User: arn:aws:iam::{identity.account}:root is not authorized to perform: "
            f"lambda:InvokeFunction on resource: {arn} because no resource-based policy allows "
            "the lambda:InvokeFunction action"
        )
