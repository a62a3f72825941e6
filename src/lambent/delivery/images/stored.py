"""Layers that take long to make, kept by what they are made of: a second build only refers to them.

~/.cache/lambent/layers/<key>.tar.gz   <key>.json    safe to delete at any time
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from lambent.images.layers import Written

_KEPT_UNUSED_DAYS: Final = 90


def cache() -> Path:
    """Where what builds keep lies."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "lambent"


def layer(key: str, make: Callable[[Path], Written], *, fresh: bool = False) -> Written:
    """The layer of `key`; `make` writes it to the path that it is given."""
    folder = cache() / "layers"
    facts, blob = folder / f"{key}.json", folder / f"{key}.tar.gz"
    if not fresh and (known := _known(facts, blob)) is not None:
        os.utime(blob)
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as scratch:
        made = make(Path(scratch) / "layer")
        made.path.replace(blob)
        kept = replace(made, path=blob)
        partial = Path(scratch) / "facts"
        partial.write_bytes(msgspec.json.encode(kept, enc_hook=str))
        partial.replace(facts)
    _sweep(folder)
    return kept


def _known(facts: Path, blob: Path) -> Written | None:
    """What is kept, where both files are whole."""
    try:
        found = msgspec.json.decode(
            facts.read_bytes(), type=Written, dec_hook=lambda kind, value: kind(value)
        )
        return found if blob.stat().st_size == found.size else None
    except (OSError, msgspec.DecodeError):
        return None


def _sweep(folder: Path) -> None:
    files = list(folder.glob("*.tar.gz"))
    newest = max((file.stat().st_mtime for file in files), default=0.0)
    for file in files:
        if newest - file.stat().st_mtime > _KEPT_UNUSED_DAYS * 86_400:
            file.with_name(file.name.removesuffix(".tar.gz") + ".json").unlink(missing_ok=True)
            file.unlink(missing_ok=True)
