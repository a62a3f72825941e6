"""What a function's owner decides about its asynchronous invokes.

`EventQueue` asks a `PolicyOf` whenever it is about to run an event or has seen one end, so that a
change holds for events that are already queued. `of_bundle` reads it from what exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambent.control.attachments import has, place
from lambent.control.bundle import Bundle
from lambent.store.event_queue import QueueKey
from lambent.store.records import EventInvoke


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """AWS's defaults (PutFunctionEventInvokeConfig)."""

    maximum_retry_attempts: int = 2
    maximum_event_age_s: int = 21_600
    reserved_concurrency: int | None = None
    """0 means that events are not run at all (LAMBDA.md 51)."""
    on_success: str | None = None
    """ARNs of the destinations."""
    on_failure: str | None = None
    dead_letter: str | None = None
    """The version's own DeadLetterConfig; gets a failed event as it was sent."""


PolicyOf = Callable[[QueueKey], EventPolicy]

DEFAULT = EventPolicy()


def default_policy(_key: QueueKey) -> EventPolicy:
    return DEFAULT


def of_bundle(bundle: Bundle | None, key: QueueKey) -> EventPolicy:
    """A config belongs to one qualifier; a dead letter target to the version that runs."""
    if bundle is None:
        return DEFAULT
    kept = bundle.function.event_invokes.get(place(key.qualifier)) or EventInvoke(modified_ms=0)
    retries, age_s = kept.maximum_retry_attempts, kept.maximum_event_age_s
    dead_letter = ""
    if has(bundle, key.qualifier or None):
        dead_letter = bundle.find(key.qualifier or None).configuration.dead_letter_arn
    return EventPolicy(
        maximum_retry_attempts=DEFAULT.maximum_retry_attempts if retries is None else retries,
        maximum_event_age_s=DEFAULT.maximum_event_age_s if age_s is None else age_s,
        reserved_concurrency=bundle.function.reserved_concurrency,
        on_success=kept.on_success,
        on_failure=kept.on_failure,
        dead_letter=dead_letter or None,
    )
