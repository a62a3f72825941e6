"""What has happened, counted in memory: per function, and gauges that others keep.

The engine calls once per invoke; nothing here does more than add numbers. The number of functions
told apart is bounded, the rest count as one. `Metrics.snapshot` is plain data; `prometheus` writes
the page that monitoring reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from lambent.control.targets import VersionTarget
from lambent.observe.timelines import Timelines
from lambent.observe.told_calls import ToldCalls
from lambent.observe.traces import Traces

BOUNDS_MS: Final = (
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0,
    1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0, 300_000.0, 900_000.0,
)  # fmt: skip
MAX_FUNCTIONS: Final = 500
"""Told apart. Each is 35 lines of a page that monitoring fetches every few seconds."""
OTHERS: Final = "*"


class Histogram:
    """Counts by upper bound, the last bucket being everything above."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum = 0.0

    def add(self, value_ms: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, value_ms)] += 1
        self.sum += value_ms

    def snapshot(self) -> dict[str, object]:
        return {
            "count": sum(self.counts),
            "sum": self.sum,
            "buckets": dict(zip((*BOUNDS_MS, float("inf")), self.counts, strict=True)),
        }


class FunctionMetrics:
    """One function's counters, by CloudWatch's words."""

    __slots__ = (
        "billed_ms",
        "cold_starts",
        "duration",
        "errors",
        "init",
        "invocations",
        "throttles",
    )

    def __init__(self) -> None:
        self.invocations = 0
        self.errors = 0
        self.throttles = 0
        self.cold_starts = 0
        self.duration = Histogram()
        self.init = Histogram()

    def invocation(self, duration_ms: float, init_ms: float | None, *, failed: bool) -> None:
        """One invoke that ran, well or not."""
        self.invocations += 1
        duration = self.duration
        duration.counts[bisect_left(BOUNDS_MS, duration_ms)] += 1
        duration.sum += duration_ms
        if failed:
            self.errors += 1
        if init_ms is not None:
            self.cold_starts += 1
            self.init.add(init_ms)

    def snapshot(self) -> dict[str, object]:
        return {
            "invocations": self.invocations,
            "errors": self.errors,
            "throttles": self.throttles,
            "cold_starts": self.cold_starts,
            "duration_ms": self.duration.snapshot(),
            "init_ms": self.init.snapshot(),
        }


class Metrics:
    """All of a server's numbers."""

    def __init__(self, max_functions: int = MAX_FUNCTIONS) -> None:
        self._functions: dict[str, FunctionMetrics] = {}
        self._others = FunctionMetrics()
        self._max_functions = max_functions
        self._gauges: dict[str, Callable[[], float]] = {}
        self._counters: dict[str, int] = {}
        self.timelines = Timelines()
        """When the latest requests came, ran and were answered."""
        self.traces = Traces()
        self.told_calls = ToldCalls()
        """What functions' traces tell of their calls to AWS services."""

    def invocation(
        self, target: VersionTarget, duration_ms: float, init_ms: float | None, *, failed: bool
    ) -> None:
        """One invoke that ran, well or not; on the hot path."""
        found = self._functions.get(target.function_arn) or self.function(target.function_arn)
        found.invocation(duration_ms, init_ms, failed=failed)

    def throttle(self, target: VersionTarget) -> None:
        """One request that was refused for want of concurrency."""
        self.function(target.function_arn).throttles += 1

    def function(self, function_arn: str) -> FunctionMetrics:
        """The counters of a function, by its unqualified ARN."""
        found = self._functions.get(function_arn)
        if found is None:
            if len(self._functions) >= self._max_functions:
                return self._others
            found = self._functions[function_arn] = FunctionMetrics()
        return found

    def forget(self, function_arn: str) -> None:
        """The function is deleted; its place is free for another."""
        self._functions.pop(function_arn, None)

    def count(self, name: str, by: int = 1) -> None:
        """A counter of the server itself; names are constants, never made of a request."""
        self._counters[name] = self._counters.get(name, 0) + by

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """A value that its owner knows, read when somebody looks."""
        self._gauges[name] = read

    def functions(self) -> list[tuple[str, FunctionMetrics]]:
        """By unqualified ARN; `OTHERS`, once there are any, for all that are not told apart."""
        found = list(self._functions.items())
        if self._others.invocations or self._others.throttles:
            found.append((OTHERS, self._others))
        return found

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def gauges(self) -> dict[str, float]:
        """What their owners say now."""
        return {name: read() for name, read in self._gauges.items()}

    def snapshot(self) -> dict[str, object]:
        return {
            "functions": {arn: metrics.snapshot() for arn, metrics in self.functions()},
            "counters": self.counters(),
            "gauges": self.gauges(),
        }
