"""What AWS promises of asynchronous invokes, with time turned by hand."""

import asyncio
from itertools import pairwise

import pytest

from lambent.clock import SystemClock
from lambent.engine.invocation import Outcome
from lambent.errors import (
    RecursiveInvocation,
    RequestTooLarge,
    ResourceNotFound,
    ServiceException,
)
from lambent.events.policy import EventPolicy


def run(main):
    return asyncio.run(asyncio.wait_for(main, 100))


def test_an_event_is_delivered_once_with_what_came_with_it(server):
    async def main():
        async with server().running() as s:
            await s.accept(
                "r1",
                payload=b'{"a":1}',
                qualifier="live",
                client_context=b"{}",
                trace_header="Root=1",
                tenant_id="t",
            )
            await s.callee.until(lambda: s.callee.calls)
            await s.empty()
            call = s.callee.calls[0][3]
            assert call == {
                "request_id": "r1",
                "account": "123456789012",
                "region": "us-east-1",
                "name": "f",
                "qualifier": "live",
                "payload": b'{"a":1}',
                "client_context": b"{}",
                "trace_header": "Root=1",
                "tenant_id": "t",
            }
            await s.clock.advance(10_000)
            assert len(s.callee.calls) == 1
            assert s.queue.depth == 0
            assert s.queue.oldest_age_s == 0

    run(main())


def test_without_a_qualifier_none_is_made_up(server):
    async def main():
        async with server().running() as s:
            await s.accept("r1")
            await s.callee.until(lambda: s.callee.calls)
            assert s.callee.calls[0][3]["qualifier"] is None

    run(main())


def test_a_function_error_is_retried_after_one_and_two_minutes_with_the_same_id(server, failed):
    async def main():
        async with server().running() as s:
            s.callee.answers["f"] = failed
            await s.accept("r1")
            await s.callee.until(lambda: len(s.callee.calls) == 1)
            await s.rows()
            await s.clock.advance(59.9)
            assert len(s.callee.calls) == 1
            await s.clock.advance(0.1)
            await s.callee.until(lambda: len(s.callee.calls) == 2)
            await s.rows()
            await s.clock.advance(119.9)
            assert len(s.callee.calls) == 2
            await s.clock.advance(0.1)
            await s.callee.until(lambda: len(s.callee.calls) == 3)
            await s.empty()
            await s.clock.advance(20_000)
            assert [request for request, _ in s.callee.of("f")] == ["r1"] * 3
            assert s.metrics.snapshot()["counters"]["events.dropped.RetriesExhausted"] == 1

    run(main())


def test_the_policy_of_the_moment_says_how_often_and_how_long(server, failed):
    async def main():
        policies = {"once": EventPolicy(maximum_retry_attempts=0)}
        policies["young"] = EventPolicy(maximum_event_age_s=60)
        async with server(policy=lambda key: policies[key.name]).running() as s:
            s.callee.answers = {"once": failed, "young": failed}
            await s.accept("r1", "once")
            await s.accept("r2", "young")
            await s.callee.until(lambda: len(s.callee.calls) == 2)
            # An age of 60 s ends before the first retry (LAMBDA.md 57).
            await s.empty()
            counters = s.metrics.snapshot()["counters"]
            assert counters["events.dropped.RetriesExhausted"] == 1
            assert counters["events.dropped.EventAgeExceeded"] == 1

    run(main())


def test_a_throttled_event_is_tried_with_growing_delays_until_it_runs(server, throttle):
    async def main():
        async with server().running() as s:
            answers = [throttle] * 12 + [None]
            s.callee.answers["f"] = lambda _: answers.pop(0)
            await s.accept("r1")
            for count in range(1, 13):
                await s.callee.until(lambda count=count: len(s.callee.calls) == count)
                await asyncio.sleep(0)
                await s.clock.advance(min(300, 2 ** (count - 1)))
            await s.callee.until(lambda: len(s.callee.calls) == 13)
            await s.empty()
            at = [at for _, at in s.callee.of("f")]
            gaps = [round(b - a) for a, b in pairwise(at)]
            assert gaps == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]

    run(main())


def test_throttles_end_with_the_age_of_the_event(server, throttle):
    async def main():
        async with server(policy=lambda _: EventPolicy(maximum_event_age_s=100)).running() as s:
            s.callee.answers["f"] = throttle
            await s.accept("r1")
            await s.callee.until(lambda: s.callee.calls)
            await s.clock.advance(400)
            await s.empty()
            assert s.callee.calls[-1][2] <= 100
            assert s.metrics.snapshot()["counters"]["events.dropped.EventAgeExceeded"] == 1

    run(main())


def test_a_throttled_function_holds_up_no_other_and_loses_nothing(server, throttle):
    async def main():
        async with server().running() as s:
            s.callee.answers["busy"] = throttle
            for n in range(300):
                await s.accept(f"b{n}", "busy")
            for n in range(50):
                await s.accept(f"o{n}", "other")
            await s.callee.until(lambda: len(s.callee.of("other")) == 50)
            assert s.queue.depth >= 300
            s.callee.answers["busy"] = None
            await s.clock.advance(600)
            await s.callee.until(lambda: len({r for r, _ in s.callee.of("busy")}) == 300)
            await s.empty()

    run(main())


def test_what_is_under_way_follows_what_the_function_takes(server, throttle):
    async def main():
        async with server().running() as s:
            gates = asyncio.Semaphore(0)

            def answer(call):
                if s.callee.running["f"] > 5:
                    return throttle
                return gates.acquire_and_go()

            async def go():
                await gates.acquire()

            gates.acquire_and_go = go
            s.callee.answers["f"] = answer
            for n in range(60):
                await s.accept(f"r{n}")
            await s.callee.until(lambda: s.callee.running["f"] == 5)
            calls_before = len(s.callee.calls)
            for _ in range(60):
                gates.release()
            await s.callee.until(lambda: s.callee.running["f"] == 0 or s.queue.depth == 0)
            await s.clock.advance(10)
            await s.empty()
            # Not every event was thrown at a full function first.
            assert len(s.callee.calls) - calls_before < 120

    run(main())


def test_the_number_under_way_is_bounded_but_a_lone_event_of_another_function_passes(server):
    async def main():
        async with server(max_in_flight=8, max_in_flight_per_function=6).running() as s:
            stop = asyncio.Event()

            async def wait():
                await stop.wait()

            for name in "abc":
                s.callee.answers[name] = lambda _: wait()
            for n in range(40):
                await s.accept(f"a{n}", "a")
                await s.accept(f"b{n}", "b")
            await s.callee.until(lambda: sum(s.callee.running.values()) == 8)
            await s.accept("c0", "c")
            await s.callee.until(lambda: s.callee.running.get("c") == 1)
            assert s.callee.running["a"] + s.callee.running["b"] == 8
            stop.set()
            await s.empty()
            assert s.callee.most_running["a"] <= 6

    run(main())


def test_a_system_error_waits_alone_and_is_retried(server):
    async def main():
        async with server().running() as s:
            faults = [ServiceException("down"), RuntimeError("a defect"), None]
            s.callee.answers["f"] = lambda call: (
                faults.pop(0) if call["request_id"] == "r1" else None
            )
            await s.accept("r1")
            await s.callee.until(lambda: len(s.callee.calls) == 1)
            await s.accept("r2")  # does not wait for r1
            await s.callee.until(lambda: len(s.callee.calls) == 2)
            await s.rows()
            await s.clock.advance(1)
            await s.callee.until(lambda: len(s.callee.calls) == 3)
            await s.rows()
            await s.clock.advance(2)
            await s.callee.until(lambda: len(s.callee.calls) == 4)
            await s.empty()
            assert [request for request, _ in s.callee.of("f")] == ["r1", "r2", "r1", "r1"]

    run(main())


def test_system_errors_in_a_row_stop_the_queue_not_the_server(server):
    async def main():
        async with server(max_in_flight_per_function=1).running() as s:
            s.callee.answers["f"] = ServiceException("down")
            for n in range(200):
                await s.accept(f"r{n}")
            await s.callee.until(lambda: len(s.callee.calls) >= 3)
            await s.rows()
            assert len(s.callee.calls) < 10
            s.callee.answers["f"] = None
            for _ in range(20):
                await s.clock.advance(30)
                await s.rows()
            await s.callee.until(lambda: len({r for r, _ in s.callee.of("f")}) == 200)
            await s.empty()

    run(main())


def test_events_of_a_deleted_function_are_dropped(server):
    async def main():
        async with server().running() as s:
            s.callee.answers["f"] = ResourceNotFound("Function not found: f:$LATEST")
            await s.accept("r1")
            await s.callee.until(lambda: s.callee.calls)
            await s.empty()
            assert s.metrics.snapshot()["counters"]["events.dropped.FunctionDeleted"] == 1

    run(main())


def test_reserved_concurrency_zero_runs_nothing(server):
    async def main():
        async with server(policy=lambda _: EventPolicy(reserved_concurrency=0)).running() as s:
            for n in range(200):
                await s.accept(f"r{n}")
            await s.empty()
            assert s.callee.calls == []

    run(main())


def test_one_megabyte_passes_and_one_byte_more_does_not(server):
    async def main():
        async with server().running() as s:
            largest = b'"' + b"x" * (1024 * 1024 - 2) + b'"'
            await s.accept("r1", payload=largest)
            await s.callee.until(lambda: s.callee.calls)
            assert s.callee.calls[0][3]["payload"] == largest
            with pytest.raises(RequestTooLarge, match="1048577 byte payload is too large"):
                await s.accept("r2", payload=largest + b" ")

    run(main())


@pytest.mark.slow
def test_memory_holds_a_window_and_disk_the_rest(server):
    async def main():
        async with server(max_in_flight_per_function=4).running() as s:
            stop = asyncio.Event()

            async def wait():
                await stop.wait()

            s.callee.answers["f"] = lambda _: wait()
            payload = b'"' + b"x" * 1_000_000 + b'"'
            await asyncio.gather(*(s.accept(f"r{n}", payload=payload) for n in range(150)))
            await s.callee.until(lambda: s.callee.running["f"] == 4)
            queue = next(iter(s.queue._queues.values()))
            assert len(queue.ready) <= 64
            assert s.queue._kept.bytes <= 32 * 1024 * 1024
            assert s.queue.depth == 150
            stop.set()
            await s.empty()
            assert sorted({r for r, _ in s.callee.of("f")}) == sorted(f"r{n}" for n in range(150))
            assert len(s.callee.calls) == 150
            assert all(call[3]["payload"] == payload for call in s.callee.calls)
            assert s.queue._kept.bytes == 0
            assert s.queue._flying_bytes == 0
            assert s.queue._queues == {}

    run(main())


def test_events_are_run_in_the_order_of_their_acceptance(server):
    async def main():
        async with server(max_in_flight_per_function=1).running() as s:
            for n in range(300):
                await s.accept(f"r{n:03d}")
            await s.empty()
            assert [r for r, _ in s.callee.of("f")] == [f"r{n:03d}" for n in range(300)]

    run(main())


def test_drain_lets_running_events_finish_and_keeps_the_rest(server):
    async def main():
        async with server(max_in_flight_per_function=2).running() as s:
            stop = asyncio.Event()

            async def wait():
                await stop.wait()

            s.callee.answers["f"] = lambda _: wait()
            for n in range(10):
                await s.accept(f"r{n}")
            await s.callee.until(lambda: s.callee.running["f"] == 2)
            asyncio.get_running_loop().call_later(0.05, stop.set)
        assert len(s.callee.calls) == 2
        async with server().running() as after:
            await after.empty()
            assert sorted(r for r, _ in after.callee.of("f")) == [f"r{n}" for n in range(2, 10)]

    run(main())


def test_drain_that_takes_too_long_returns_what_is_under_way(server):
    async def main():
        first = server()
        async with first.running(drain_s=0.05):
            first.callee.answers["f"] = lambda _: asyncio.sleep(3600)
            await first.accept("r1")
            await first.callee.until(lambda: first.callee.running.get("f") == 1)
        assert first.callee.running["f"] == 0
        async with server().running() as after:
            await after.callee.until(lambda: after.callee.calls)
            assert after.callee.of("f")[0][0] == "r1"

    run(main())


def test_a_retry_survives_a_restart_with_its_time_and_its_count(server, failed):
    async def main():
        first = server()
        async with first.running():
            first.callee.answers["f"] = failed
            await first.accept("r1")
            await first.callee.until(lambda: first.callee.calls)
            await first.rows()
            await first.clock.advance(60)
            await first.callee.until(lambda: len(first.callee.calls) == 2)
            await first.rows()
        async with server().running() as after:
            after.callee.answers["f"] = failed
            await after.clock.advance(100)
            assert after.callee.calls == []
            assert after.queue.depth == 1
            assert after.queue.oldest_age_s == 160
            await after.clock.advance(20)
            await after.callee.until(lambda: len(after.callee.calls) == 1)
            await after.empty()

    run(main())


def test_a_caller_that_leaves_does_not_take_its_event_back(server):
    async def main():
        async with server().running() as s:
            leaving = [asyncio.create_task(s.accept(f"r{n}")) for n in range(20)]
            await asyncio.sleep(0)
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            await s.callee.until(lambda: len(s.callee.calls) == 20)
            await s.empty()

    run(main())


def test_events_that_cannot_be_stored_are_refused_and_the_queue_goes_on(server):
    async def main():
        async with server().running() as s:
            await s.database.write(lambda c: c.pragma("max_page_count", 40))
            big = b'"' + b"x" * 900_000 + b'"'
            with pytest.raises(ServiceException):
                await s.accept("r1", payload=big)
            await s.database.write(lambda c: c.pragma("max_page_count", 1_000_000))
            await s.accept("r2", payload=big)
            await s.callee.until(lambda: s.callee.calls)
            assert [r for r, _ in s.callee.of("f")] == ["r2"]
            await s.empty()

    run(main())


@pytest.mark.slow
def test_a_storm_of_events_over_many_functions(server):
    async def main():
        async with server(clock=SystemClock()).running() as s:
            errors = set()

            def answer(call):
                if call["request_id"] not in errors and int(call["request_id"]) % 7 == 0:
                    errors.add(call["request_id"])
                    return ServiceException("once")
                return None

            names = [f"f{n}" for n in range(20)]
            s.callee.answers = dict.fromkeys(names, answer)
            await asyncio.gather(*(s.accept(f"{n}", names[n % 20]) for n in range(4000)))
            await s.callee.until(lambda: len({call[1] for call in s.callee.calls}) == 4000)
            await s.empty()
            assert s.queue._queues == {}

    run(main())


def test_outcomes_of_success_are_not_retried_whatever_their_payload(server):
    async def main():
        async with server().running() as s:
            s.callee.answers["f"] = Outcome(b'{"errorMessage": "mine"}', "1")
            await s.accept("r1")
            await s.callee.until(lambda: s.callee.calls)
            await s.empty()

    run(main())


def test_an_event_in_a_loop_is_dropped_at_once(server):
    async def main():
        async with server().running() as s:
            s.callee.answers["f"] = RecursiveInvocation("in a loop")
            await s.accept("r1")
            await s.callee.until(lambda: s.callee.calls)
            await s.empty()
            await s.clock.advance(10_000)
            assert len(s.callee.calls) == 1

    run(main())
