"""What to make an image of: a base, steps that each make a layer, and how it is run.

`from_folder` makes the recipe of `lambent image build FOLDER`, `dockerfile.read` that of a
Dockerfile; whoever wants another image makes one and calls `build.build`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lambent.delivery import dependencies, source
from lambent.delivery.dependencies import Requirements
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.source import SourceFile

MACHINE: Final = "machine"
"""A base that is made of this machine's own Python; `machine:3.12` says which."""
SCRATCH: Final = "scratch"
TASK_ROOT: Final = "/var/task"
LARGE_BYTES: Final = 4 << 20
"""From this size on a file of the folder is taken for data, such as a model."""
_ARCHITECTURES: Final = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
}


@dataclass(frozen=True, slots=True)
class Copy:
    """Files into a folder of the image."""

    files: tuple[SourceFile, ...]
    to: str
    said: str = "files"
    """What the image's history says of the layer."""


@dataclass(frozen=True, slots=True)
class Install:
    """Packages for the image's Python."""

    wanted: Requirements
    to: str | None = None
    """A folder; None: where the image's Python looks for packages."""
    said: str = "dependencies"


Step = Copy | Install


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides what the image is; the same recipe and files give the same bytes."""

    base: str = MACHINE
    steps: tuple[Step, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] | None = None
    """None keeps the base's, as with the two that follow."""
    entry_point: tuple[str, ...] | None = None
    working_directory: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    """This machine's where it is empty."""
    client: bool = True
    """Add the runtime client, awslambdaric, where the command is a handler and the base has none."""
    bytecode: bool = True
    registry: str | None = None
    """Stands for ECR in the base's name."""
    fresh: bool = False
    """Ignore cached dependencies."""


def here() -> str:
    """This machine's processor, by AWS's name."""
    return _ARCHITECTURES.get(platform.machine().lower(), "x86_64")


def from_folder(
    folder: Path,
    *,
    requirements: Path | None = None,
    allow_source: tuple[str, ...] = (),
    to: str = TASK_ROOT,
) -> tuple[Step, ...]:
    """The layers of a function's folder, what changes most often last: packages, data, code."""
    files = source.files(folder)
    if not files:
        raise Problem("SOURCE_EMPTY", f"{folder} holds no file to package")
    wanted = dependencies.requirements(folder, allow_source)
    if requirements is not None:
        if not requirements.is_file():
            raise Problem("FILE", f"there is no {requirements}", exit_code=USAGE)
        wanted = Requirements(requirements, requirements.read_text(), allow_source)
    large = tuple(file for file in files if file.path.stat().st_size >= LARGE_BYTES)
    small = tuple(file for file in files if file not in large)
    steps: list[Step] = []
    if wanted is not None:
        steps.append(Install(wanted, to))
    if large:
        steps.append(Copy(large, to, "data"))
    if small:
        steps.append(Copy(small, to, "code"))
    return tuple(steps)
