"""The resource types that a stack can make: one file per service, looked up by CloudFormation's name.

Lambda's and Logs' are made at this very server, IAM's at its endpoint or kept in the stack, and the
others' where the server's AWS endpoint settings point. A type that is not here is made by the Cloud
Control API of the configured endpoint, or, where none is named, refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from lambent.stacks.errors import StackError
from lambent.stacks.kinds.kind import Kind


class Kinds:
    """A server's resource types."""

    def __init__(self, kinds: Sequence[Kind], others: Callable[[str], Kind] | None = None) -> None:
        """`others` makes a kind of any other of AWS's types, where there is an endpoint for them."""
        self._kinds = {kind.name: kind for kind in kinds}
        self._others = others

    def find(self, name: str) -> Kind:
        known = self._kinds.get(name)
        if known is None and self._others is not None and _OTHER.fullmatch(name):
            return self._others(name)
        return self._kinds[name]

    def check(self, name: str, logical_id: str) -> None:
        """Raises `StackError` for a type that cannot be made here."""
        delegated = self._others is not None and _OTHER.fullmatch(name)
        if name not in self._kinds and not delegated:
            known = ", ".join(sorted(self._kinds))
            raise StackError(
                f"Template format error: Unrecognized resource types: [{name}] ({logical_id}). "
                f"This server makes: {known}"
            )


_OTHER: Final = re.compile(r"AWS::(?!CloudFormation::|Serverless::)[A-Za-z0-9]+::[A-Za-z0-9]+")
"""Types of other services; a stack within a stack is none."""


def all_kinds(*, delegates: bool = False) -> Kinds:
    """Imported here, since the files need `Kind` from beside this.

    With `delegates` the configured endpoint's Cloud Control makes what is not known here.
    """
    from lambent.stacks.kinds import (
        api_gateway,
        cloud_control,
        companions,
        iam,
        lambda_capacity,
        lambda_functions,
        lambda_parts,
        lambda_signing,
        logs,
        nothing,
    )

    modules = (
        lambda_functions,
        lambda_parts,
        lambda_signing,
        lambda_capacity,
        logs,
        iam,
        api_gateway,
        companions,
        nothing,
    )
    others = cloud_control.Delegated if delegates else None
    return Kinds([kind for module in modules for kind in module.KINDS], others)
