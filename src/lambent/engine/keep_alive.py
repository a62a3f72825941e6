"""How long an idle environment is worth keeping: one small decision, made to be replaced.

`Keeper` asks a `KeepAlive` with what is known of a version's arrivals. Today's answer is a fixed
time. `Arrivals` records, for each version, how long nobody had called when somebody did: what a
policy that learns needs (Shahrad et al., "Serverless in the Wild", USENIX ATC 2020).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, Protocol

BOUNDS_S: Final = (
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0,
    7_200.0, 14_400.0,
)  # fmt: skip
"""Upper bounds; the last count is everything above. Gaps under a second decide nothing."""


class Arrivals:
    """Gaps between the calls of one version, counted by length."""

    __slots__ = ("_last", "counts")

    def __init__(self) -> None:
        self._last: float | None = None
        self.counts = [0] * (len(BOUNDS_S) + 1)

    def came(self, now: float) -> None:
        """Somebody calls, at this monotonic second. On the hot path."""
        last, self._last = self._last, now
        if last is None:
            return
        gap_s = now - last
        self.counts[0 if gap_s <= 1.0 else bisect_left(BOUNDS_S, gap_s)] += 1

    def since(self, now: float) -> float | None:
        """Seconds since somebody called; None if nobody has."""
        return None if self._last is None else now - self._last

    def histogram(self) -> dict[float, int]:
        """Count by upper bound in seconds; infinity holds the rest."""
        return dict(zip((*BOUNDS_S, float("inf")), self.counts, strict=True))


class KeepAlive(Protocol):
    """A policy."""

    def idle_s(self, arrivals: Arrivals) -> float:
        """How long an environment of a version may stay idle before it is given back."""
        ...


class FixedKeepAlive:
    """The same for every version."""

    __slots__ = ("_idle_s",)

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s

    def idle_s(self, arrivals: Arrivals) -> float:  # noqa: ARG002  others will look at them
        return self._idle_s
