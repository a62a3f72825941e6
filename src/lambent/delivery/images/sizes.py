"""What is in an image, largest first, and what of AWS's 10 GB it takes.

Files are counted where people look for them: an installed package as one, everything else by its
folder, three levels deep.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambent.delivery.images import reference
from lambent.delivery.images.recipe import here
from lambent.images import contents
from lambent.images.contents import Contents
from lambent.images.manifest import SIZE_LIMIT, Image

_LEVELS: Final = 3
_PACKAGES: Final = ("site-packages", "dist-packages")
_TASK: Final = "var/task"


@dataclass(frozen=True, slots=True)
class LayerSize:
    digest: str
    said: str
    """What the image's history says of it."""
    compressed: int
    unpacked: int
    files: int


@dataclass(frozen=True, slots=True)
class Sizes:
    digest: str
    layers: tuple[LayerSize, ...]
    places: tuple[tuple[str, int], ...]
    """Folders and packages with their bytes, largest first."""
    files: tuple[tuple[str, int], ...]
    seen: int
    """Bytes of the files that can be seen."""
    limit: int = SIZE_LIMIT

    @property
    def unpacked(self) -> int:
        """Bytes of all layers: what counts against the limit."""
        return sum(layer.unpacked for layer in self.layers)

    @property
    def hidden(self) -> int:
        """Bytes that upper layers delete or replace, and that travel all the same."""
        return self.unpacked - self.seen


def measure(
    image: str, architecture: str = "", *, registry: str | None = None, most: int = 20
) -> Sizes:
    """Read the layers of an image; raises `Problem`."""
    with tempfile.TemporaryDirectory(prefix="lambent-image-") as scratch:
        found, digest = reference.opened(
            image, architecture or here(), Path(scratch), registry=registry
        )
        with reference.problems(image):
            inside = contents.read(found)
        sizes = {path: item.size for path, item in inside.items.items() if item.size}
        return Sizes(
            digest,
            tuple(_layers(found, inside)),
            tuple(_places(sizes).most_common(most)),
            tuple(Counter(sizes).most_common(most)),
            sum(sizes.values()),
        )


def _layers(image: Image, inside: Contents) -> list[LayerSize]:
    said = _history(image.document, len(image.layers))
    made = []
    for layer, facts, text in zip(image.layers, inside.layers, said, strict=True):
        compressed = 0 if layer.member else layer.path.stat().st_size
        made.append(LayerSize(layer.digest, text, compressed, facts.unpacked, facts.files))
    return made


def _history(document: Mapping[str, Any], count: int) -> list[str]:
    """What made each layer; nothing where the history does not fit."""
    told = [
        " ".join(str(entry.get("created_by", "")).split())
        for entry in document.get("history") or ()
        if isinstance(entry, dict) and not entry.get("empty_layer")
    ]
    return told if len(told) == count else [""] * count


def _places(sizes: Mapping[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for path, size in sizes.items():
        found[_place(path)] += size
    return found


def _place(path: str) -> str:
    parts = path.split("/")
    for at, part in enumerate(parts[:-1]):
        if part in _PACKAGES:
            return "/".join([*parts[: at + 1], parts[at + 1].removesuffix(".libs")])
    return "/".join(parts[: min(_LEVELS, len(parts) - 1)]) or path
