"""Which Pythons this machine has, for compiling bytecode and for training.

A candidate counts only after it has said its own version: pyenv leaves shims on the PATH that fail.
The server finds its interpreters by itself; delivery must work on a laptop without a server.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_ASK = "import sys; print('%s %d.%d' % (sys.implementation.name, *sys.version_info[:2]))"


@functools.cache
def find(version: str) -> Path | None:
    """A CPython of `version` (`"3.13"`), or None."""
    for candidate in _candidates(version):
        if _answers(candidate, version):
            return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        # The base interpreter, because a virtual environment's site-packages must not be seen.
        yield Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    name = f"python{version}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield Path(found)
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    managed = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"), reverse=True)
    yield from sorted(managed.glob(f"cpython-{version}.*/bin/{name}"), reverse=True)


def _answers(candidate: Path, version: str) -> bool:
    try:
        answer = subprocess.run(
            [str(candidate), "-I", "-S", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.strip() == f"cpython {version}"
