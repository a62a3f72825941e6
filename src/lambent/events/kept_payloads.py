"""Payloads of accepted events that stay in memory until they are delivered, within a budget.

Most events are delivered at once; keeping their payload saves reading back what was just written.
"""

from __future__ import annotations

from lambent.events.function_queue import QueuedEvent
from lambent.store.event_queue import Payload

BUDGET_BYTES = 32 * 1024 * 1024


class KeptPayloads:
    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self.bytes = 0

    def keep(self, event: QueuedEvent, payload: Payload) -> None:
        """Keep it if there is room; otherwise it is read from disk when its turn comes."""
        if self.bytes + event.size <= self._budget:
            self.bytes += event.size
            event.kept = payload

    def forget(self, event: QueuedEvent) -> None:
        if event.kept is not None:
            event.kept = None
            self.bytes -= event.size
