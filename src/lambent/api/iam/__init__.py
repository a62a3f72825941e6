"""IAM's operations on roles and managed policies: what scripts and stacks make before a function."""

from __future__ import annotations

from typing import Final

from lambent.api.iam import policies, roles
from lambent.api.model import ServiceModel, load
from lambent.api.operation import Operation

NAMESPACE: Final = "https://iam.amazonaws.com/doc/2010-05-08/"


def model() -> ServiceModel:
    return load("iam", "2010-05-08")


def served() -> dict[str, Operation]:
    """All registered operations by AWS's name."""
    return {one.name: one for room in (roles, policies) for one in room.OPERATIONS}
