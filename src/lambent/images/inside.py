"""Paths of an unpacked image, resolved as they will be inside it.

An image's links may be absolute, circular, or lead out of it when followed on the host; here they
are followed inside its root only. Nothing of a file but its kind is looked at.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MOST_LINKS: Final = 40


def find(root: Path, path: str) -> Path | None:
    """Where `path` of the image really lies on the host, all links followed; None if nowhere."""
    at, links = root, 0
    left = [part for part in path.split("/") if part not in {"", "."}]
    while left:
        part = left.pop(0)
        if part == "..":
            at = at if at == root else at.parent
            continue
        step = at / part
        try:
            mode = os.lstat(step).st_mode
        except OSError:
            return None
        if not stat.S_ISLNK(mode):
            at = step
            continue
        links += 1
        if links > MOST_LINKS:
            return None
        target = os.readlink(step)  # noqa: PTH115  a Path would drop what `..` means here
        at = root if target.startswith("/") else at
        left = [each for each in target.split("/") if each not in {"", "."}] + left
    return at


def is_program(root: Path, path: str) -> bool:
    """Whether `path` is a file of the image that may be executed."""
    found = find(root, path)
    return found is not None and found.is_file() and bool(found.stat().st_mode & 0o111)


def which(root: Path, name: str, search: str) -> str | None:
    """The path, inside, of a program by its name; `search` is the image's PATH."""
    if "/" in name:
        return name if is_program(root, name) else None
    folders = [folder for folder in search.split(":") if folder.startswith("/")]
    return next((p for f in folders if is_program(root, p := f"{f.rstrip('/')}/{name}")), None)
