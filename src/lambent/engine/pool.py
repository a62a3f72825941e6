"""The environments of one function version: who is idle, who is starting, who waits.

The environment that was used last is used first, so that the others can go cold and be given
back. A call that finds none waits, and takes whichever becomes free first: the one started for
it, or one that another call has just left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from lambent.control.targets import VersionTarget
from lambent.engine.admission import Concurrency
from lambent.engine.call import Call
from lambent.engine.environment import Environment, Owner
from lambent.engine.states import State
from lambent.errors import LambentError, ServiceException

RETURN_S = 0.2
"""How long a call waits for an environment that has answered before one is started for it."""

Make = Callable[[VersionTarget, Owner], Environment]


class Pool:
    """Environments that run one generation of one version."""

    __slots__ = (
        "_concurrency",
        "_make",
        "_on_idle",
        "environments",
        "idle",
        "retired",
        "starting",
        "target",
        "waiting",
    )

    def __init__(
        self,
        target: VersionTarget,
        concurrency: Concurrency,
        make: Make,
        on_idle: Callable[[], None],
    ) -> None:
        self.target = target
        self._concurrency = concurrency
        self._make = make
        self._on_idle = on_idle
        self.environments: set[Environment] = set()
        self.starting: set[Environment] = set()
        self.idle: list[Environment] = []
        """In the order in which they became idle; the last is used first."""
        self.waiting: deque[Call] = deque()
        self.retired = False

    def submit(self, call: Call) -> None:
        """Run `call` as soon as an environment is free; may raise what refuses a new one."""
        if self.idle:
            self.idle.pop().invoke(call)
            return
        self.waiting.append(call)
        soon_free = self._returning()
        if soon_free:
            # A runtime behind HTTP has answered its caller and not yet asked for more: it will in a
            # moment, and without this a caller in sequence would make us start another.
            asyncio.get_running_loop().call_later(RETURN_S, self._start_overdue, call)
        try:
            self._start_missing(soon_free)
        except LambentError:
            if not self.starting:
                self.waiting.remove(call)
                raise
            # Those that are starting already will serve it, later.

    def _returning(self) -> int:
        """How many have answered and will be free at once, or nearly."""
        if len(self.environments) == len(self.starting) + len(self.idle):
            return 0
        return sum(environment.state is State.RETURNING for environment in self.environments)

    def _start_overdue(self, call: Call) -> None:
        """If it still waits for one that has answered and does not ask for more."""
        if call not in self.waiting or len(self.starting) >= len(self.waiting):
            return
        try:
            self._start()
        except LambentError as refusal:
            self._refuse_unserved(refusal)

    def _start_missing(self, soon_free: int = 0) -> None:
        while len(self.starting) + soon_free < len(self.waiting):
            self._start()

    def _start(self) -> None:
        self._concurrency.admit_start()
        self.starting.add(environment := self._make(self.target, self))
        self.environments.add(environment)

    def environment_free(self, environment: Environment) -> None:
        self.starting.discard(environment)
        waiting = self.waiting
        while waiting:
            call = waiting.popleft()
            if not call.invocation.cancelled:
                environment.invoke(call)
                return
            call.drop()
        if self.retired:
            self._forget(environment)
            environment.close()
        else:
            self.idle.append(environment)
            self._on_idle()

    def environment_resetting(self, environment: Environment) -> None:
        if environment in self.idle:
            self.idle.remove(environment)
        self.starting.add(environment)

    def environment_lost(self, environment: Environment, error: LambentError | None) -> None:
        self._forget(environment)
        if error is not None and self.waiting:
            self.waiting.popleft().fail(error)
        try:
            self._start_missing()
        except LambentError as refusal:
            self._refuse_unserved(refusal)

    def _refuse_unserved(self, refusal: LambentError) -> None:
        while len(self.waiting) > len(self.starting):
            self.waiting.pop().fail(refusal)

    def _forget(self, environment: Environment) -> None:
        self.environments.discard(environment)
        self.starting.discard(environment)
        if environment in self.idle:
            self.idle.remove(environment)

    def give_back(self, environment: Environment) -> None:
        """Close one idle environment."""
        self._forget(environment)
        environment.close()

    def retire(self) -> None:
        """No new calls come; those that run or wait finish here, on the old code."""
        self.retired = True
        for environment in list(self.idle):
            self.give_back(environment)

    def close(self) -> None:
        """End all of it now; whoever waits is told."""
        self.retired = True
        while self.waiting:
            self.waiting.popleft().fail(ServiceException("the server is shutting down"))
        for environment in list(self.environments):
            self._forget(environment)
            environment.close()
