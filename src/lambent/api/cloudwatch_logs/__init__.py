"""CloudWatch Logs' operations: the registry, as `operations/__init__` is for Lambda's.

Each name in `RESOURCES` is a module of this package with a tuple `OPERATIONS`. An operation of the
model that is in none of them answers 501; `docs/api.md` lists both.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from lambent.api.model import ServiceModel, load
from lambent.api.operation import Operation

TARGET: Final = "Logs_20140328"
"""What X-Amz-Target begins with."""

RESOURCES: Final[tuple[str, ...]] = (
    "events",
    "groups",
    "live_tail",
    "retention",
    "streams",
    "tags",
)


def model() -> ServiceModel:
    return load("logs", "2014-03-28")


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name."""
    return {
        operation.name: operation
        for resource in RESOURCES
        for operation in import_module(f"{__name__}.{resource}").OPERATIONS
    }
