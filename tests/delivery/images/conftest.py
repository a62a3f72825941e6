"""A base image that is nothing but the names that a build looks for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lambent.delivery.images import build
from lambent.delivery.images.recipe import SCRATCH, Copy, Recipe
from lambent.delivery.source import SourceFile

MINOR = f"3.{sys.version_info.minor}"


@pytest.fixture
def base(tmp_path: Path) -> str:
    """An image with a Python's name and a C library's words in it."""
    folder = tmp_path / "base-files"
    folder.mkdir()
    (folder / "python").write_text("")
    (folder / "python").chmod(0o755)
    (folder / "libc").write_text("GNU C Library (Test) stable release version 2.36.\n")
    files = (
        SourceFile(f"usr/local/bin/python{MINOR}", folder / "python", executable=True),
        SourceFile("lib/x86_64-linux-gnu/libc.so.6", folder / "libc", executable=True),
    )
    recipe = Recipe(
        base=SCRATCH, steps=(Copy(files, "/"),), environment={"PATH": "/usr/local/bin:/usr/bin"}
    )
    return build.build(recipe, tmp_path / "base", "v1").uri
