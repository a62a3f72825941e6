"""What invokes cost, from their REPORT lines, and what they would cost in another shape.

All sums are whole picodollars (`lambent.cost`); only the scaling from what was seen to what might
be rounds, once per row, to a whole request and a whole millisecond. No click here, and no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

from lambent.cli.report import Report
from lambent.cost.billing import MS_MB_PER_GB_S, dollars
from lambent.cost.estimate import Estimate, Usage, estimate
from lambent.cost.prices import Prices
from lambent.delivery.problem import USAGE, Problem

MONTH_S: Final = 30 * 86_400
VCPU_MB: Final = 1_769
"""Memory at which Lambda gives one whole vCPU; CPU is in proportion to memory."""
LIMITS: Final = {"memory": (128, 32_768), "ephemeral": (512, 10_240), "requests": (1, 10**12)}
KEYS: Final = (*LIMITS, "architecture")
ASSUMPTIONS: Final = {
    "same": "the billed duration stays as it is, whatever the memory",
    "cpu": "the billed duration shrinks as CPU grows, in proportion to memory up to 1,769 MB "
    "(one vCPU)",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What `--what-if` can change."""

    memory_mb: int
    architecture: str
    ephemeral_mb: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Invokes of one memory size."""

    requests: int
    billed_ms: int
    cold_starts: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Row:
    """A month of one shape."""

    label: str
    requests: int
    billed_ms: int
    shape: Shape
    cost: Estimate

    def facts(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "requests": self.requests,
            "memory_mb": self.shape.memory_mb,
            "architecture": self.shape.architecture,
            "ephemeral_mb": self.shape.ephemeral_mb,
            "billed_ms": self.billed_ms,
            "gb_s": gb_s(self.billed_ms, self.shape.memory_mb),
            "cost": money(self.cost),
        }


def money(cost: Estimate) -> dict[str, Any]:
    """Picodollars by what they are for, and the total as text."""
    return {
        "requests_pico": cost.requests,
        "duration_pico": cost.duration,
        "ephemeral_pico": cost.ephemeral,
        "free_tier_pico": cost.free_tier,
        "total_pico": cost.total,
        "total": dollars(cost.total),
    }


def gb_s(billed_ms: int, memory_mb: int) -> float:
    return round(billed_ms * memory_mb / MS_MB_PER_GB_S, 6)


def gather(reports: Iterable[Report], architecture: str, ephemeral_mb: int) -> list[Observed]:
    """By memory size, as that may have changed on the way."""
    requests: Counter[int] = Counter()
    billed: Counter[int] = Counter()
    cold: Counter[int] = Counter()
    for report in reports:
        requests[report.memory_mb] += 1
        billed[report.memory_mb] += int(report.billed_ms)
        cold[report.memory_mb] += report.init_ms is not None
    return [
        Observed(count, billed[mb], cold[mb], Shape(mb, architecture, ephemeral_mb))
        for mb, count in sorted(requests.items())
    ]


def spent(prices: Prices, observed: Iterable[Observed]) -> Estimate:
    """What the invokes that were seen cost, without a free tier."""
    return estimate(prices, [_usage(one.requests, one.billed_ms, one.shape) for one in observed])


def month(
    prices: Prices, observed: list[Observed], window_s: int, *, free_tier: bool
) -> tuple[int, Estimate]:
    """Requests and cost of a month in which every `window_s` is like the one that was seen."""
    usage = [
        _usage(
            _scaled(one.requests, MONTH_S, window_s),
            _scaled(one.billed_ms, MONTH_S, window_s),
            one.shape,
        )
        for one in observed
    ]
    return sum(use.requests for use in usage), estimate(prices, usage, free_tier=free_tier)


def what_if(
    prices: Prices,
    observed: list[Observed],
    monthly_requests: int,
    changes: Mapping[str, list[str]],
    *,
    assume: str,
    free_tier: bool,
) -> list[Row]:
    """A row for every combination of the changes; what they do not name stays as it was seen."""
    rows = []
    for values in product(*changes.values()):
        change = dict(zip(changes, values, strict=True))
        requests = int(change.get("requests", monthly_requests))
        memory_mb = int(change["memory"]) if "memory" in change else None
        # Seen with several memory sizes, the mean of their durations is what counts.
        billed = sum(
            _at_memory(one.billed_ms, one.shape.memory_mb, memory_mb, assume) for one in observed
        )
        seen = sum(one.requests for one in observed)
        shape = replace(
            observed[-1].shape,
            memory_mb=memory_mb or observed[-1].shape.memory_mb,
            architecture=change.get("architecture", observed[-1].shape.architecture),
            ephemeral_mb=int(change.get("ephemeral", observed[-1].shape.ephemeral_mb)),
        )
        billed_ms = max(requests, _scaled(billed, requests, seen))  # each is billed one at least
        cost = estimate(prices, [_usage(requests, billed_ms, shape)], free_tier=free_tier)
        label = " ".join(f"{key}={value}" for key, value in change.items())
        rows.append(Row(label, requests, billed_ms, shape, cost))
    return rows


def parse_changes(items: Iterable[str]) -> dict[str, list[str]]:
    """`memory=512,1024` and so on; numbers may be written as `1e6`."""
    found: dict[str, list[str]] = {}
    for item in items:
        key, equals, values = item.partition("=")
        if not equals or key not in KEYS:
            raise _wrong(item, f"it takes {', '.join(KEYS)}")
        found.setdefault(key, []).extend(_value(item, key, text) for text in values.split(","))
    return found


def _value(item: str, key: str, text: str) -> str:
    if key == "architecture":
        if text not in {"x86_64", "arm64"}:
            raise _wrong(item, "an architecture is x86_64 or arm64")
        return text
    low, high = LIMITS[key]
    try:
        number = float(text)
        whole = int(number)
    except (ValueError, OverflowError):
        raise _wrong(item, f"'{text}' is not a number") from None
    if whole != number or not low <= whole <= high:
        raise _wrong(item, f"{key} is a whole number from {low:,} to {high:,}")
    return str(whole)


def _wrong(item: str, why: str) -> Problem:
    return Problem(
        "WHAT_IF_INVALID",
        f"--what-if {item} cannot be read",
        why=why,
        fix="--what-if memory=512,1024     or     --what-if requests=1e6",
        exit_code=USAGE,
    )


def _at_memory(billed_ms: int, from_mb: int, to_mb: int | None, assume: str) -> int:
    if to_mb is None or assume == "same":
        return billed_ms
    return _scaled(billed_ms, min(from_mb, VCPU_MB), min(to_mb, VCPU_MB))


def _scaled(amount: int, by: int, of: int) -> int:
    """`amount × by / of`, rounded half up."""
    return (2 * amount * by + of) // (2 * of)


def _usage(requests: int, billed_ms: int, shape: Shape) -> Usage:
    return Usage(requests, billed_ms, shape.memory_mb, shape.architecture, shape.ephemeral_mb)
