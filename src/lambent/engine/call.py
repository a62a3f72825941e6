"""One admitted invoke on its way through pool and environment, and the one place it ends.

A `Call` holds a concurrency lease from the moment it is made; `finish` and `fail` give it back,
whichever comes first, exactly once.
"""

from __future__ import annotations

from typing import Protocol

from lambent.engine.invocation import Invocation, Outcome
from lambent.errors import LambentError
from lambent.observe.tail import LogTail


class Lease(Protocol):
    """What a call holds; given back once."""

    def release(self) -> None: ...


class Call:
    """An invocation, the lease that it holds, and what the environment notes about it."""

    __slots__ = (
        "_lease", "admitted", "arn", "deadline_ms", "invocation", "started", "tail", "trace",
    )  # fmt: skip

    def __init__(self, invocation: Invocation, arn: str, trace: str, lease: Lease) -> None:
        self.invocation = invocation
        self.arn = arn
        """As the context shows it: with the qualifier that was used."""
        self.trace = trace
        self._lease: Lease | None = lease
        self.admitted = 0.0
        """Monotonic seconds when it was let in."""
        self.started = 0.0
        """Monotonic seconds at delivery."""
        self.deadline_ms = 0
        """Wall time by which it must have answered; what the runtime is told."""
        self.tail = LogTail() if invocation.want_log_tail else None

    def finish(self, outcome: Outcome) -> None:
        if self._release():
            self.invocation.on_done(outcome)

    def fail(self, error: LambentError) -> None:
        if self._release():
            self.invocation.on_failed(error)

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._release()

    def _release(self) -> bool:
        lease, self._lease = self._lease, None
        if lease is None:
            return False
        lease.release()
        return True
