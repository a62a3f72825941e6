"""Layers merged into one folder by copying, where the kernel cannot lay them over one another.

Built once per list of layers and kept (`merged`); used by the process sandbox, and by the isolated
one where overlayfs is not available to unprivileged users.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path


def merged(layers: tuple[Path, ...], folder: Path) -> Path:
    """The layers' content in one folder under `folder`; of equal names the last layer's wins."""
    if len(layers) == 1:
        return layers[0]
    digest = hashlib.sha256(b"\0".join(os.fsencode(layer) for layer in layers)).hexdigest()
    target = folder / digest[:32]
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    building = folder / f"{digest[:32]}.{os.getpid()}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    for layer in layers:
        _copy_over(layer, building)
    try:
        building.rename(target)
    except OSError:
        # Another thread was first; its copy is the same.
        shutil.rmtree(building)
    return target


def _copy_over(source: Path, target: Path) -> None:
    for entry in os.scandir(source):
        place = target / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if place.is_symlink() or (place.exists() and not (is_folder and place.is_dir())):
            _remove(place)
        if is_folder:
            place.mkdir(exist_ok=True)
            shutil.copystat(entry.path, place)
            _copy_over(Path(entry.path), place)
        else:
            shutil.copy2(entry.path, place, follow_symlinks=False)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()
