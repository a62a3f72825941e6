"""The user's own files: what of a folder goes into the package.

Symlinks inside the folder are followed; one that leaves it is refused, because what it points to
would silently differ between machines.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lambent.delivery import ignore
from lambent.delivery.problem import Problem


@dataclass(frozen=True, slots=True)
class SourceFile:
    name: str
    """Relative to the folder, with slashes: its name in the zip."""
    path: Path
    executable: bool


def files(root: Path, rules: ignore.Ignore | None = None) -> list[SourceFile]:
    """Every file of `root` that is not ignored, sorted by name; `rules` instead of its own."""
    if not root.is_dir():
        raise Problem(
            "SOURCE_NOT_FOUND",
            f"there is no folder {root}",
            fix="check CodeUri in template.yaml, or --source",
        )
    top = root.resolve()
    rules = rules or ignore.read(root)
    found: list[SourceFile] = []
    for folder, folders, names in os.walk(root, followlinks=True):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not rules.excludes(_relative(here / name, root), folder=True)
            and _inside(here / name, top, folder=True)
        )
        for name in names:
            path = here / name
            relative = _relative(path, root)
            if not rules.excludes(relative, folder=False) and _inside(path, top, folder=False):
                found.append(SourceFile(relative, path, os.access(path, os.X_OK)))
    return sorted(found, key=lambda file: file.name)


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _inside(path: Path, top: Path, *, folder: bool) -> bool:
    """Whether it is a file or folder to take; refuses links that leave the tree or go round."""
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(top):
            raise Problem(
                "SYMLINK_LEAVES_SOURCE",
                f"{path} points to {target}, outside the folder that is packaged",
                fix="copy the file into the folder, or exclude the link in .lambentignore",
            )
        if folder and path.is_relative_to(target):
            raise Problem(
                "SYMLINK_LOOP",
                f"{path} points to a folder that contains it",
                fix="exclude the link in .lambentignore",
            )
    return path.is_dir() if folder else path.is_file()
