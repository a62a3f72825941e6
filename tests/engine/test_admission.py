"""How many calls may run at once."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.clock import ManualClock
from lambent.engine.admission import Admission, Provisioned
from lambent.errors import TooManyRequests

HERE = ("123456789012", "us-east-1")


def refusal(concurrency) -> str:
    with pytest.raises(TooManyRequests) as caught:
        concurrency.admit()
    assert caught.value.message == "Rate Exceeded."
    return caught.value.reason


def test_functions_without_a_reservation_share_the_account():
    admission = Admission(ManualClock(), limit=2, rate=10)
    one, two = admission.function(*HERE), admission.function(*HERE)
    one.admit()
    two.admit()
    assert refusal(one) == "ConcurrentInvocationLimitExceeded"
    two.release()
    one.admit()
    assert refusal(two) == "ConcurrentInvocationLimitExceeded"


def test_another_account_or_region_has_its_own_limit():
    admission = Admission(ManualClock(), limit=1, rate=10)
    admission.function(*HERE).admit()
    admission.function("999999999999", "us-east-1").admit()
    admission.function("123456789012", "eu-west-1").admit()


def test_a_reservation_limits_its_function_and_is_kept_for_it():
    admission = Admission(ManualClock(), limit=3, rate=10)
    reserved, other = admission.function(*HERE), admission.function(*HERE)
    reserved.reserve(2)
    other.admit()
    assert refusal(other) == "ConcurrentInvocationLimitExceeded"
    reserved.admit()
    reserved.admit()
    assert refusal(reserved) == "ReservedFunctionConcurrentInvocationLimitExceeded"
    reserved.release()
    reserved.admit()


def test_a_reservation_of_zero_stops_a_function():
    concurrency = Admission(ManualClock(), limit=3, rate=10).function(*HERE)
    concurrency.reserve(0)
    assert refusal(concurrency) == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_calls_that_run_while_the_reservation_changes_are_counted_once():
    admission = Admission(ManualClock(), limit=10, rate=10)
    concurrency = admission.function(*HERE)
    account = admission.account(*HERE)
    concurrency.admit()
    concurrency.reserve(5)
    assert (account.unreserved_running, account.reserved) == (0, 5)
    concurrency.admit()
    concurrency.reserve(None)
    assert (account.unreserved_running, account.reserved) == (2, 0)
    concurrency.release()
    concurrency.release()
    assert (account.unreserved_running, concurrency.running) == (0, 0)


def test_starts_are_limited_per_window_and_do_not_accrue():
    async def scenario():
        clock = ManualClock()
        concurrency = Admission(clock, limit=10_000, rate=1000).function(*HERE)
        await clock.advance(3600)  # idle time earns nothing
        for _ in range(1000):
            concurrency.admit_start()
        with pytest.raises(TooManyRequests) as caught:
            concurrency.admit_start()
        assert caught.value.retry_after_s == 1
        await clock.advance(1.0)
        for _ in range(100):
            concurrency.admit_start()
        with pytest.raises(TooManyRequests):
            concurrency.admit_start()

    asyncio.run(scenario())


class Account:
    """What the rules promise, kept beside the real counters in the plainest way."""

    def __init__(self, limit, functions):
        self.limit = limit
        self.reserved = dict.fromkeys(range(functions))
        self.provisioned = dict.fromkeys(range(functions), 0)

    def set_aside(self, but):
        return sum(
            (p if r is None else r)
            for f, (r, p) in enumerate(
                zip(self.reserved.values(), self.provisioned.values(), strict=True)
            )
            if f != but
        )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admit", "admit", "release", "reserve", "provide"]),
        st.integers(0, 2),
        st.integers(0, 6),
    ),
    max_size=120,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_happens_nobody_runs_on_anothers_part(steps):
    """Admitted calls stay within a function's own part, or within what is left to all others."""
    limit = 12
    admission = Admission(ManualClock(), limit=limit, rate=1000)
    functions = [admission.function(*HERE) for _ in range(3)]
    parts = [Provisioned() for _ in functions]
    model = Account(limit, 3)
    for step, index, number in steps:
        function, part = functions[index], parts[index]
        if step == "reserve":
            wanted = number if number >= model.provisioned[index] else None
            if model.set_aside(index) + (wanted or 0) <= limit:
                model.reserved[index] = wanted
                function.reserve(wanted)
        elif step == "provide":
            room = model.reserved[index]
            room = limit - model.set_aside(index) if room is None else room
            model.provisioned[index] = part.limit = min(number, room)
            function.provide(part.limit)
        elif step == "release":
            if part.running:
                part.release()
            elif function.running:
                function.release()
        elif part.running < part.limit:
            part.running += 1
        else:
            reserved = model.reserved[index]
            free = limit - model.set_aside(None)
            unreserved = sum(f.running for f in functions if f.reserved is None)
            allowed = (
                unreserved < free
                if reserved is None
                else function.running < reserved - model.provisioned[index]
            )
            if allowed:
                function.admit()
            else:
                assert refusal(function) == (
                    "ConcurrentInvocationLimitExceeded"
                    if reserved is None
                    else "ReservedFunctionConcurrentInvocationLimitExceeded"
                )
        account = admission.account(*HERE)
        assert account.reserved == model.set_aside(None)
        assert account.unreserved_running == sum(f.running for f in functions if f.reserved is None)
        assert all(f.running >= 0 for f in functions)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(1, 20))
def test_no_ten_seconds_see_more_starts_than_twice_the_rate(gaps, rate):
    """A bucket that refills: the rate at once, and the rate again over the ten seconds."""

    async def main():
        clock = ManualClock()
        function = Admission(clock, limit=10_000, rate=rate).function(*HERE)
        starts = []
        for gap in gaps:
            await clock.advance(gap)
            for _ in range(rate + 1):
                try:
                    function.admit_start()
                except TooManyRequests:
                    break
                starts.append(clock.monotonic())
        for end in starts:
            assert sum(end - 10 < at <= end for at in starts) <= 2 * rate

    asyncio.run(main())
