"""Unpack a function's zip into a folder, trusting nothing in it.

First everything is planned from the central directory, in bounded memory: names, kinds, sizes and
where symbolic links lead. Only a zip that passes is written, in a private folder in which nothing
but this code writes, links last, so that no write ever goes through one. What AWS would answer is
decided by the caller (`control/code.py`) from the two errors raised here.
"""

from __future__ import annotations

import mmap
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from lambent.store.zip_directory import DEFLATED, STORED, BadZipError, Entry, data_offset, entries

UNZIPPED_LIMIT: Final = 262_144_000
"""AWS: the unzipped package must be smaller than this."""
MAX_NODES: Final = 100_000
"""Files, links and folders in one package; AWS names no number, but inodes are not free."""
MAX_LINK: Final = 4_096
MAX_ALL_LINKS: Final = 4 * 1024 * 1024
"""Bytes of all link targets together; they are held in memory."""
MAX_HOPS: Final = 40
"""Links followed while resolving one name; the kernel's own limit."""
MAX_STEPS: Final = 4_000_000
"""Names looked up while checking all links."""
OPEN_MODE, READ_MODE = 0o755, 0o644
"""Functions run under other users than the server: everyone may read."""
_CHUNK: Final = 256 * 1024


class TooLargeError(Exception):
    """The package unzips to more than `UNZIPPED_LIMIT`."""


class EmptyZipError(BadZipError):
    """A valid zip in which there is nothing."""


Folder: TypeAlias = "dict[str, Folder | Entry]"


@dataclass(slots=True)
class Plan:
    """What is going to be written: a tree of names, counted while it grows."""

    root: Folder = field(default_factory=dict)
    nodes: int = 0
    size: int = 0
    link_bytes: int = 0

    def add(self, entry: Entry) -> None:
        *parents, name = _parts(entry) or [""]
        if not name:
            return  # "./", which some tools write
        folder = self.root
        for parent in parents:
            folder = self._enter(folder, parent)
        if entry.is_folder:
            self._enter(folder, name)
            return
        if name in folder:
            raise BadZipError(f"two entries are called {entry.name!r}")
        _check_kind(entry)
        self._count()
        self.size += entry.size
        if self.size >= UNZIPPED_LIMIT:
            raise TooLargeError
        if stat.S_ISLNK(entry.mode):
            self.link_bytes += entry.size
            if self.link_bytes > MAX_ALL_LINKS:
                raise BadZipError("the links are too many and too long")
        folder[name] = entry

    def _enter(self, folder: Folder, name: str) -> Folder:
        inside = folder.get(name)
        if inside is None:
            self._count()
            inside = folder[name] = {}
        if isinstance(inside, Entry):
            raise BadZipError(f"{name!r} is both a file and a folder")
        return inside

    def _count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise BadZipError(f"more than {MAX_NODES} files and folders")


def unpack(package: Path, target: Path) -> int:
    """Write the zip's tree below the empty folder `target`; returns its unzipped size in bytes.

    Folders get mode 0755, files 0644 or 0755 by their executable bit. Raises `BadZipError`,
    `EmptyZipError` or `TooLargeError`; then `target` may hold half of it and is the caller's to
    remove. `OSError` is the machine's own trouble, such as a full disk.
    """
    with package.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise EmptyZipError("no bytes")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            plan = Plan()
            for entry in entries(data):
                plan.add(entry)
            if not plan.root:
                raise EmptyZipError("no entries")
            links = _read_links(data, plan.root)
            _LinkCheck(links).run(plan.root)
            _write_tree(data, plan.root, target, links)
    return plan.size


def unpacked_size(package: Path) -> int:
    """The same size again, of a zip that has been unpacked before."""
    with (
        package.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return sum(0 if entry.is_folder else entry.size for entry in entries(data))


def _parts(entry: Entry) -> list[str]:
    name = entry.name
    if name.startswith("/") or "\0" in name or len(os.fsencode(name)) >= 4_000:
        raise BadZipError(f"illegal name {name[:80]!r}")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or any(len(os.fsencode(part)) > 255 for part in parts):
        raise BadZipError(f"illegal name {name[:80]!r}")
    return parts


def _check_kind(entry: Entry) -> None:
    kind = stat.S_IFMT(entry.mode)
    if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
        raise BadZipError(f"{entry.name!r} is a device, a pipe or a socket")
    if entry.encrypted:
        raise BadZipError(f"{entry.name!r} is encrypted")
    if entry.method not in {STORED, DEFLATED}:
        raise BadZipError(f"{entry.name!r} is packed by method {entry.method}")
    if entry.method == STORED and entry.packed_size != entry.size:
        raise BadZipError(f"{entry.name!r} has two sizes")
    if stat.S_ISLNK(entry.mode) and not 0 < entry.size <= MAX_LINK:
        raise BadZipError(f"the link {entry.name!r} has no sensible target")


def _read_links(data: mmap.mmap, folder: Folder) -> dict[int, str]:
    """Targets of all symbolic links, by the identity of their entries."""
    links: dict[int, str] = {}
    waiting = [folder]
    while waiting:
        for node in waiting.pop().values():
            if isinstance(node, dict):
                waiting.append(node)
            elif stat.S_ISLNK(node.mode):
                target = b"".join(_content(data, node))
                if b"\0" in target:
                    raise BadZipError(f"the link {node.name!r} has no sensible target")
                links[id(node)] = os.fsdecode(target)
    return links


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder and the way back up; a chain, because deep trees share their beginnings."""

    folder: Folder
    parent: _Place | None = None


class _LinkCheck:
    """Every link must end inside the tree, with `..` and links on the way taken as the kernel does.

    `steps` bounds the whole check: links that lead through links cost more than they look.
    """

    def __init__(self, links: dict[int, str]) -> None:
        self._links = links
        self._steps = MAX_STEPS
        self._hops = 0

    def run(self, root: Folder) -> None:
        waiting = [_Place(root)]
        while waiting:
            place = waiting.pop()
            for node in place.folder.values():
                if isinstance(node, dict):
                    waiting.append(_Place(node, place))
                elif id(node) in self._links:
                    self._hops = 0
                    self._resolve(place, self._links[id(node)])

    def _resolve(self, place: _Place, target: str) -> _Place | None:
        """The folder that `target` names from `place`; None for a file or what does not exist."""
        self._hops += 1
        if self._hops > MAX_HOPS:
            raise BadZipError("links lead in a circle")
        if target.startswith("/"):
            raise BadZipError(f"a link leads to {target[:80]!r}")
        missing = 0
        for part in target.split("/"):
            self._steps -= 1
            if self._steps < 0:
                raise BadZipError("the links are too many and too tangled")
            if part in {"", "."}:
                continue
            if part == "..":
                if missing:
                    missing -= 1
                elif place.parent is None:
                    raise BadZipError(f"a link leads to {target[:80]!r}")
                else:
                    place = place.parent
                continue
            found = None if missing else self._enter(place, part)
            if found is None:
                missing += 1
            else:
                place = found
        return None if missing else place

    def _enter(self, place: _Place, name: str) -> _Place | None:
        node = place.folder.get(name)
        if isinstance(node, dict):
            return _Place(node, place)
        if node is not None and id(node) in self._links:
            return self._resolve(place, self._links[id(node)])
        return None


def _write_tree(data: mmap.mmap, root: Folder, target: Path, links: dict[int, str]) -> None:
    waiting = [(root, target)]
    later: list[tuple[str, Path]] = []
    while waiting:
        folder, at = waiting.pop()
        for name, node in folder.items():
            where = at / name
            if isinstance(node, dict):
                where.mkdir()
                where.chmod(OPEN_MODE)
                waiting.append((node, where))
            elif id(node) in links:
                later.append((links[id(node)], where))
            else:
                _write_file(data, node, where)
    for destination, where in later:
        where.symlink_to(destination)
    target.chmod(OPEN_MODE)


def _write_file(data: mmap.mmap, entry: Entry, where: Path) -> None:
    with where.open("xb", buffering=0) as file:
        for piece in _content(data, entry):
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
        os.fchmod(file.fileno(), OPEN_MODE if entry.mode & 0o111 else READ_MODE)
        # Timestamps matter to Python: bytecode beside a source is valid for one modification time.
        os.utime(file.fileno(), (entry.modified_s, entry.modified_s))


def _content(data: mmap.mmap, entry: Entry) -> Iterator[bytes]:
    """The entry's bytes in pieces; never more than it declares, and checked against its CRC."""
    start = data_offset(data, entry)
    end = start + entry.packed_size
    crc, left = 0, entry.size
    for piece in (
        _inflate(data, start, end) if entry.method == DEFLATED else _slices(data, start, end)
    ):
        left -= len(piece)
        if left < 0:
            raise BadZipError(f"{entry.name!r} holds more than it declares")
        crc = zlib.crc32(piece, crc)
        yield piece
    if left or crc != entry.crc:
        raise BadZipError(f"{entry.name!r} is damaged")


def _slices(data: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _CHUNK):
        yield data[at : min(end, at + _CHUNK)]


def _inflate(data: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _slices(data, start, end):
            piece = inflater.decompress(packed, _CHUNK)
            while piece or inflater.unconsumed_tail:
                yield piece
                piece = inflater.decompress(inflater.unconsumed_tail, _CHUNK)
            if inflater.eof:
                break
    except zlib.error as error:
        raise BadZipError(str(error)) from None
    if not inflater.eof or inflater.unused_data:
        raise BadZipError("an entry is cut off, or followed by something else")
