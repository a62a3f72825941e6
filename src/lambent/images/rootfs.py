"""One image on disk, ready to be a sandbox's root: made once per digest, then only read.

    <tree>/rootfs/      what the image holds, with the places where a sandbox mounts its own
    <tree>/image.json   its configuration

`prepare` makes it, the launch planner reads it (`config`), the sandbox shows `rootfs`.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec

from lambent.images.manifest import Config, Image
from lambent.images.problem import ImageError
from lambent.images.unpack import unpack

FOLDERS: Final = ("dev", "etc", "mnt", "proc", "sys", "tmp", "var", "var/runtime")
FILES: Final = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
"""What a sandbox lays its own over."""


def prepare(image: Image, tree: Path) -> None:
    """Unpack into the empty folder `tree`. Blocking."""
    root = tree / "rootfs"
    root.mkdir(mode=0o755)
    unpack(image, root)
    for name in FOLDERS:
        _folder(root, name)
    for name in FILES:
        _file(root / name)
    root.chmod(root.stat().st_mode | 0o555)
    (tree / "image.json").write_bytes(msgspec.json.encode(image.config))


def config(tree: Path) -> Config:
    """What the image says of how it is run; raises `ImageError` where it is not there."""
    try:
        return msgspec.json.decode((tree / "image.json").read_bytes(), type=Config)
    except (OSError, msgspec.DecodeError):
        raise ImageError("the unpacked image is missing from the data directory") from None


def _folder(root: Path, name: str) -> None:
    """A real folder: what is mounted on a link would land elsewhere."""
    path = root / name
    if path.is_symlink():
        if name != "var/runtime":
            raise ImageError(f"/{name} of the image is a link, and must be a folder")
        return
    if not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir(mode=0o755)


def _file(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not stat.S_ISREG(os.lstat(path).st_mode)):
        path.unlink()
    path.touch()
