"""The registry: which operations of the model are served, and by what.

Each name in `RESOURCES` is a module of this package with a tuple `OPERATIONS`. An operation of
the model that is in none of them answers 501 (`errors.NotAvailable`); `docs/api.md` lists both.
`Invoke` and its streaming sister are not in the table: `app` hands them to `invoke` before any other
routing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from lambent.api.operation import Operation

DIRECT: Final = frozenset({"Invoke", "InvokeWithResponseStream"})
"""Served without the table."""

# A new resource adds its module here, in alphabetical order.
RESOURCES: Final[tuple[str, ...]] = (
    "account",
    "aliases",
    "capacity_providers",
    "code_signing",
    "concurrency",
    "durable",
    "event_invoke",
    "event_source_mappings",
    "function_urls",
    "functions",
    "invoke_async",
    "layers",
    "permissions",
    "recursion",
    "resource_policies",
    "runtime_management",
    "tags",
    "versions",
)


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name; two of one name are a mistake of ours."""
    found: dict[str, Operation] = {}
    for resource in RESOURCES:
        module = import_module(f"{__name__}.{resource}")
        for operation in module.OPERATIONS:
            if operation.name in found:
                raise RuntimeError(f"{operation.name} is registered twice")
            found[operation.name] = operation
    return found
