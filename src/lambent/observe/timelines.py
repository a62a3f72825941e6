"""When the last few thousand requests came, ran and were answered, for `lambent trace`.

A tuple per request in a ring: what the log does not say, kept for a while and not for good. Times
are the monotonic clock's seconds; the engine appends once per invoke, and nothing here is written
to disk.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

KEPT: Final = 4_096


class Timeline(NamedTuple):
    """One request that was answered."""

    request_id: str
    function_arn: str
    version: str
    log_stream: str
    time_ms: int
    """Wall time of delivery, as on START."""
    admitted: float
    """When a place within the concurrency limits was found for it."""
    made: float
    """When its environment began to be made."""
    init_started: float
    ready: float
    """When Init was over."""
    delivered: float
    answered: float
    handed_on: float
    """When the answer was with whoever asked: for HTTP, in the connection's buffer."""
    cold: bool
    """Whether the request is the first of its environment."""

    def offsets_ms(self) -> dict[str, float | bool]:
        """Milliseconds after admission; what came before is negative."""
        names = ("made", "init_started", "ready", "delivered", "answered", "handed_on")
        found: dict[str, float | bool] = {
            name: round((getattr(self, name) - self.admitted) * 1000, 3) for name in names
        }
        return found | {"cold": self.cold}


class Timelines:
    """The ring."""

    __slots__ = ("_ring", "add")

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[Timeline] = deque(maxlen=kept)
        self.add = self._ring.append

    def find(self, account: str, region: str, beginning: str) -> Timeline | None:
        """The latest request whose id begins so."""
        scope = f":lambda:{region}:{account}:"
        for found in reversed(self._ring):
            if found.request_id.startswith(beginning) and scope in found.function_arn:
                return found
        return None
