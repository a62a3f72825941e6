"""One timer per environment, however many invokes it has.

Arming sets a number; the timer, once running, looks at it when it fires and sleeps on if the
deadline has moved. An environment that answers ten thousand calls a second touches its timer once
per function timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lambent.clock import Clock


class Deadline:
    """Calls `passed` once when an armed deadline passes."""

    __slots__ = ("_at", "_clock", "_loop", "_passed", "_timer", "_timer_at")

    def __init__(self, clock: Clock, passed: Callable[[], None]) -> None:
        self._clock = clock
        self._passed = passed
        self._loop = asyncio.get_running_loop()
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def arm(self, seconds: float) -> None:
        """The deadline is `seconds` from now, whatever it was."""
        self._at = at = self._clock.monotonic() + seconds
        if self._timer is None or at < self._timer_at:
            self._set_timer(seconds)

    def disarm(self) -> None:
        self._at = 0.0

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._fire)
        self._timer_at = self._clock.monotonic() + seconds

    def _fire(self) -> None:
        self._timer = None
        if not self._at:
            return
        remaining_s = self._at - self._clock.monotonic()
        if remaining_s > 0:
            self._set_timer(remaining_s)
        else:
            self._at = 0.0
            self._passed()

    def close(self) -> None:
        self._at = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
