from types import SimpleNamespace

from lambent.observe.metrics import BOUNDS_MS, Metrics


def function(name):
    return SimpleNamespace(function_arn=f"arn:{name}")


def test_invocations_are_counted_by_function():
    metrics = Metrics()
    metrics.invocation(function("a"), 1.0, 231.0, failed=False)
    metrics.invocation(function("a"), 3.5, None, failed=True)
    metrics.throttle(function("a"))
    metrics.invocation(function("b"), 10_000_000.0, None, failed=False)
    snapshot = metrics.snapshot()["functions"]
    a = snapshot["arn:a"]
    assert (a["invocations"], a["errors"], a["throttles"], a["cold_starts"]) == (2, 1, 1, 1)
    assert a["duration_ms"]["count"] == 2
    assert a["duration_ms"]["sum"] == 4.5
    assert a["duration_ms"]["buckets"][1.0] == 1  # a bound belongs to its own bucket
    assert a["duration_ms"]["buckets"][5.0] == 1
    assert a["init_ms"]["buckets"][250.0] == 1
    assert snapshot["arn:b"]["duration_ms"]["buckets"][float("inf")] == 1
    assert sum(a["duration_ms"]["buckets"].values()) == 2
    assert list(BOUNDS_MS) == sorted(BOUNDS_MS)


def test_functions_beyond_the_limit_count_as_one():
    metrics = Metrics(max_functions=2)
    for name in "abcd":
        metrics.invocation(function(name), 1.0, None, failed=False)
    assert set(metrics.snapshot()["functions"]) == {"arn:a", "arn:b", "*"}
    assert metrics.snapshot()["functions"]["*"]["invocations"] == 2
    metrics.forget("arn:a")
    metrics.invocation(function("d"), 1.0, None, failed=False)
    assert metrics.snapshot()["functions"]["arn:d"]["invocations"] == 1


def test_gauges_are_read_when_somebody_looks():
    metrics = Metrics()
    value = 1
    metrics.gauge("depth", lambda: value)
    value = 2
    metrics.count("x")
    metrics.count("x", 2)
    assert metrics.snapshot()["gauges"] == {"depth": 2}
    assert metrics.snapshot()["counters"] == {"x": 3}
