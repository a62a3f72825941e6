"""Measures of layers; the peer is Python's own `zipfile`, on the same zip and the same disk."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.cases import Result, result
from lambent.store.unpack import unpack

FILES = 2_500
FILE_BYTES = 100_000
"""250 MB together: the most that Lambda lets a function's layers have."""
TIMES = 3


def layer_unpack() -> Iterator[Result]:
    """A layer of 250 MB, as packages are: many files that are compressed by half."""
    ours, peer = [], []
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "layer.zip")
        _make(package)
        for nth in range(TIMES):
            ours.append(_seconds(lambda target: unpack(package, target), Path(folder, f"a{nth}")))
            peer.append(_seconds(lambda target: _extract(package, target), Path(folder, f"b{nth}")))
    mine, theirs = statistics.median(ours), statistics.median(peer)
    yield result("layer_unpack_250mb", "s", mine, theirs, "≤ zipfile", met=mine <= theirs)


def _make(package: Path) -> None:
    noise = random.Random(1)
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for nth in range(FILES):
            content = noise.randbytes(FILE_BYTES // 2) + bytes(FILE_BYTES // 2)
            archive.writestr(f"python/package{nth % 50}/module{nth}.py", content)


def _extract(package: Path, target: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(target)


def _seconds(act: Callable[[Path], object], target: Path) -> float:
    target.mkdir()
    started = time.perf_counter()
    act(target)
    return time.perf_counter() - started


LAYER_CASES = {"layer_unpack": layer_unpack}
