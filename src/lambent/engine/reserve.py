"""Environments of one version that are kept initialised ahead of calls: provisioned concurrency.

A pool has a `Reserve` while somebody provisions its version. The pool asks it first (`take`) and
brings back what is free (`free`); the reserve starts what is missing, replaces what dies, and says
how far it has come (`Allocation`). A failed Init ends the attempt, FAILED, until the configuration
is put again. What had once stood is tried again by itself, more and more seldom, and so is a host
that could not start an environment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lambent.control.targets import Allocation, ProvisionedTarget
from lambent.engine.environment import Environment
from lambent.engine.states import State
from lambent.errors import LambentError

INIT_FAILURE: Final = "FUNCTION_ERROR_INIT_FAILURE"
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0
BEGINNING: Final = frozenset({State.NEW, State.INIT, State.RESTORING})
STANDING: Final = frozenset({State.IDLE, State.RUNNING, State.RETURNING})
"""Init is over; at work or not."""


class Reserve:
    """The provisioned environments of one pool."""

    __slots__ = (
        "_begin", "_delay_s", "_failure", "_halted", "_retry", "_stood", "_wanted", "idle",
        "members",
    )  # fmt: skip

    def __init__(self, begin: Callable[[], Environment]) -> None:
        """`begin` starts an environment; it may raise what refuses one."""
        self._begin = begin
        self._wanted = ProvisionedTarget(0, 0)
        self.members: set[Environment] = set()
        self.idle: list[Environment] = []
        """The last is used first."""
        self._failure = ""
        self._halted = False
        """The function's own Init failed before all had stood: nothing more is tried."""
        self._stood = False
        """Whether all that is wanted was ready at some time since it was put."""
        self._retry: asyncio.TimerHandle | None = None
        self._delay_s = FIRST_RETRY_S

    @property
    def wanted(self) -> int:
        return self._wanted.requested

    def provide(self, wanted: ProvisionedTarget) -> list[Environment]:
        """What is wanted from now on; returns idle environments that are too many."""
        if wanted != self._wanted:
            self._cancel_retry()
            self._wanted = wanted
            self._failure, self._halted, self._stood = "", False, False
            self._delay_s = FIRST_RETRY_S
        surplus = []
        while len(self.members) > self.wanted and self.idle:
            surplus.append(environment := self.idle.pop(0))
            self.members.discard(environment)
        self._fill()
        return surplus

    def take(self) -> Environment | None:
        return self.idle.pop() if self.idle else None

    def free(self, environment: Environment) -> bool:
        """Keep a member that can take a call; False when it must be given back instead."""
        if environment.state is State.UNREADY:
            self._failed(environment, INIT_FAILURE, halt=not self._stood)
            return False
        if len(self.members) > self.wanted:
            self.members.discard(environment)
            return False
        self.idle.append(environment)
        if self._ready() >= self.wanted:
            self._stood, self._failure, self._delay_s = True, "", FIRST_RETRY_S
        return True

    def resetting(self, environment: Environment) -> None:
        """It broke, and starts again in its place."""
        if environment in self.idle:
            self.idle.remove(environment)

    def lost(self, environment: Environment, failure: str) -> None:
        """A member is gone, and another is made; `failure` when it never started."""
        if failure:
            self._failed(environment, failure, halt=False)
        else:
            self.drop(environment)
            self._fill()

    def drop(self, environment: Environment) -> None:
        self.members.discard(environment)
        if environment in self.idle:
            self.idle.remove(environment)

    def coming(self) -> int:
        """Members whose first Init is not over."""
        return sum(environment.state in BEGINNING for environment in self.members)

    def allocation(self) -> Allocation:
        return Allocation(min(self._ready(), self.wanted), self._failure)

    def close(self) -> None:
        """Nothing is replaced any more."""
        self._wanted = ProvisionedTarget(0, 0)
        self._cancel_retry()

    def _ready(self) -> int:
        return sum(environment.state in STANDING for environment in self.members)

    def _fill(self) -> None:
        while len(self.members) < self.wanted and self._retry is None and not self._halted:
            try:
                self.members.add(self._begin())
            except LambentError:  # no room on this machine at the moment
                self._try_later()

    def _failed(self, environment: Environment, failure: str, *, halt: bool) -> None:
        self.drop(environment)
        self._failure = failure
        self._halted = self._halted or halt
        if not self._halted:
            self._try_later()

    def _try_later(self) -> None:
        if self._retry is None and self.wanted:
            self._retry = asyncio.get_running_loop().call_later(self._delay_s, self._try_again)
            self._delay_s = min(self._delay_s * 2, LAST_RETRY_S)

    def _try_again(self) -> None:
        self._retry = None
        self._fill()

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
