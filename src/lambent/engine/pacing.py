"""Which environment may start next, and when: a burst must never exhaust the host.

Starts wait for their turn here (`Pacer.turn`), and calls queue behind them in their pools. How many
Inits run side by side follows what is measured: idle processors widen the window, busy ones narrow
it, but never below `FLOOR` per processor. A start that memory has no room for waits until others
end. Functions take turns, so that one with a thousand waiting starts does not delay another's
first. What does not get its turn in time is refused, as AWS throttles what it cannot place.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final, Protocol

from lambent.clock import Clock
from lambent.engine.host_load import Gauge
from lambent.errors import TooManyRequests

FLOOR: Final = 2
"""Inits per processor that may always run, however busy the machine is: they are what it is for."""
CEILING: Final = 64
"""Inits per processor, even if all of them sleep."""
SAMPLE_S: Final = 0.05
"""How often the machine is looked at while somebody waits."""
LOOK_S: Final = 0.05
"""How long what was seen of its memory holds, less what is known to have taken some."""
IDLE_SHARE: Final = 0.85
BUSY_SHARE: Final = 0.95
KEEP_MB: Final = 128
"""Left to the machine, beside `KEEP_SHARE` of what it had when the server came up."""
KEEP_SHARE: Final = 0.05


class Candidate(Protocol):
    """A start that waits; its owner may lose interest meanwhile."""

    @property
    def function(self) -> str:
        """Whose turn it takes."""
        ...

    def wanted(self) -> bool:
        """Whether somebody still needs it."""
        ...

    def share(self) -> float:
        """How much of a turn it takes: an Init a whole one, a fork of a template hardly any."""
        ...

    def expected_mb(self) -> int:
        """What it will take, by all that is known; a careful guess before it was measured."""
        ...

    def least_mb(self) -> int:
        """What it will take at least."""
        ...

    def dropped(self) -> None:
        """It will not start: told at once, because whether the next is wanted depends on it."""
        ...


class Room(Protocol):
    """Whoever looks after idle environments: the keeper."""

    def make_room(self) -> bool:
        """Whether one more is within the owner's limit, after giving back what is idle."""
        ...

    def give_back_longest_idle(self) -> bool:
        """Close one idle environment, if there is any."""
        ...


class _Turn:
    __slots__ = ("candidate", "granted", "since")

    def __init__(self, candidate: Candidate, since: float) -> None:
        self.candidate = candidate
        self.since = since
        self.granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def answer(self, *, granted: bool) -> None:
        if not self.granted.done():  # whoever waited may have been cancelled
            self.granted.set_result(granted)

    def refuse(self) -> None:
        reason = "ConcurrentInvocationLimitExceeded"
        if not self.granted.done():
            self.granted.set_exception(
                TooManyRequests("Rate Exceeded.", reason=reason, retry_after_s=1)
            )


class Pacer:
    """Gives turns to start; whoever got one says `done` when its Init is over."""

    def __init__(
        self,
        gauge: Gauge,
        clock: Clock,
        *,
        cores: int,
        wait_s: float,
        room: Room,
    ) -> None:
        self._gauge = gauge
        self._clock = clock
        self._wait_s = wait_s
        self._room = room
        self._floor = FLOOR * cores
        self._ceiling = CEILING * cores
        self._window = float(2 * self._floor)
        self._keep_mb = KEEP_MB + int(gauge.available_mb() * KEEP_SHARE)
        self._queues: OrderedDict[str, deque[_Turn]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._expected: dict[int, tuple[int, float]] = {}
        """Of what starts now: the memory that it will take, and its share of a turn."""
        self._shares = 0.0
        self._coming_mb = 0
        self._available_mb = 0
        self._came_mb = 0
        """Expected of what was ready since the memory was looked at."""
        self._looked = float("-inf")
        self.starting = 0
        """Inits that run now."""
        self.waiting = 0
        """Starts that have no turn yet."""

    async def turn(self, candidate: Candidate) -> bool:
        """Wait for a turn. True: start, and call `done` later. False: nobody wants it any more.

        Raises `TooManyRequests` when it does not come in time.
        """
        turn = _Turn(candidate, self._clock.monotonic())
        queue = self._queues.get(candidate.function)
        if queue is None:
            queue = self._queues[candidate.function] = deque()
        queue.append(turn)
        self.waiting += 1
        self._grant()
        return await turn.granted

    def done(self, candidate: Candidate) -> None:
        """Its Init is over, one way or the other."""
        self.starting -= 1
        mb, share = self._expected.pop(id(candidate))
        self._coming_mb -= mb
        self._came_mb += mb
        self._shares = self._shares - share if self.starting else 0.0
        self._grant()

    def close(self) -> None:
        """Nobody starts any more."""
        for queue in list(self._queues.values()):
            for turn in queue:
                self._drop(turn)
        self._queues.clear()
        self.waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ── whose turn it is ─────────────────────────────────────────────────────────────────────

    def _grant(self) -> None:
        blocked = 0
        while blocked < len(self._queues) and self._shares < self._window:
            function, queue = next(iter(self._queues.items()))
            self._queues.move_to_end(function)
            while queue and not queue[0].candidate.wanted():
                self._drop(self._leave(queue.popleft()))
            if queue and self._fits(queue[0].candidate):
                turn = self._leave(queue.popleft())
                self.starting += 1
                share = turn.candidate.share()
                self._shares += share
                self._expected[id(turn.candidate)] = turn.candidate.expected_mb(), share
                self._coming_mb += turn.candidate.expected_mb()
                turn.answer(granted=True)
                blocked = 0
            elif queue:
                blocked += 1
            if not queue:
                del self._queues[function]
        if self._queues and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SAMPLE_S, self._sample)

    def _leave(self, turn: _Turn) -> _Turn:
        self.waiting -= 1
        return turn

    def _drop(self, turn: _Turn) -> None:
        turn.candidate.dropped()
        turn.answer(granted=False)

    def _fits(self, candidate: Candidate) -> bool:
        """Whether memory has room for it, beside what those that start now have yet to take."""
        if not self._room.make_room():
            return False
        # Alone it may start on less: a guess must not keep a function from ever being measured.
        wanted_mb = candidate.expected_mb() if self.starting else candidate.least_mb()
        if self._free_mb() - wanted_mb >= self._keep_mb:
            return True
        self._room.give_back_longest_idle()  # its memory comes back a little later
        return False

    def _free_mb(self) -> int:
        """What is free beside what those that start have yet to take; looked at now and then."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            self._available_mb = self._gauge.available_mb()
            self._came_mb = 0
        return self._available_mb - self._came_mb - self._coming_mb

    def _sample(self) -> None:
        """Look at the machine, move the window, refuse who has waited too long."""
        self._timer = None
        busy = self._gauge.busy()
        if busy < IDLE_SHARE:
            self._window = min(self._window * 1.5, self._ceiling)
        elif busy > BUSY_SHARE:
            self._window = max(self._window * 0.8, self._floor)
        self._refuse_late()
        self._grant()

    def _refuse_late(self) -> None:
        latest = self._clock.monotonic() - self._wait_s
        for function, queue in list(self._queues.items()):
            while queue and queue[0].since <= latest:
                turn = self._leave(queue.popleft())
                turn.refuse() if turn.candidate.wanted() else self._drop(turn)
            if not queue:
                del self._queues[function]
