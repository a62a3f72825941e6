"""How many calls may run at once."""

import asyncio

import pytest

from lambent.clock import ManualClock
from lambent.engine.admission import Admission
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
