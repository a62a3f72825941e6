"""The environments of one function version: who is idle, who is starting, who waits.

The environment that was used last is used first, so that the others can go cold and be given
back. A call that finds none waits, and takes whichever becomes free first: the one started for
it, or one that another call has just left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from lambent.control.targets import ProvisionedTarget, VersionTarget
from lambent.engine.admission import Concurrency
from lambent.engine.call import Call
from lambent.engine.environment import Environment
from lambent.engine.keep_alive import Arrivals
from lambent.engine.owner import ON_DEMAND, PROVISIONED, Initialization
from lambent.engine.reserve import Reserve
from lambent.engine.spares import Spares
from lambent.engine.states import State
from lambent.errors import LambentError, ServiceException, TooManyRequests

RETURN_S = 0.2
"""How long a call waits for an environment that has answered before one is started for it."""

Make = Callable[[VersionTarget, "Pool", Initialization], Environment]


class Pool:
    """Environments that run one generation of one version."""

    __slots__ = (
        "_concurrency",
        "_make",
        "_on_idle",
        "arrivals",
        "environments",
        "idle",
        "measured_mb",
        "reserve",
        "retired",
        "spares",
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
        arrivals: Arrivals,
    ) -> None:
        self.target = target
        self._concurrency = concurrency
        self._make = make
        self._on_idle = on_idle
        self.arrivals = arrivals
        self.environments: set[Environment] = set()
        self.starting: set[Environment] = set()
        self.idle: list[Environment] = []
        """In the order in which they became idle; the last is used first."""
        self.waiting: deque[Call] = deque()
        self.reserve: Reserve | None = None
        """What is kept ready ahead of calls; None while nothing is provisioned."""
        self.measured_mb = 0
        """Most memory that any of them took by the end of its Init; 0 until one was measured."""
        self.retired = False
        self.spares = Spares(self) if target.snap_start else None

    def submit(self, call: Call) -> None:
        """Run `call` as soon as an environment is free; may raise what refuses a new one."""
        self.arrivals.came(call.admitted)
        if self.reserve is not None and (environment := self.reserve.take()) is not None:
            environment.invoke(call)
            return
        if self.idle:
            environment = self.idle.pop()
            if self.spares is not None and environment.fresh:
                self.spares.used()
            environment.invoke(call)
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
            coming = 0 if self.reserve is None else self.reserve.coming()
            if not self.starting and len(self.waiting) > coming:
                self.waiting.remove(call)
                raise
            # Those that are starting already will serve it, later.

    def _returning(self) -> int:
        """How many have answered and will be free at once, or nearly."""
        resting = 0 if self.reserve is None else len(self.reserve.idle)
        if len(self.environments) == len(self.starting) + len(self.idle) + resting:
            return 0
        returning = State.RETURNING
        return sum(environment.state is returning for environment in self.environments)

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
        most = self.target.max_environments
        if most is not None and len(self.environments) >= most * self.target.max_concurrency:
            raise TooManyRequests("Rate Exceeded.", reason="ConcurrentInvocationLimitExceeded")
        self._concurrency.admit_start()
        self.starting.add(environment := self._make(self.target, self, ON_DEMAND))
        self.environments.add(environment)
        if self.spares is not None:
            self.spares.demanded()

    def make_ahead(self) -> Environment:
        """One that no call waits for yet."""
        environment = self._make(self.target, self, ON_DEMAND)
        self.environments.add(environment)
        return environment

    def wants(self, environment: Environment) -> bool:
        """Whether one that has not started yet is still needed: others may have freed up."""
        if self.spares is not None and environment in self.spares.making:
            return not self.retired
        if self.reserve is not None and environment in self.reserve.members:
            return len(self.reserve.members) <= self.reserve.wanted
        return len(self.starting) <= len(self.waiting)

    def provide(self, wanted: ProvisionedTarget) -> None:
        """Keep this many environments ready from now on."""
        if self.reserve is None:
            if not wanted.requested:
                return
            self.reserve = Reserve(self._begin_provisioned)
        for environment in self.reserve.provide(wanted):
            self.give_back(environment)
        if not wanted.requested and not self.reserve.members:
            self.reserve = None

    def _begin_provisioned(self) -> Environment:
        environment = self._make(self.target, self, PROVISIONED)
        self.environments.add(environment)
        return environment

    def environment_free(self, environment: Environment) -> None:
        self.starting.discard(environment)
        if self.spares is not None:
            self.spares.done(environment)
        if self.reserve is not None and environment in self.reserve.members:
            self._reserved_free(self.reserve, environment)
            return
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
        elif environment.fresh and self.spares is not None:
            self.idle.insert(0, environment)  # those that have served are used first
            self._on_idle()
        else:
            self.idle.append(environment)
            self._on_idle()

    def _reserved_free(self, reserve: Reserve, environment: Environment) -> None:
        """A provisioned one: it serves whoever waits, goes back to its place, or has to leave."""
        if environment.state is not State.UNREADY:
            while self.waiting:
                call = self.waiting.popleft()
                if not call.invocation.cancelled:
                    environment.invoke(call)
                    return
                call.drop()
        if self.retired or not reserve.free(environment):
            self.give_back(environment)
        else:
            self._on_idle()

    def environment_resetting(self, environment: Environment) -> None:
        if self.reserve is not None and environment in self.reserve.members:
            self.reserve.resetting(environment)
            return
        if environment in self.idle:
            self.idle.remove(environment)
        self.starting.add(environment)

    def environment_lost(self, environment: Environment, error: LambentError | None) -> None:
        if self.reserve is not None and environment in self.reserve.members:
            self.environments.discard(environment)
            self.reserve.lost(environment, "" if error is None else _failure(error))
            return
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
        if self.spares is not None:
            self.spares.done(environment)
        if self.reserve is not None:
            self.reserve.drop(environment)

    def resting(self) -> Iterator[Environment]:
        """Everybody idle: those who may be given back, longest idle first, then the provisioned."""
        yield from tuple(self.idle)
        if self.reserve is not None:
            yield from tuple(self.reserve.idle)

    def give_back(self, environment: Environment) -> None:
        """Close one idle environment."""
        self._forget(environment)
        environment.close()

    def retire(self) -> None:
        """No new calls come; those that run or wait finish here, on the old code."""
        self.retired = True
        self._end_reserve()
        for environment in list(self.idle):
            self.give_back(environment)

    def close(self) -> None:
        """End all of it now; whoever waits is told."""
        self.retired = True
        self._end_reserve()
        while self.waiting:
            self.waiting.popleft().fail(ServiceException("the server is shutting down"))
        for environment in list(self.environments):
            self._forget(environment)
            environment.close()

    def _end_reserve(self) -> None:
        """What stands becomes like any other; nothing is replaced any more."""
        if self.spares is not None:
            self.spares.close()
        if self.reserve is not None:
            self.reserve.close()
            for environment in list(self.reserve.idle):
                self.give_back(environment)


def _failure(error: LambentError) -> str:
    """The StatusReason of an environment that the host could not start."""
    return str(getattr(error, "code", type(error).__name__))
