"""How busy this machine is: what the kernel says of its processors and its memory.

`Pacer` asks before it lets another environment start. Two small files of /proc, read at most a few
times a second and only while somebody waits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol


class Gauge(Protocol):
    """What is measured of a host; a simulation brings its own."""

    def busy(self) -> float:
        """Share of all processors that was at work since it was asked last, 0..1."""
        ...

    def available_mb(self) -> int:
        """Memory that can be had without anybody being put out."""
        ...


class HostLoad:
    """The machine that the server runs on."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._stat = proc / "stat"
        self._meminfo = proc / "meminfo"
        self._idle = self._all = 0
        self.busy()  # from here on

    def busy(self) -> float:
        try:
            first = self._stat.read_bytes().partition(b"\n")[0]
        except OSError:  # not Linux
            return min(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0)
        # user nice system idle iowait irq softirq steal; guests are counted in user already.
        ticks = [int(field) for field in first.split()[1:9]]
        idle, total = ticks[3] + ticks[4], sum(ticks)
        idle_since, total_since = idle - self._idle, total - self._all
        self._idle, self._all = idle, total
        return 1 - idle_since / total_since if total_since > 0 else 0.0

    def available_mb(self) -> int:
        try:
            text = self._meminfo.read_bytes()
        except OSError:
            return 1 << 30  # not known: the limit that the owner sets is what there is
        _, _, rest = text.partition(b"MemAvailable:")
        return int(rest.split(None, 1)[0]) >> 10
