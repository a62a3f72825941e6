"""The Python of a base image: where it is, where it looks for packages, which wheels load there.

Told from the layers' headers, and from the C library's own words; nothing of the image is run.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from typing import Final

from lambent.delivery.images import recipe
from lambent.delivery.platforms import Platform
from lambent.images.contents import Contents

LIBC: Final = re.compile(r"(usr/)?lib(64)?(/[\w-]+-linux-gnu)?/libc(\.so\.6|-2\.\d+\.so)")
_PYTHON: Final = re.compile(r"python3\.(\d+)")
_PLACES: Final = ("/var/lang/bin", "/usr/local/bin", "/usr/bin", "/bin")
_VERSION: Final = re.compile(rb"GNU C Library .{0,80}?version 2\.(\d+)")
_MANYLINUX: Final = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
"""glibc 2.x for which uv has a name."""
_PROCESSORS: Final = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class ImagePython:
    program: str
    """Inside the image."""
    platform: Platform
    packages: str
    """Where it looks for what is installed."""


def find(contents: Contents, path: str, architecture: str) -> ImagePython | None:
    """The Python that comes first; None where there is none. `path`: the image's PATH."""
    folders = (_PLACES[0], *path.split(":"), *_PLACES[1:])
    for folder in dict.fromkeys(each for each in folders if each.startswith("/")):
        minors = sorted(
            (
                int(match[1])
                for name in contents.names(folder)
                if (match := _PYTHON.fullmatch(name))
            ),
            reverse=True,
        )
        for minor in minors:
            program = f"{folder.rstrip('/')}/python3.{minor}"
            if contents.is_program(program):
                platform = Platform(f"3.{minor}", _platform(contents, architecture))
                return ImagePython(program, platform, _packages(folder, minor))
    return None


def here(program: str) -> ImagePython:
    """Of a base that is made of this machine's: its own C library decides."""
    minor = program.rpartition("python")[2]
    version = platform.libc_ver()[1].partition(".")[2] or "17"
    processor = _PROCESSORS[recipe.here()]
    packages = f"{program.rpartition('/bin/')[0]}/lib/python{minor}/site-packages"
    return ImagePython(
        program, Platform(minor, f"{processor}-{_manylinux(int(version))}"), packages
    )


def _packages(folder: str, minor: int) -> str:
    prefix = folder.rstrip("/").removesuffix("/bin")
    if prefix in {"/usr", ""}:  # a distribution's own: its administrator's folder
        return f"/usr/local/lib/python3.{minor}/dist-packages"
    return f"{prefix}/lib/python3.{minor}/site-packages"


def _platform(contents: Contents, architecture: str) -> str:
    processor = _PROCESSORS.get(architecture, architecture)
    if any(name.startswith("ld-musl-") for name in contents.names("/lib")):
        return f"{processor}-unknown-linux-musl"
    versions = [
        int(match[1]) for content in contents.kept.values() if (match := _VERSION.search(content))
    ]
    return f"{processor}-{_manylinux(max(versions, default=17))}"


def _manylinux(version: int) -> str:
    return f"manylinux_2_{max((each for each in _MANYLINUX if each <= version), default=17)}"
