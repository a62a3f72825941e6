"""Waits for changes below some folders: inotify where there is one, else a look twice a second.

What the package leaves out is not watched, so a build or a notebook checkpoint wakes nobody. The
fallback is for other systems, and for machines whose inotify watches are used up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from lambent.cli.live.inotify import Inotify
from lambent.delivery import ignore

POLL_S: Final = 0.5


class Watch:
    """`fileno` for a selector, or None: then `changed` is to be called every `POLL_S`."""

    def __init__(self, folders: Iterable[Path], *, polling: bool = False) -> None:
        self._roots = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self._inotify: Inotify | None = None
        self.why_polling = "asked for" if polling else ""
        if not polling:
            try:
                self._inotify = Inotify()
                self._add_all()
            except OSError as error:
                self.close()
                self.why_polling = str(error.strerror or error)

    @property
    def fileno(self) -> int | None:
        return self._inotify.fileno() if self._inotify else None

    @property
    def how(self) -> str:
        return "inotify" if self._inotify else f"every {POLL_S:g} s ({self.why_polling})"

    def changed(self) -> None:
        """Take what the descriptor has, and watch folders that appeared."""
        if self._inotify is not None and self._inotify.read():
            self._add_all()

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _add_all(self) -> None:
        assert self._inotify is not None
        for root in self._roots:
            for folder in _folders(root):
                self._inotify.add(folder)


def _folders(root: Path) -> Iterator[Path]:
    """`root` and every folder below it that the package takes."""
    rules = ignore.read(root)
    for here, names, _ in os.walk(root, followlinks=True):
        folder = Path(here)
        yield folder
        names[:] = [
            name
            for name in names
            if not rules.excludes((folder / name).relative_to(root).as_posix(), folder=True)
            and _below(folder / name, root)
        ]


def _below(folder: Path, root: Path) -> bool:
    """No link out of the tree, and none that goes round."""
    if not folder.is_symlink():
        return True
    target = folder.resolve()
    return target.is_relative_to(root) and not folder.is_relative_to(target)
