"""What a function's owner decides about its asynchronous invokes.

`EventQueue` asks a `PolicyOf` whenever it is about to run an event or has seen one fail, so that a
change holds for events that are already queued.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent.store.event_queue import QueueKey


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """AWS's defaults (PutFunctionEventInvokeConfig)."""

    maximum_retry_attempts: int = 2
    maximum_event_age_s: int = 21_600
    reserved_concurrency: int | None = None
    """0 means that events are not run at all (LAMBDA.md 51)."""


PolicyOf = Callable[[QueueKey], EventPolicy]

DEFAULT = EventPolicy()


def default_policy(_key: QueueKey) -> EventPolicy:
    return DEFAULT
