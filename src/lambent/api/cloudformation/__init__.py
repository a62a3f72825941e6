"""CloudFormation's operations: the registry, as `operations/__init__` is for Lambda's.

Each name in `RESOURCES` is a module of this package with a tuple `OPERATIONS`. An operation of the
model that is in none of them answers 501; `docs/api.md` lists both.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from lambent.api.model import ServiceModel, load
from lambent.api.operation import Operation

NAMESPACE: Final = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
RESOURCES: Final[tuple[str, ...]] = ("change_sets", "events", "exports", "stacks", "templates")


def model() -> ServiceModel:
    return load("cloudformation", "2010-05-15")


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name."""
    return {
        operation.name: operation
        for resource in RESOURCES
        for operation in import_module(f"{__name__}.{resource}").OPERATIONS
    }
