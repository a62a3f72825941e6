"""`pip install …` as a Dockerfile has it: what is to be installed, and into which folder.

pip itself is never run: uv installs wheels for the image's Python. Options that would change which
packages come, or run their code, are refused.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final

from lambent.delivery.images.dockerfile_words import unsupported

_COMMAND: Final = re.compile(
    r"(?:(?:python3?(?:\.\d+)?\s+-m\s+)?pip3?(?:\.\d+)?|uv\s+pip)\s+install\s+"
)
_SHELL: Final = re.compile(r"[;|<>`\n]|\$\(")
_WITHOUT_EFFECT: Final = frozenset({
    "--no-cache-dir", "--no-cache", "--upgrade", "-U", "--quiet", "-q", "--no-compile", "--compile",
    "--disable-pip-version-check", "--system", "--user", "--no-input", "--prefer-binary",
    "--root-user-action=ignore", "--no-warn-script-location", "--break-system-packages",
})  # fmt: skip
"""What says nothing of which packages are installed, or where."""
_TOOLS: Final = frozenset({"pip", "setuptools", "wheel", "uv"})
"""Installers, which a function does not need."""
_FILES: Final = frozenset({"-r", "--requirement"})
_INDEXES: Final = frozenset({"-i", "--index-url", "--extra-index-url", "--trusted-host"})
_TARGETS: Final = frozenset({"-t", "--target"})


@dataclass(frozen=True, slots=True)
class PipInstall:
    files: tuple[str, ...] = ()
    """Requirements files, as paths in the image."""
    packages: tuple[str, ...] = ()
    to: str = ""


def parse(command: str, line: int) -> PipInstall | None:
    """None where it is another command; raises `Problem` for options that are not understood."""
    match = _COMMAND.match(command)
    if match is None or _SHELL.search(command[: match.end()]):
        return None
    try:
        words = shlex.split(command[match.end() :])
    except ValueError:
        return None
    if _SHELL.search(command.replace("'", "").replace('"', "")) and not _only_versions(words):
        return None
    files, packages, targets = _sorted_out(words, line)
    wanted = tuple(name for name in packages if name not in _TOOLS)
    for name in wanted:
        if name.startswith((".", "/")) or "://" in name:
            raise unsupported(line, f"pip install {name}", "name packages, with their versions")
    return PipInstall(tuple(files), wanted, targets[-1] if targets else "")


def _only_versions(words: list[str]) -> bool:
    """`<` and `>` stand in requirements, in quotes; nothing else of a shell may be there."""
    return all(re.fullmatch(r"[\w.\-\[\],=<>!~/]+", word) for word in words)


def _sorted_out(words: list[str], line: int) -> tuple[list[str], list[str], list[str]]:
    files: list[str] = []
    packages: list[str] = []
    targets: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if word in _WITHOUT_EFFECT:
            continue
        if name in _FILES | _TARGETS:
            given = value if equals else next(left, "")
            (files if name in _FILES else targets).append(given)
        elif word.startswith("-"):
            fix = "UV_INDEX=URL in the environment of this command" if name in _INDEXES else ""
            raise unsupported(line, f"pip install {word}", fix or "leave it out")
        else:
            packages.append(word)
    return files, packages, targets
