"""What a version's template and its forks hold in memory, counted so that nothing counts twice.

The kernel divides each page that several processes map by their number (PSS): the sums over a
template and its forks are what the machine would have back if all of them were gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """Kilobytes of one process, or of several together."""

    private_kb: int = 0
    """Its own: what it has written since the fork."""
    shared_kb: int = 0
    """In common with others: code, and what no fork has changed."""
    pss_kb: int = 0
    """Its own, and its part of what is shared."""

    def plus(self, other: Held) -> Held:
        return Held(
            self.private_kb + other.private_kb,
            self.shared_kb + other.shared_kb,
            self.pss_kb + other.pss_kb,
        )


def held(pid: int) -> Held:
    """Nothing for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return Held()
    facts: dict[str, int] = {}
    for line in text.splitlines()[1:]:
        name, _, rest = line.partition(":")
        facts[name] = int(rest.split()[0])
    return Held(
        facts["Private_Clean"] + facts["Private_Dirty"],
        facts["Shared_Clean"] + facts["Shared_Dirty"],
        facts["Pss"],
    )


def together(pids: Iterable[int]) -> Held:
    total = Held()
    for pid in pids:
        total = total.plus(held(pid))
    return total
