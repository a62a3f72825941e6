"""S3's operations, as far as deployment tools need them: the registry.

Each name in `RESOURCES` is a module of this package with a tuple `OPERATIONS`. What is kept, and why
it is here at all, says `control/buckets.py`; `docs/api.md` lists what is served.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from lambent.api.model import ServiceModel, load
from lambent.api.operation import Operation

RESOURCES: Final[tuple[str, ...]] = ("buckets", "configurations", "listings", "objects", "uploads")


def model() -> ServiceModel:
    return load("s3", "2006-03-01")


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name."""
    return {
        operation.name: operation
        for resource in RESOURCES
        for operation in import_module(f"{__name__}.{resource}").OPERATIONS
    }
