"""What an image holds, told from its layers' headers alone: nothing is unpacked.

Whiteouts count as when it is unpacked (`unpack`): what an upper layer hides is not there, though
its bytes still travel in the layer below. `delivery.images` asks for sizes and for interpreters.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lambent.images.manifest import Image, Layer
from lambent.images.problem import ImageError
from lambent.images.unpack import MOST_ENTRIES, OPAQUE, WHITEOUT, Header, parts_of, verify

MOST_LINKS: Final = 40
MOST_READ: Final = 100 << 30
MOST_KEPT: Final = 8 << 20


@dataclass(slots=True)
class Item:
    """One file, folder or link of the image as it will be seen."""

    layer: int
    size: int
    executable: bool
    folder: bool
    link: str = ""


@dataclass(slots=True)
class LayerFacts:
    unpacked: int = 0
    """Bytes of the files that stand in it, seen or not."""
    files: int = 0


@dataclass(slots=True)
class Contents:
    items: dict[str, Item] = field(default_factory=dict)
    """By path, without a slash in front."""
    layers: list[LayerFacts] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    """The contents of files that were asked for."""
    children: dict[str, set[str]] = field(default_factory=dict)

    def resolve(self, path: str) -> str | None:
        """The path with all links followed inside the image; None where there is nothing."""
        at: list[str] = []
        left, links = path.split("/"), 0
        while left:
            part = left.pop(0)
            if part in {"", "."}:
                continue
            if part == "..":
                at = at[:-1]
                continue
            item = self.items.get("/".join([*at, part]))
            if item is None:
                return None
            if not item.link:
                at.append(part)
                continue
            links += 1
            if links > MOST_LINKS:
                return None
            at = [] if item.link.startswith("/") else at
            left = [*item.link.split("/"), *left]
        return "/".join(at)

    def names(self, folder: str) -> set[str]:
        """What a folder holds; nothing where it is none."""
        real = self.resolve(folder)
        return set() if real is None else self.children.get(real, set())

    def is_program(self, path: str) -> bool:
        real = self.resolve(path)
        item = None if real is None else self.items.get(real)
        return item is not None and item.executable and not item.folder


def read(image: Image, keep: re.Pattern[str] | None = None) -> Contents:
    """Every layer's headers; the contents of files whose path `keep` matches are kept."""
    found = Contents()
    count = 0
    for number, layer in enumerate(image.layers):
        verify(layer)
        found.layers.append(LayerFacts())
        fresh: set[str] = set()
        for archive, entry in _entries(layer):
            count += 1
            if count > MOST_ENTRIES:
                raise ImageError(f"the image has more than {MOST_ENTRIES} files")
            parts = parts_of(entry.name)
            if parts:
                _count(found.layers[-1], entry)
                _lay(found, entry, parts, number, fresh)
                _keep(found, archive, entry, "/".join(parts), keep)
    return found


def _count(facts: LayerFacts, entry: tarfile.TarInfo) -> None:
    if entry.isreg():
        facts.unpacked += entry.size
        facts.files += 1
        if facts.unpacked > MOST_READ:
            raise ImageError("a layer holds more than 100 GB")


def _lay(
    found: Contents, entry: tarfile.TarInfo, parts: list[str], layer: int, fresh: set[str]
) -> None:
    if parts[-1].startswith(WHITEOUT):
        _folders(found, parts, layer, fresh)
        _whiteout(found, parts, fresh)
        return
    item = _item(found, entry, layer)
    if item is None:
        return
    path = "/".join(parts)
    if not item.folder and path in found.items:
        _hide(found, path, set())
    _place(found, parts, item, fresh)


def _keep(
    found: Contents,
    archive: tarfile.TarFile,
    entry: tarfile.TarInfo,
    path: str,
    keep: re.Pattern[str] | None,
) -> None:
    if keep is not None and entry.isreg() and keep.fullmatch(path):
        content = archive.extractfile(entry)
        found.kept[path] = content.read(MOST_KEPT) if content is not None else b""


def _entries(layer: Layer) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    try:
        with (
            layer.open() as file,
            tarfile.open(fileobj=file, mode="r|*", tarinfo=Header) as archive,
        ):
            for entry in archive:
                yield archive, entry
                archive.members.clear()  # type: ignore[attr-defined]  # not in typeshed
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ImageError(f"a layer cannot be read: {error}") from None


def _item(found: Contents, entry: tarfile.TarInfo, layer: int) -> Item | None:
    if entry.isdir():
        return Item(layer, 0, executable=False, folder=True)
    if entry.issym():
        return Item(layer, 0, executable=False, folder=False, link=entry.linkname)
    if entry.islnk():
        source = found.items.get("/".join(parts_of(entry.linkname)))
        executable = source is not None and source.executable
        return Item(
            layer, 0, executable=executable, folder=False, link=source.link if source else ""
        )
    if entry.isreg():
        return Item(layer, entry.size, executable=bool(entry.mode & 0o111), folder=False)
    return None


def _folders(found: Contents, parts: list[str], layer: int, fresh: set[str]) -> None:
    """The folders above, where no layer has named them."""
    for at in range(1, len(parts)):
        above = "/".join(parts[:at])
        if above not in found.items:
            found.items[above] = Item(layer, 0, executable=False, folder=True)
            fresh.add(above)
        found.children.setdefault("/".join(parts[: at - 1]), set()).add(parts[at - 1])


def _place(found: Contents, parts: list[str], item: Item, fresh: set[str]) -> None:
    _folders(found, parts, item.layer, fresh)
    path = "/".join(parts)
    present = found.items.get(path)
    if not (item.folder and present is not None and present.folder):
        found.items[path] = item
    found.children.setdefault("/".join(parts[:-1]), set()).add(parts[-1])
    fresh.add(path)


def _whiteout(found: Contents, parts: list[str], fresh: set[str]) -> None:
    folder = "/".join(parts[:-1])
    if parts[-1] == OPAQUE:
        for name in list(found.children.get(folder, ())):
            _hide(found, f"{folder}/{name}" if folder else name, fresh)
        return
    name = parts[-1].removeprefix(WHITEOUT)
    if name and not name.startswith(WHITEOUT):
        _hide(found, "/".join([*parts[:-1], name]), fresh)


def _hide(found: Contents, path: str, fresh: set[str]) -> None:
    for name in list(found.children.get(path, ())):
        _hide(found, f"{path}/{name}", fresh)
    if path in fresh or found.children.get(path):
        return
    found.items.pop(path, None)
    found.children.pop(path, None)
    folder, _, name = path.rpartition("/")
    found.children.get(folder, set()).discard(name)
