"""The server's numbers in Prometheus' text format (or OpenMetrics, for who asks).

The engine counts in `Metrics`, in milliseconds and without this library; a page is made only when
somebody scrapes. What belongs to the event loop is copied there (`_Reading`), the text is written
in a thread, one page at a time. Next: `api/metrics_page` serves it.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import lambent
from lambent.observe.load import FunctionLoad
from lambent.observe.metrics import BOUNDS_MS, FunctionMetrics, Histogram, Metrics

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

OTHER: Final = "_other"
"""`function` of everything beyond the functions that are told apart."""
LABELS: Final = ("function", "account", "region")

DURATION_BOUNDS_MS: Final = frozenset(
    {1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000, 300_000, 900_000}
)
INIT_BOUNDS_MS: Final = frozenset({10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 900_000})
"""Of the bounds that are counted, those on the page: each is a line per function."""

_GAUGES: Final = {
    "events.depth": (
        "lambent_async_queue_depth",
        "Asynchronous invokes that were accepted and have not ended, those under way included.",
    ),
    "events.in_flight": ("lambent_async_in_flight", "Asynchronous invokes that run now."),
    "starts.waiting": (
        "lambent_starts_waiting",
        "Environments that wait for their turn to start, because the host is busy.",
    ),
    "starts.running": ("lambent_starts_running", "Environments whose Init runs now."),
    "events.oldest_age_s": (
        "lambent_async_oldest_event_age_seconds",
        "Age of the oldest asynchronous invoke that has not ended; 0 when there is none.",
    ),
}
"""Name in `Metrics.gauge` → name on the page, help. Others appear under a name made of theirs."""

_COUNTERS: Final = {
    "code_signing.errors": (
        "lambent_signature_validation_errors",
        "Packages without a valid signature of an allowed publisher that were to be deployed.",
    ),
    "events.retried": ("lambent_async_retries", "Asynchronous invokes that will be tried again."),
    "events.throttled": (
        "lambent_async_throttles",
        "Attempts at asynchronous invokes that were throttled; they wait and are tried again.",
    ),
    "events.system_errors": (
        "lambent_async_system_errors",
        "Attempts at asynchronous invokes that failed for the platform's fault.",
    ),
    "logs.dropped": (
        "lambent_log_events_dropped",
        "Log events of functions that came faster than the disk took them, or found it full.",
    ),
    "otlp.dropped": (
        "lambent_otlp_segments_dropped",
        "Segments of traces that the collector did not take, or that had no room to wait for it.",
    ),
    "environments.start_failed": (
        "lambent_environment_start_failures",
        "Execution environments that the host could not start.",
    ),
}
_DROPPED: Final = "events.dropped."
"""Prefix of the counters of events that were given up; the reason follows."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A moment of the loop's state. Counters may move while they are written; they only grow."""

    functions: list[tuple[str, FunctionMetrics]]
    loads: list[FunctionLoad]
    gauges: dict[str, float]
    counters: dict[str, int]


class Exposition:
    """Makes pages. One per server."""

    def __init__(self, metrics: Metrics, loads: Callable[[], Iterable[FunctionLoad]]) -> None:
        self._metrics = metrics
        self._loads = loads
        self._one_at_a_time = asyncio.Lock()

    async def page(self, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type, as the Accept header asks for."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(_render, self._read(), accept)

    def families(self) -> list[Metric]:
        """The same as the library's own objects."""
        return list(_Collector(self._read()).collect())

    def _read(self) -> _Reading:
        metrics = self._metrics
        gauges, counters = metrics.gauges(), metrics.counters()
        for name in _COUNTERS.keys() & gauges.keys():  # kept by their owners, and only growing
            counters[name] = int(gauges.pop(name))
        return _Reading(metrics.functions(), list(self._loads()), gauges, counters)


def _render(reading: _Reading, accept: str) -> tuple[bytes, str]:
    """In a thread; the library is imported with the first page."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Collector(reading))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Collector:
    """What the library asks for its metrics."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        yield _build()
        yield from _functions(self._reading.functions)
        yield from _now(self._reading.functions, self._reading.loads)
        yield from _gauges(self._reading.gauges)
        yield from _counters(self._reading.counters)


def _build() -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "lambent_build_info", "Which lambent this is; always 1.", labels=("version", "python")
    )
    family.add_metric((lambent.__version__, platform.python_version()), 1)
    return family


def _functions(functions: list[tuple[str, FunctionMetrics]]) -> Iterator[Metric]:
    """What has happened, per function."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    for name, text in (
        ("invocations", "Invokes that ran, well or not."),
        ("errors", "Invokes that ended in an error of the function, time-outs included."),
        ("throttles", "Requests that were refused for want of concurrency (429)."),
    ):
        family = CounterMetricFamily(f"lambent_function_{name}", text, labels=LABELS)
        for arn, found in functions:
            family.add_metric(labels(arn), getattr(found, name))
        yield family
    durations = HistogramMetricFamily(
        "lambent_function_duration_seconds", "How long handlers ran.", labels=LABELS
    )
    inits = HistogramMetricFamily(
        "lambent_function_init_duration_seconds",
        "How long Init took, of invokes that were cold starts.",
        labels=LABELS,
    )
    for arn, found in functions:
        durations.add_metric(labels(arn), *_buckets(found.duration, DURATION_BOUNDS_MS))
        inits.add_metric(labels(arn), *_buckets(found.init, INIT_BOUNDS_MS))
    yield durations
    yield inits


def _buckets(
    histogram: Histogram, shown: frozenset[float]
) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound in seconds, and the sum of what was counted."""
    *counts, all_of_them = accumulate(list(histogram.counts))
    below = zip(BOUNDS_MS, counts, strict=True)
    buckets = [(str(bound / 1000), float(count)) for bound, count in below if bound in shown]
    return [*buckets, ("+Inf", float(all_of_them))], histogram.sum / 1000


def _now(
    functions: list[tuple[str, FunctionMetrics]], loads: list[FunctionLoad]
) -> Iterator[Metric]:
    """What happens at this moment, for the functions that are told apart, the rest added up."""
    from prometheus_client.core import GaugeMetricFamily

    known = {arn for arn, _ in functions}
    running: dict[str, int] = {}
    environments: dict[tuple[str, str], int] = {}
    for load in loads:
        arn = load.function_arn if load.function_arn in known else OTHER
        running[arn] = running.get(arn, 0) + load.running
        for state, count in load.environments.items():
            environments[arn, state] = environments.get((arn, state), 0) + count
    family = GaugeMetricFamily("lambent_function_concurrency", "Calls that run now.", labels=LABELS)
    for arn, count in running.items():
        family.add_metric(labels(arn), count)
    yield family
    family = GaugeMetricFamily(
        "lambent_environments", "Execution environments by state.", labels=(*LABELS, "state")
    )
    for (arn, state), count in environments.items():
        family.add_metric((*labels(arn), state), count)
    yield family


def _gauges(gauges: dict[str, float]) -> Iterator[GaugeMetricFamily]:
    from prometheus_client.core import GaugeMetricFamily

    for name, value in gauges.items():
        shown, text = _GAUGES.get(name, (_made_of(name), f"The server's {name}."))
        yield GaugeMetricFamily(shown, text, value=value)


def _counters(counters: dict[str, int]) -> Iterator[CounterMetricFamily]:
    from prometheus_client.core import CounterMetricFamily

    dropped = CounterMetricFamily(
        "lambent_async_dropped", "Asynchronous invokes that were given up.", labels=("reason",)
    )
    # The known ones are there from the first page on, so that an increase can be seen.
    for name, value in (dict.fromkeys(_COUNTERS, 0) | counters).items():
        if name.startswith(_DROPPED):
            dropped.add_metric((name.removeprefix(_DROPPED),), value)
        else:
            shown, text = _COUNTERS.get(name, (_made_of(name), f"The server's {name}."))
            yield CounterMetricFamily(shown, text, value=value)
    yield dropped


def _made_of(name: str) -> str:
    return "lambent_" + name.replace(".", "_")


def labels(arn: str) -> tuple[str, str, str]:
    """Function name, account and region of an unqualified function ARN."""
    parts = arn.split(":")
    return (parts[6], parts[4], parts[3]) if len(parts) == 7 else (OTHER, "", "")
