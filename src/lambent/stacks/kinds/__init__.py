"""The resource types that a stack can make: one file per service, looked up by CloudFormation's name.

Lambda's and Logs' are made at this very server, IAM's at its endpoint or kept in the stack, and the
others' where the server's AWS endpoint settings point. A type that is not here is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from lambent.stacks.errors import StackError
from lambent.stacks.kinds.kind import Kind


class Kinds:
    """A server's resource types."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def find(self, name: str) -> Kind:
        return self._kinds[name]

    def check(self, name: str, logical_id: str) -> None:
        """Raises `StackError` for a type that cannot be made here."""
        if name not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            raise StackError(
                f"Template format error: Unrecognized resource types: [{name}] ({logical_id}). "
                f"This server makes: {known}"
            )


def all_kinds() -> Kinds:
    """Imported here, since the files need `Kind` from beside this."""
    from lambent.stacks.kinds import (
        api_gateway,
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
    return Kinds([kind for module in modules for kind in module.KINDS])
