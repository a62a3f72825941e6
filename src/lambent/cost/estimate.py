"""What a batch or a month of invokes costs, with or without the free tier.

Sums first and rounds last: a million invokes are not a million rounded invokes. For the CLI's
`cost`, the demo and the console.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambent.cost.billing import FREE_EPHEMERAL_MB, MS_MB_PER_GB_S, per_gb_s
from lambent.cost.prices import Prices


@dataclass(frozen=True, slots=True)
class Usage:
    """Invokes of one shape."""

    requests: int
    billed_ms: int
    """All of them together."""
    memory_mb: int
    architecture: str = "x86_64"
    ephemeral_mb: int = FREE_EPHEMERAL_MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """Picodollars by what they are for."""

    requests: int
    duration: int
    ephemeral: int
    free_tier: int
    """What the free tier took off; not negative."""

    @property
    def total(self) -> int:
        return self.requests + self.duration + self.ephemeral - self.free_tier


def estimate(prices: Prices, usage: Iterable[Usage], *, free_tier: bool = False) -> Estimate:
    """The cost of `usage`; with `free_tier` as a month of an account that uses nothing else.

    AWS takes the free requests and GB-seconds off in the order of the usage; so does this.
    """
    free_requests = prices.free_requests if free_tier else 0
    free_ms_mb = prices.free_gb_s * MS_MB_PER_GB_S if free_tier else 0
    requests = duration = ephemeral = free_flat = free_scaled = 0
    for use in usage:
        rates = prices.of(use.architecture)
        requests += use.requests * rates.request
        ms_mb = use.billed_ms * use.memory_mb
        duration += ms_mb * rates.duration_gb_s
        extra_mb = max(0, use.ephemeral_mb - FREE_EPHEMERAL_MB)
        ephemeral += use.billed_ms * extra_mb * rates.ephemeral_gb_s
        taken = min(free_requests, use.requests)
        free_requests -= taken
        free_flat += taken * rates.request
        taken = min(free_ms_mb, ms_mb)
        free_ms_mb -= taken
        free_scaled += taken * rates.duration_gb_s
    return Estimate(
        requests, per_gb_s(duration), per_gb_s(ephemeral), free_flat + per_gb_s(free_scaled)
    )
