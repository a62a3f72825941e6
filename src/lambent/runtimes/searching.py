"""Looking for programs in other people's folders: newest versions first, and only what can be run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

PROBE_S: Final = 20.0
"""How long a program may take to say which version it is."""


def newest_first(folder: Path, pattern: str) -> list[Path]:
    """What matches below `folder`, by the numbers in its path; nothing where it cannot be read."""

    def version(path: Path) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", str(path.relative_to(folder)))]

    try:
        return sorted(folder.glob(pattern), key=version, reverse=True)
    except OSError:  # somebody else's folder, left in the environment by su
        return []


def mark(path: Path) -> tuple[int, int] | None:
    """What tells this file from another at the same path; None if it cannot be run."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_mtime_ns, stat.st_size) if os.access(path, os.X_OK) else None
