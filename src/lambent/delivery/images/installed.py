"""A layer of installed packages: what uv makes of a requirements file for the image's Python."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from lambent.delivery import dependencies, interpreters, trim
from lambent.delivery.dependencies import Requirements
from lambent.delivery.images import stored
from lambent.delivery.images.python import ImagePython
from lambent.images import layers
from lambent.images.layers import File, Written

FORMAT: Final = "1"
CLIENT: Final = "awslambdaric==4.2.2"
"""AWS's runtime client for Python."""


def layer(
    wanted: Requirements, python: ImagePython, to: str, *, bytecode: bool, fresh: bool
) -> Written:
    """The packages in the folder `to` of the image; made when not in the cache."""
    compiler = interpreters.find(python.platform.python) if bytecode else None
    facts = [FORMAT, dependencies.key(wanted, python.platform, compiled=compiler is not None), to]
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]

    def make(path: Path) -> Written:
        tree = path.with_name("tree")
        dependencies.install(wanted, python.platform, tree)
        files = [
            File(name, raw, executable) for name, raw, executable in trim.files(tree, compiler)
        ]
        return layers.write(files, to, path)

    return stored.layer(f"packages-{key}", make, fresh=fresh)


def client(folder: Path) -> Requirements:
    """The requirements of an image that brings no runtime client; the file goes into `folder`."""
    path = folder / "client.txt"
    path.write_text(CLIENT + "\n")
    return Requirements(path, path.read_text())
