"""What a probe is and what it says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lambent.settings import Settings

Status = Literal["ok", "warn", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`, and what to do about it."""

    status: Status
    """`warn`: works, with less; `missing`: a server or a function would fail."""
    said: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What probes look at; tests give another `proc` or environment."""

    settings: Settings
    environ: Mapping[str, str]
    proc: Path = Path("/proc")
    is_root: bool = field(default_factory=lambda: os.geteuid() == 0)

    def existing(self, path: Path) -> Path:
        """The nearest folder above `path`, or it, that exists."""
        return next(place for place in (path, *path.parents) if place.exists())

    def read(self, *parts: str) -> str:
        """A small file below /proc, without its newline; empty when there is none."""
        try:
            return self.proc.joinpath(*parts).read_text().strip()
        except OSError:
            return ""


@dataclass(frozen=True, slots=True)
class Probe:
    """`PROBE` of each file in `probes/`."""

    name: str
    look: Callable[[Machine], Finding]
    mend: Callable[[Machine], str] | None = None
    """For `--fix`, as root: does it and says what it did; raises OSError when it cannot."""
    needs_word: str = ""
    """What the owner must agree to first (`-y`), when mending gives something away."""
