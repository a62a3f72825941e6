"""Names and ARNs of layers, as every layer operation accepts them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from lambent.control.names import Scope, partition
from lambent.errors import AccessDenied, InvalidParameterValue

_VERSION: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:"
    r"(?P<name>[a-zA-Z0-9-_]+)(:(?P<number>[0-9]+))?",
    re.ASCII,
)


class LayerRef(NamedTuple):
    """A layer, wherever it is."""

    scope: Scope
    name: str

    @property
    def arn(self) -> str:
        region, account = self.scope.region, self.scope.account
        return f"arn:{partition(region)}:lambda:{region}:{account}:layer:{self.name}"

    def version_arn(self, number: int) -> str:
        return f"{self.arn}:{number}"


def by_version_arn(arn: str) -> tuple[LayerRef, int] | None:
    """What a layer version's ARN names; None for AWS's own layers, which are not here."""
    found = _VERSION.fullmatch(arn)
    if found is None or found["number"] is None:
        return None
    scope = Scope(found["account"], found["region"])
    return LayerRef(scope, found["name"]), int(found["number"])


def layer(scope: Scope, name_or_arn: str) -> LayerRef:
    """The layer meant, in the caller's region; it may be another account's."""
    found = _VERSION.fullmatch(name_or_arn)
    if found is None:
        return LayerRef(scope, name_or_arn)
    if found["region"] != scope.region:
        raise InvalidParameterValue(
            f"Layers from '{found['region']}' are not reachable in this region ('{scope.region}')"
        )
    return LayerRef(Scope(found["account"], found["region"]), found["name"])


def own_layer(scope: Scope, name_or_arn: str, operation: str) -> LayerRef:
    """The same for operations that only a layer's own account may do."""
    ref = layer(scope, name_or_arn)
    if ref.scope != scope:
        raise denied(scope, ref.arn, operation)
    return ref


def denied(scope: Scope, arn: str, operation: str) -> AccessDenied:
    """Another account's layer that its policy does not open."""
    action = f"lambda:{operation}"
    return AccessDenied(
        f"User: arn:{partition(scope.region)}:iam::{scope.account}:root is not authorized to "
        f"perform: {action} on resource: {arn} because no resource-based policy allows the "
        f"{action} action"
    )
