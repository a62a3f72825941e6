"""Turns to start: the host is never exhausted, nobody is starved, and what is late is refused."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.clock import SystemClock
from lambent.engine.host_load import HostLoad
from lambent.engine.pacing import FLOOR, KEEP_MB, Pacer
from lambent.errors import TooManyRequests


@dataclass(eq=False)
class Want:
    """A start that takes `mb`, for as long as the test says."""

    function: str
    mb: int = 10
    still: bool = True
    part: float = 1.0

    def wanted(self):
        return self.still

    def share(self):
        return self.part

    def expected_mb(self):
        return self.mb

    def least_mb(self):
        return self.mb

    def dropped(self):
        pass


@dataclass(eq=False)
class Member(Want):
    """A start of a pool: wanted while no more start than calls wait."""

    pool: set = field(default_factory=set)
    calls: list = field(default_factory=list)

    def wanted(self):
        return len(self.pool) <= len(self.calls)

    def dropped(self):
        self.pool.discard(self)


@dataclass
class Machine:
    """A simulated host, as gauge and as room."""

    free_mb: int = 1 << 20
    load: float = 0.0
    idle: list[int] = field(default_factory=list)
    """Megabytes of environments that could be given back."""

    def busy(self):
        return self.load

    def available_mb(self):
        return self.free_mb

    def make_room(self):
        return True

    def give_back_longest_idle(self):
        if not self.idle:
            return False
        self.free_mb += self.idle.pop(0)
        return True


def pacer(machine, *, cores=1, wait_s=20.0):
    made = Pacer(machine, SystemClock(), cores=cores, wait_s=wait_s, room=machine)
    made._keep_mb = KEEP_MB  # not a share of a simulated machine
    return made


@pytest.mark.slow
def test_a_busy_machine_runs_few_inits_and_an_idle_one_many():
    async def most_at_once(load):
        machine = Machine(load=load)
        found = pacer(machine)
        most = 0

        async def start(want):
            nonlocal most
            assert await found.turn(want)
            most = max(most, found.starting)
            await asyncio.sleep(0.15)
            found.done(want)

        await asyncio.gather(*(start(Want("f")) for _ in range(40)))
        assert found.starting == found.waiting == 0
        return most

    # The window begins at twice the floor, before anything has been measured.
    assert asyncio.run(most_at_once(1.0)) <= 2 * FLOOR
    assert asyncio.run(most_at_once(0.1)) > 2 * FLOOR


def test_forks_take_a_part_of_a_turn():
    async def main():
        found = pacer(Machine(load=1.0))
        turns = [asyncio.create_task(found.turn(Want("f", part=1 / 16))) for _ in range(200)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        forks = found.starting
        assert forks == 4 * 16  # the window of one processor before it was looked at
        inits = asyncio.create_task(found.turn(Want("g")))
        await asyncio.sleep(0)
        assert not inits.done()
        found.close()
        await asyncio.gather(*turns, inits)

    asyncio.run(main())


def test_functions_take_turns():
    async def main():
        found = pacer(Machine(load=1.0))
        order = []

        async def start(want):
            assert await found.turn(want)
            order.append(want.function)
            await asyncio.sleep(0.001)
            found.done(want)

        many = [Want("greedy") for _ in range(60)]
        async with asyncio.TaskGroup() as tasks:
            for want in many:
                tasks.create_task(start(want))
            await asyncio.sleep(0)
            for name in ("a", "b", "c"):
                tasks.create_task(start(Want(name)))
        for name in ("a", "b", "c"):
            assert order.index(name) < 2 * FLOOR + 10

    asyncio.run(main())


def test_what_is_late_is_refused_with_the_accounts_reason():
    async def main():
        found = pacer(Machine(free_mb=KEEP_MB), wait_s=0.2)
        with pytest.raises(TooManyRequests) as refused:
            await found.turn(Want("f"))
        assert refused.value.reason == "ConcurrentInvocationLimitExceeded"
        assert refused.value.message == "Rate Exceeded."
        assert found.waiting == found.starting == 0

    asyncio.run(main())


def test_nobody_starts_what_nobody_wants_any_more():
    async def main():
        found = pacer(Machine(load=1.0))
        running = [Want("f") for _ in range(2 * FLOOR)]
        for want in running:
            assert await found.turn(want)
        lost = Want("f")
        turn = asyncio.ensure_future(found.turn(lost))
        await asyncio.sleep(0)
        lost.still = False
        found.done(running[0])
        assert await turn is False
        assert found.starting == len(running) - 1

    asyncio.run(main())


def test_one_start_too_many_drops_one_and_not_all_that_wait():
    async def main():
        found = pacer(Machine(load=1.0))
        pool, calls = set(), ["call"] * (2 * FLOOR + 5)
        wants = [Member("f", pool=pool, calls=calls) for _ in calls]
        pool.update(wants)
        turns = [asyncio.ensure_future(found.turn(want)) for want in wants]
        await asyncio.sleep(0)
        assert found.starting == 2 * FLOOR
        calls.pop()  # an environment that has started serves two calls
        pool.discard(wants[0])
        calls.pop()
        for want in wants[: 2 * FLOOR]:
            found.done(want)
        assert [await turn for turn in turns].count(False) == 1
        assert len(pool) == len(calls)

    asyncio.run(main())


def test_idle_environments_make_room():
    async def main():
        machine = Machine(free_mb=KEEP_MB + 5, idle=[3, 3, 3])
        found = pacer(machine)
        assert await found.turn(Want("f", mb=10))
        assert machine.idle == [3]

    asyncio.run(main())


def test_closing_lets_everybody_go():
    async def main():
        found = pacer(Machine(free_mb=0))
        turns = [asyncio.ensure_future(found.turn(Want(str(n)))) for n in range(3)]
        await asyncio.sleep(0)
        found.close()
        assert await asyncio.gather(*turns) == [False] * 3

    asyncio.run(main())


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60)), min_size=1, max_size=40),
    st.integers(60, 300),
    st.integers(0, 2**32),
)
def test_memory_is_never_promised_twice(wants, free_mb, seed):
    """Whatever comes in whatever order, `KEEP_MB` stay, and everybody gets a turn in the end."""
    draw = random.Random(seed)

    async def main():
        machine = Machine(free_mb=KEEP_MB + free_mb)
        found = pacer(machine)
        started = 0

        async def start(want):
            nonlocal started
            assert await found.turn(want)
            for _ in range(draw.randrange(3)):
                await asyncio.sleep(0)
            machine.free_mb -= want.mb  # it takes what it was expected to
            assert machine.free_mb >= KEEP_MB
            found.done(want)
            for _ in range(draw.randrange(3)):
                await asyncio.sleep(0)
            machine.free_mb += want.mb
            started += 1
            found._grant()

        await asyncio.gather(*(start(Want(name, mb)) for name, mb in wants))
        assert started == len(wants)
        assert machine.free_mb == KEEP_MB + free_mb
        found.close()

    asyncio.run(main())


def test_the_real_machine_is_measured(tmp_path):
    (tmp_path / "stat").write_text("cpu  100 0 100 800 0 0 0 0 0 0\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2097152 kB\n")
    load = HostLoad(tmp_path)
    (tmp_path / "stat").write_text("cpu  150 0 125 825 0 0 0 0 0 0\n")
    assert load.busy() == 0.75
    assert load.available_mb() == 2048
    assert HostLoad().available_mb() > 0
    assert 0 <= HostLoad().busy() <= 1
