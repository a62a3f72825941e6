"""The page, read back by the library's own parser."""

import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read

from lambent.observe.load import FunctionLoad
from lambent.observe.metrics import BOUNDS_MS, Metrics
from lambent.observe.prometheus import DURATION_BOUNDS_MS, INIT_BOUNDS_MS, Exposition

ARN = "arn:aws:lambda:eu-west-3:123456789012:function:"
F = {"function": "f", "account": "123456789012", "region": "eu-west-3"}
OTHER = {"function": "_other", "account": "", "region": ""}


def target(name):
    return SimpleNamespace(function_arn=ARN + name)


def page(metrics, loads=(), accept=""):
    body, content_type = asyncio.run(Exposition(metrics, lambda: loads).page(accept))
    return body.decode(), content_type


def samples(metrics, loads=()):
    text, _ = page(metrics, loads)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in read(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[name, *sorted(labels.items())]


def test_what_a_function_did():
    metrics = Metrics()
    metrics.invocation(target("f"), 3.0, 231.0, failed=False)
    metrics.invocation(target("f"), 40.0, None, failed=True)
    metrics.throttle(target("f"))
    found = samples(metrics)
    assert value(found, "lambent_function_invocations_total", **F) == 2
    assert value(found, "lambent_function_errors_total", **F) == 1
    assert value(found, "lambent_function_throttles_total", **F) == 1
    duration = "lambent_function_duration_seconds"
    assert value(found, f"{duration}_sum", **F) == pytest.approx(0.043)
    assert value(found, f"{duration}_count", **F) == 2
    for bound, count in (("0.001", 0), ("0.005", 1), ("0.025", 1), ("0.05", 2), ("+Inf", 2)):
        assert value(found, f"{duration}_bucket", le=bound, **F) == count
    init = "lambent_function_init_duration_seconds"
    assert value(found, f"{init}_count", **F) == 1
    assert value(found, f"{init}_bucket", le="0.1", **F) == 0
    assert value(found, f"{init}_bucket", le="0.25", **F) == 1


def test_the_bounds_on_the_page_are_among_those_that_are_counted():
    assert set(BOUNDS_MS) > DURATION_BOUNDS_MS
    assert set(BOUNDS_MS) > INIT_BOUNDS_MS


def test_what_happens_now_and_the_sum_of_those_not_told_apart():
    metrics = Metrics(max_functions=1)
    for name in "fgh":
        metrics.invocation(target(name), 1.0, None, failed=False)
    loads = [FunctionLoad(ARN + n, 1, {"idle": 2, "running": 1}) for n in "fgh"]
    found = samples(metrics, loads)
    assert value(found, "lambent_function_invocations_total", **OTHER) == 2
    assert value(found, "lambent_function_concurrency", **F) == 1
    assert value(found, "lambent_function_concurrency", **OTHER) == 2
    assert value(found, "lambent_environments", state="idle", **F) == 2
    assert value(found, "lambent_environments", state="running", **OTHER) == 2
    assert {dict(key[1:]).get("function") for key in found} == {None, "f", "_other"}


def test_the_server_itself():
    metrics = Metrics()
    metrics.gauge("events.depth", lambda: 3)
    metrics.gauge("events.oldest_age_s", lambda: 1.5)
    metrics.gauge("logs.dropped", lambda: 7)
    metrics.gauge("some.thing", lambda: 9)
    metrics.count("events.dropped.EventAgeExceeded", 2)
    metrics.count("another.thing")
    found = samples(metrics)
    assert value(found, "lambent_async_queue_depth") == 3
    assert value(found, "lambent_async_oldest_event_age_seconds") == 1.5
    assert value(found, "lambent_log_events_dropped_total") == 7
    assert value(found, "lambent_async_dropped_total", reason="EventAgeExceeded") == 2
    assert value(found, "lambent_async_retries_total") == 0  # there before it first happens
    assert value(found, "lambent_some_thing") == 9
    assert value(found, "lambent_another_thing_total") == 1
    assert value(found, "process_open_fds") > 0
    assert any(key[0] == "lambent_build_info" for key in found)


def test_hostile_names_stay_inside_their_label():
    metrics = Metrics()
    metrics.invocation(SimpleNamespace(function_arn='x"} 1\nevil 1'), 1.0, None, failed=False)
    assert not any(key[0] == "evil" for key in samples(metrics))


def test_openmetrics_for_who_asks():
    metrics = Metrics()
    metrics.invocation(target("f"), 1.0, None, failed=False)
    text, content_type = page(metrics, accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert "lambent_function_invocations" in {family.name for family in read_open(text)}
    assert page(metrics)[1].startswith("text/plain")


def test_a_page_while_functions_come_and_go():
    metrics = Metrics(max_functions=100)
    exposition = Exposition(metrics, lambda: ())

    async def change_and_render():
        rendering = [asyncio.ensure_future(exposition.page()) for _ in range(3)]
        number = 0
        while not all(task.done() for task in rendering):
            metrics.invocation(target(f"f{number % 300}"), 1.0, 1.0, failed=False)
            metrics.forget(ARN + f"f{(number + 50) % 300}")
            number += 1
            await asyncio.sleep(0)
        for task in rendering:
            list(read((await task)[0].decode()))

    asyncio.run(change_and_render())
