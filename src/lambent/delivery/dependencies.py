"""The packages that a function needs, installed by uv for the function's own platform, as entries.

Only wheels by default: a package built on this machine would be linked against this machine. The
result is cached by requirements, Python and platform, deflated and ready for the zip, so a second
deploy does not install anything. `package` puts the entries beside the user's files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambent.delivery import archive, interpreters, trim
from lambent.delivery.platforms import Platform
from lambent.delivery.problem import Problem

_FORMAT = "2"  # raise when `trim` or `elf` change what they keep
_KEPT_UNUSED_DAYS = 90


@dataclass(frozen=True, slots=True)
class Requirements:
    """What to install: a file that uv reads, and which packages may be built from source."""

    path: Path
    text: str
    allow_source: tuple[str, ...] = ()
    overrides: str = ""
    """What replaces requirements of requirements, as uv reads it (`uv-overrides.txt` beside them)."""


OVERRIDES: Final = "uv-overrides.txt"


def requirements(folder: Path, allow_source: tuple[str, ...] = ()) -> Requirements | None:
    """`requirements.txt`, else the dependencies of `pyproject.toml`; None when there are none."""
    path = folder / "requirements.txt"
    if path.is_file():
        text = path.read_text()
        if any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
            instead = folder / OVERRIDES
            overrides = instead.read_text() if instead.is_file() else ""
            return Requirements(path, text, allow_source, overrides)
        return None
    path = folder / "pyproject.toml"
    if not path.is_file():
        return None
    try:
        wanted = tomllib.loads(path.read_text()).get("project", {}).get("dependencies", [])
    except tomllib.TOMLDecodeError as error:
        raise Problem("PROJECT_INVALID", f"{path} is not TOML: {error}") from None
    return Requirements(path, "\n".join(wanted), allow_source) if wanted else None


class Store:
    """Built dependencies on disk, by key; safe to delete at any time."""

    def __init__(self, root: Path | None = None) -> None:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.root = root or Path(base) / "lambent" / "dependencies"

    def entries(
        self, wanted: Requirements, platform: Platform, *, compiled: bool, fresh: bool = False
    ) -> list[archive.Entry]:
        """The installed packages, with bytecode when `compiled`; built when not in the cache."""
        path = self.root / f"{key(wanted, platform, compiled=compiled)}.zip"
        if path.is_file() and not fresh:
            os.utime(path)
            return archive.read(path.read_bytes())
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=self.root) as scratch:
            tree = Path(scratch) / "tree"
            install(wanted, platform, tree)
            python = interpreters.find(platform.python) if compiled else None
            built = archive.pack_all(trim.files(tree, python))
            partial = Path(scratch) / "entries.zip"
            partial.write_bytes(archive.write(built))
            partial.replace(path)
        self._sweep()
        return built

    def has(self, wanted: Requirements, platform: Platform, *, compiled: bool) -> bool:
        return (self.root / f"{key(wanted, platform, compiled=compiled)}.zip").is_file()

    def _sweep(self) -> None:
        """Forget what has not been used for long."""
        files = list(self.root.glob("*.zip"))
        newest = max((f.stat().st_mtime for f in files), default=0.0)
        for file in files:
            if newest - file.stat().st_mtime > _KEPT_UNUSED_DAYS * 86_400:
                file.unlink(missing_ok=True)


def key(wanted: Requirements, platform: Platform, *, compiled: bool) -> str:
    """What decides how the installed packages turn out."""
    facts: list[object] = [_FORMAT, wanted.text, sorted(wanted.allow_source), platform.python]
    facts += [platform.uv_platform, compiled, *filter(None, [wanted.overrides])]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def uv() -> str:
    """The executable of uv: the one that came with lambent, else the one on the PATH."""
    try:
        import uv as bundled

        return str(bundled.find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise Problem(
            "UV_MISSING", "uv, which installs dependencies, is not here", fix="pip install uv"
        )
    return found


def install(wanted: Requirements, platform: Platform, target: Path) -> None:
    """Let uv put the packages into the folder `target`; raises `Problem` in the user's words."""
    command = [uv(), "pip", "install", "--quiet", "--no-progress", "--color", "never"]
    # Without --python uv asks the PATH's first python3, which may be a shim that fails.
    command += ["--python", sys.executable, "--target", str(target), "--link-mode", "copy"]
    command += ["--python-version", platform.python, "--python-platform", platform.uv_platform]
    command += ["--only-binary", ":all:", "-r", str(wanted.path.resolve())]
    if wanted.overrides:
        command += ["--override", str((wanted.path.parent / OVERRIDES).resolve())]
    for name in wanted.allow_source:
        command += ["--no-binary", name]
    done = subprocess.run(
        command, cwd=wanted.path.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise _install_problem(done.stderr, wanted, platform)


def _install_problem(stderr: str, wanted: Requirements, platform: Platform) -> Problem:
    where = f"Python {platform.python} on {platform.uv_platform}"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith("cause:")), "").removeprefix("cause: ")
    without = re.findall(r"Wheels are required for `([^`]+)`", stderr)
    if without:
        names = ", ".join(sorted(set(without)))
        return Problem(
            "NO_WHEEL",
            f"{names}: no wheel for {where}",
            why=why,
            fix=f"pin a version that has one, or --allow-source {without[0]} if it is pure Python",
        )
    missing = re.findall(r"Because (\S+) was not found in the package registry", stderr)
    if missing:
        return Problem(
            "PACKAGE_NOT_FOUND",
            f"{missing[0]}: no such package, asked for by {wanted.path.name}",
            why=why,
            fix="check the spelling, or the index that uv uses (UV_INDEX)",
        )
    return Problem(
        "DEPENDENCIES_FAILED",
        f"uv could not install {wanted.path.name} for {where}",
        why=why or " ".join(lines[:3]),
        fix="mend the requirements; --debug shows what uv said",
    )
