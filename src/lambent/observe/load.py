"""What one function is doing at this moment, as the engine tells it to whoever renders metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FunctionLoad:
    """Calls under way, and environments by the name of their state; those of no state are absent."""

    function_arn: str
    """Unqualified."""
    running: int
    environments: Mapping[str, int]
