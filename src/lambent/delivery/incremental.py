"""A package that is made again and again while its folder changes, for `lambent dev`.

Entries of files that have not changed are kept deflated in memory, and the dependencies are asked
for again only when the requirements differ. Own bytecode is left out: making it would cost more
than it saves before the next edit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from lambent.delivery import archive, dependencies, interpreters, package, platforms, source
from lambent.delivery.package import Package, Recipe


class _Seen(NamedTuple):
    """By which a file is recognised as unchanged."""

    mtime_ns: int
    size: int
    inode: int
    executable: bool


class Workbench:
    """One function's folder. `look` says what changed; `build` packages what `look` saw."""

    def __init__(self, recipe: Recipe, extra: Iterable[archive.Entry] = ()) -> None:
        """`extra`: entries beside the folder's and the dependencies'."""
        self.recipe = recipe
        self._extra = tuple(extra)
        self._files: dict[str, tuple[_Seen, source.SourceFile]] = {}
        self._entries: dict[str, tuple[_Seen, archive.Entry]] = {}
        self._theirs: tuple[str | None, list[archive.Entry], bool] | None = None

    @property
    def folder(self) -> Path:
        return self.recipe.folder

    def look(self) -> list[str]:
        """Names that were added, changed or removed since the last look, sorted."""
        before = self._files
        self._files = {}
        for file in package.source_files(self.recipe):
            try:
                stat = file.path.stat()
            except FileNotFoundError:
                continue  # an editor's file, gone again
            seen = _Seen(stat.st_mtime_ns, stat.st_size, stat.st_ino, file.executable)
            self._files[file.name] = (seen, file)
        names = before.keys() | self._files.keys()
        return sorted(n for n in names if _mark(before.get(n)) != _mark(self._files.get(n)))

    def paths(self, names: Iterable[str]) -> list[tuple[str, Path]]:
        """Those of `names` that were there at the last look, and where."""
        return [(name, self._files[name][1].path) for name in names if name in self._files]

    def python_files(self, names: Iterable[str]) -> list[tuple[str, Path]]:
        """The same, Python's alone."""
        return self.paths(name for name in names if name.endswith(".py"))

    def build(self, progress: Callable[[str], None] = lambda _: None) -> Package:
        """The package of the files of the last look."""
        own = self._own()
        notes: list[str] = []
        wanted = dependencies.requirements(self.folder, self.recipe.allow_source)
        text = wanted.text if wanted else None
        if self._theirs is None or self._theirs[0] != text:
            platform = platforms.of(self.recipe.runtime, self.recipe.architecture)
            python = None
            if platform and self.recipe.bytecode:
                python = interpreters.find(platform.python)
            theirs, compiled = package.installed(
                self.recipe, platform, own, python is not None, notes, progress
            )
            self._theirs = (text, theirs, compiled)
        _, theirs, compiled = self._theirs
        own += self._extra
        return package.assemble(self.recipe, own, theirs, "all" if compiled else "none", notes)

    def _own(self) -> list[archive.Entry]:
        entries: dict[str, tuple[_Seen, archive.Entry]] = {}
        for name, (seen, file) in self._files.items():
            known = self._entries.get(name)
            if known is None or known[0] != seen:
                raw = file.path.read_bytes()
                known = (seen, archive.pack(name, raw, executable=file.executable))
            entries[name] = known
        self._entries = entries
        return [entry for _, entry in entries.values()]


def _mark(found: tuple[_Seen, source.SourceFile] | None) -> _Seen | None:
    return found[0] if found else None
