"""STS's operations: the one that every tool begins with."""

from __future__ import annotations

from typing import Final

from lambent.api.model import ServiceModel, load
from lambent.api.operation import Operation
from lambent.api.sts import identity

NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"


def model() -> ServiceModel:
    return load("sts", "2011-06-15")


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name."""
    return {operation.name: operation for operation in identity.OPERATIONS}
