from lambent.events.function_queue import FunctionQueue, QueuedEvent, back_off_s
from lambent.events.kept_payloads import KeptPayloads
from lambent.store.event_queue import Payload, QueueKey

KEY = QueueKey("1", "r", "f", "")


def event(size=10):
    return QueuedEvent(1, "r1", size, 0)


def test_delays_double_from_one_second_to_five_minutes():
    assert [back_off_s(n) for n in range(1, 12)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert back_off_s(10_000) == 300


def test_throttles_of_events_sent_together_are_one_pause():
    queue = FunctionQueue(KEY, 100.0, in_flight=9)
    queue.ready.append(event())
    for _ in range(5):
        queue.in_flight -= 1
        queue.throttled(now=10.0)
    assert (queue.strikes, queue.paused_until, queue.limit) == (1, 11.0, 4.0)
    assert not queue.deliverable(10.9)
    assert queue.deliverable(11.0)  # one more than was possible
    queue.in_flight += 1
    assert not queue.deliverable(11.0)
    queue.in_flight -= 1
    queue.throttled(now=11.5)
    assert queue.paused_until == 13.5


def test_an_event_that_ran_ends_the_pause_and_widens_the_way_slowly():
    queue = FunctionQueue(KEY, 100.0, in_flight=4)
    queue.ready.append(event())
    queue.throttled(now=10.0)
    queue.ran(most=100)
    assert (queue.strikes, queue.paused_until) == (0, 0.0)
    assert 4 < queue.limit < 5
    for _ in range(100_000):
        queue.ran(most=6)
    assert queue.limit == 6


def test_two_system_errors_are_the_events_own_three_are_the_functions():
    queue = FunctionQueue(KEY, 1.0)
    queue.failed(0.0)
    queue.failed(0.0)
    assert queue.paused_until == 0.0
    queue.failed(0.0)
    assert queue.paused_until == 1.0
    queue.ran(most=1)
    queue.failed(0.0)
    assert queue.paused_until == 0.0


def test_the_first_due_time_of_what_waits_is_known():
    queue = FunctionQueue(KEY, 1.0)
    assert queue.empty
    queue.returned_to_disk(500)
    queue.returned_to_disk(300)
    queue.returned_to_disk(400)
    assert (queue.waiting, queue.next_due_ms, queue.empty) == (3, 300, False)
    assert queue.behind(300)
    assert not queue.behind(299)


def test_payloads_are_kept_within_a_budget():
    kept = KeptPayloads(budget=25)
    events = [event() for _ in range(3)]
    for each in events:
        kept.keep(each, Payload(b"x" * 10, None, ""))
    assert [each.kept is not None for each in events] == [True, True, False]
    for each in events:
        kept.forget(each)
        kept.forget(each)
    assert kept.bytes == 0
