"""Which processor this machine has, and whether a function's code is for it.

AWS has both and places a function by its Architectures; here there is one. A function for the other
can be created, updated and published, and says at invoke what is the matter.
"""

from __future__ import annotations

import platform
from typing import Final

from lambent.control.targets import VersionTarget
from lambent.errors import InvalidRuntime

_NAMES: Final = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def architecture() -> str:
    """This machine's, by AWS's name; the kernel's own for one that AWS does not have."""
    machine = platform.machine().lower()
    return _NAMES.get(machine, machine)


def check(target: VersionTarget) -> None:
    """Raises AWS's InvalidRuntimeException for code of another processor."""
    if target.architecture != architecture():
        raise InvalidRuntime(
            f"{target.function_name} is for {target.architecture}, and this machine is "
            f"{architecture()}: update its code with Architectures={architecture()}, or run it on "
            f"a machine with that processor."
        )
