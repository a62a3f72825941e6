"""Finds the interpreter of a runtime on this machine: PATH, pyenv, uv's own, the distribution's.

A find is resolved to its base installation: a virtual environment's python, a shim or a link says
nothing about where the standard library is, so the interpreter itself is asked, once per file.
`lang_dir.py` makes of the answer what a sandbox shows at /var/lang.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambent.runtimes.searching import PROBE_S, mark, newest_first

_PROBE: Final = (
    "import sys,sysconfig,json;"
    "print(json.dumps([getattr(sys,'_base_executable',None) or sys.executable,"
    "sys.base_prefix,sys.base_exec_prefix,'.'.join(map(str,sys.version_info[:3])),"
    "sysconfig.get_path('stdlib'),sysconfig.get_config_var('DESTSHARED'),"
    "sysconfig.get_config_var('LIBDIR')]))"
)
_RUNTIME: Final = re.compile(r"python(3\.\d+)\Z")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A base installation of CPython."""

    executable: Path
    """The real file, no link."""
    prefix: Path
    version: str
    """`3.12.1`."""
    stdlib: Path
    extension_modules: Path
    """`lib-dynload`."""
    library_dir: Path
    """Where libpython lies if the executable needs it."""

    @property
    def minor(self) -> str:
        """`3.12`."""
        return ".".join(self.version.split(".")[:2])


def find(runtime: str, environ: Mapping[str, str] | None = None) -> Interpreter | None:
    """The interpreter of `python3.x`, or None; looked for again until there is one."""
    match = _RUNTIME.match(runtime)
    if match is None:
        return None
    for path in _candidates(match[1], os.environ if environ is None else environ):
        interpreter = probe(path)
        if interpreter is not None and interpreter.minor == match[1]:
            return interpreter
    return None


def _candidates(minor: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Complete installations first: a distribution's python may lack parts of the library."""
    name = f"python{minor}"
    home = Path(environ.get("HOME") or Path.home())
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    yield from newest_first(pyenv / "versions", f"{minor}.*/bin/{name}")
    yield from newest_first(uv, f"cpython-{minor}.*/bin/{name}")
    for directory in environ.get("PATH", "").split(os.pathsep):
        # pyenv's shims ask which version the current folder wants; the real ones stand above.
        if directory and Path(directory) != pyenv / "shims":
            yield Path(directory) / name
    yield from (Path("/usr/local/bin") / name, Path("/usr/bin") / name)


def probe(path: Path) -> Interpreter | None:
    """What the interpreter at `path` says of itself; None if there is none, or it does not run."""
    found = mark(path)
    return None if found is None else _ask(path, *found)


@functools.cache
def _ask(path: Path, mtime_ns: int, size: int) -> Interpreter | None:  # noqa: ARG001  the cache's key: another file at the same path is asked again
    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=True,
            env={},
            cwd="/",
        )
        executable, prefix, _, version, stdlib, dynload, library_dir = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(
        executable=_base_executable(Path(executable), Path(prefix), version),
        prefix=Path(prefix),
        version=version,
        stdlib=Path(stdlib),
        extension_modules=Path(dynload or f"{stdlib}/lib-dynload"),
        library_dir=Path(library_dir or f"{prefix}/lib"),
    )


def _base_executable(executable: Path, prefix: Path, version: str) -> Path:
    """With -S a virtual environment names itself; its base has the same name under the prefix."""
    minor = ".".join(version.split(".")[:2])
    base = prefix / "bin" / f"python{minor}"
    return (base if base.is_file() else executable).resolve()
