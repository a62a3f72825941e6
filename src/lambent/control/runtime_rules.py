"""What this room asks about runtimes; the table itself is `runtimes/catalog`, above this room."""

from __future__ import annotations

from typing import Literal, Protocol

from lambent.errors import InvalidParameterValue


class Runtimes(Protocol):
    """Given by whoever puts the server together, with the owner's block policy applied."""

    def is_blocked(self, runtime: str, change: Literal["create", "update"], time_ms: int) -> bool:
        """Whether AWS's block date has passed and the owner wants it enforced."""
        ...

    def version_arn(self, runtime: str, region: str) -> str:
        """The RuntimeVersionArn that a function of this runtime shows."""
        ...


def check(
    runtimes: Runtimes, runtime: str, change: Literal["create", "update"], time_ms: int
) -> None:
    """Raises AWS's refusal of a runtime past its block date; unknown ones the API has refused."""
    if runtimes.is_blocked(runtime, change, time_ms):
        raise InvalidParameterValue(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions."
        )
