"""One function's events: a short window in memory, the rest on disk, and how hard to push.

Throttles belong to the function, so the whole queue waits them out, in order, with a delay that
doubles from 1 s to 5 min; the number of events under way follows what the function takes. A system
error belongs to its event, which waits on disk with a delay of its own; only a row of them stops
the queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lambent.engine.invocation import Outcome
from lambent.store.event_queue import Payload, QueueKey

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 300.0
PATIENCE = 2
"""System errors in a row before a queue waits as a whole."""


def back_off_s(times: int) -> float:
    """1, 2, 4 … 300 s for the first, second, third … time in a row."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(times - 1, 30))


@dataclass(slots=True, eq=False)
class QueuedEvent:
    """An event in memory, which its row's lease says."""

    id: int
    request_id: str
    size: int
    accepted_ms: int
    attempts: int = 0
    faults: int = 0
    kept: Payload | None = None
    """The payload, if there was room for it when it was accepted."""
    outcome: Outcome | None = None
    """Of the latest attempt, until the event is settled."""


@dataclass(slots=True, eq=False)
class FunctionQueue:
    """The events of one `QueueKey`. Times are monotonic seconds but for `next_due_ms`."""

    key: QueueKey
    limit: float
    """How many may be under way; follows throttles down and successes up."""
    ready: deque[QueuedEvent] = field(default_factory=deque)
    in_flight: int = 0
    waiting: int = 0
    """Rows on disk without a lease."""
    next_due_ms: int | None = None
    """When the first of them is due."""
    loading: bool = False
    listed: bool = False
    """Stands in the scheduler's round."""
    paused_until: float = 0.0
    strikes: int = 0
    """Pauses in a row without an event that ran."""
    system_errors: int = 0
    """The same of system errors."""

    @property
    def empty(self) -> bool:
        return not (self.ready or self.in_flight or self.waiting or self.loading or self.listed)

    def deliverable(self, now: float) -> bool:
        if not self.ready or now < self.paused_until:
            return False
        # After a pause one more is tried than was possible before it.
        return self.in_flight < self.limit + (1 if self.strikes else 0)

    def behind(self, now_ms: int) -> bool:
        """Whether events on disk come before a new one."""
        return self.next_due_ms is not None and self.waiting > 0 and self.next_due_ms <= now_ms

    def returned_to_disk(self, due_ms: int) -> None:
        self.waiting += 1
        self.next_due_ms = due_ms if self.next_due_ms is None else min(self.next_due_ms, due_ms)

    def ran(self, most: int) -> None:
        """An event was run, well or not: there is capacity."""
        self.strikes = 0
        self.system_errors = 0
        self.paused_until = 0.0
        self.limit = min(most, self.limit + 1 / self.limit)

    def throttled(self, now: float) -> None:
        """The function has no more capacity than what is under way now."""
        self.limit = max(1.0, float(self.in_flight))
        self.pause(now)

    def failed(self, now: float) -> None:
        """A system error; many in a row are the function's, not the events'."""
        self.system_errors += 1
        if self.system_errors > PATIENCE:
            self.pause(now)

    def pause(self, now: float) -> None:
        """Wait as a whole, longer each time in a row."""
        if now < self.paused_until:
            return  # one of those that were sent together: one pause is enough
        self.strikes += 1
        self.paused_until = now + back_off_s(self.strikes)
