"""What a function's runtime means for its packages: Python version and Amazon Linux's glibc.

AWS Lambda runtimes: python3.9 to 3.11 run on Amazon Linux 2 (glibc 2.26), later ones on Amazon
Linux 2023 (glibc 2.34).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LAST_ON_AL2 = 11
_ARCHITECTURES = {"x86_64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True)
class Platform:
    """Where a package must run."""

    python: str
    """`"3.13"`."""
    uv_platform: str
    """uv's name for the newest manylinux wheels that load there."""


def of(runtime: str, architecture: str) -> Platform | None:
    """The platform of a managed Python runtime; None for any other runtime."""
    match = re.fullmatch(r"python3\.(\d+)", runtime)
    if match is None or architecture not in _ARCHITECTURES:
        return None
    # uv names no platform between 2.17 and 2.28; wheels for 2.24 to 2.26 alone are rare.
    glibc = "manylinux_2_17" if int(match[1]) <= _LAST_ON_AL2 else "manylinux_2_34"
    return Platform(f"3.{match[1]}", f"{_ARCHITECTURES[architecture]}-{glibc}")
