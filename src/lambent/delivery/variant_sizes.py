"""What a variant weighs, package by package, and which of them grew since it was last written down.

Measured as a function's zip holds it: installed for the function's platform, tests and compilers'
files left out, without bytecode.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambent.delivery import dependencies, trim
from lambent.delivery.platforms import Platform
from lambent.delivery.variants import UNUSED, Variant

MB: Final = 1_000_000
SMALL_MB: Final = 1.0
"""Packages below it are put together as `other`."""
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Weight:
    """By distribution's top folder; a `.libs` folder counts with the package that it belongs to."""

    packages: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.packages.values())

    def megabytes(self) -> dict[str, float]:
        """The largest first; what is small in one line."""
        found: Counter[str] = Counter()
        for name, size in self.packages.items():
            found[name if size >= SMALL_MB * MB else OTHER] += size
        order = sorted(found, key=lambda name: (name == OTHER, -found[name]))
        return {name: round(found[name] / MB, 1) for name in order}


def measure(variant: Variant, platform: Platform) -> Weight:
    """Install it and look; some seconds where uv has the wheels."""
    with tempfile.TemporaryDirectory(prefix="lambent-variant-") as scratch:
        tree = Path(scratch) / "tree"
        wanted = write(variant, Path(scratch))
        dependencies.install(wanted, platform, tree)
        found: Counter[str] = Counter()
        for name, data, _ in trim.files(tree, None):
            found[_package(name)] += len(data)
    return Weight(dict(found))


def write(variant: Variant, folder: Path) -> dependencies.Requirements:
    """requirements.txt and what overrides it, in `folder`."""
    path = folder / "requirements.txt"
    path.write_text("\n".join(variant.requirements()) + "\n")
    (folder / dependencies.OVERRIDES).write_text(UNUSED)
    found = dependencies.requirements(folder)
    assert found is not None
    return found


def _package(name: str) -> str:
    top = name.partition("/")[0]
    return top.removesuffix(".libs").replace("opencv_python_headless", "cv2")


def grown(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Packages that are larger than they were, the most grown first: `numpy 46.0 → 52.1 MB`."""
    more = {name: size - before.get(name, 0.0) for name, size in now.items()}
    return [
        f"{name} {before.get(name, 0.0)} → {now[name]} MB"
        for name in sorted(more, key=lambda name: -more[name])
        if more[name] > 0
    ]
