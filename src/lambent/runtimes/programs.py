"""Finds Node.js and Ruby on this machine, as `interpreters.py` finds Python.

Looked at, in this order: the version managers' folders (nvm, fnm, Volta, nodenv, asdf; rbenv is not
among them, for its Rubies cannot be moved to where a sandbox shows them), every `node` and `ruby`
on PATH, the distribution's. Each is asked for its version, once per file.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambent.runtimes.searching import PROBE_S, mark, newest_first

_NODE: Final = re.compile(r"nodejs(\d+)\.x\Z")
_RUBY: Final = re.compile(r"ruby(3\.\d+)\Z")
_VERSION: Final = re.compile(r"(?:v|ruby )(\d+\.\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Program:
    """An interpreter that is one executable file, with its libraries in /usr or in itself."""

    executable: Path
    """The real file, no link."""
    version: str
    """`22.9.0`."""

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]

    @property
    def minor(self) -> str:
        """`3.1`."""
        return ".".join(self.version.split(".")[:2])


def find_node(runtime: str, environ: Mapping[str, str] | None = None) -> Program | None:
    """The Node.js of `nodejs22.x`, or None; looked for again until there is one."""
    match = _NODE.match(runtime)
    if match is None:
        return None
    for path in _nodes(match[1], os.environ if environ is None else environ):
        program = _probe(path)
        if program is not None and program.major == match[1]:
            return program
    return None


def find_ruby(runtime: str, environ: Mapping[str, str] | None = None) -> Program | None:
    """The Ruby of `ruby3.3`; else the newest other Ruby 3 of the distribution, or None.

    A distribution has one Ruby, seldom AWS's: a function that needs exactly AWS's finds out from
    RUBY_VERSION, and `doctor` tells beforehand.
    """
    match = _RUBY.match(runtime)
    if match is None:
        return None
    stand_in = None
    for path in _rubies(os.environ if environ is None else environ):
        program = _probe(path)
        if program is None or program.major != "3" or not program.executable.is_relative_to("/usr"):
            continue
        if program.minor == match[1]:
            return program
        stand_in = stand_in or program
    return stand_in


def _nodes(major: str, environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    nvm = Path(environ.get("NVM_DIR") or home / ".nvm")
    fnm = Path(environ.get("FNM_DIR") or data / "fnm")
    volta = Path(environ.get("VOLTA_HOME") or home / ".volta")
    nodenv = Path(environ.get("NODENV_ROOT") or home / ".nodenv")
    asdf = Path(environ.get("ASDF_DATA_DIR") or home / ".asdf")
    for folder, pattern in (
        (nvm, f"versions/node/v{major}.*/bin/node"),
        (fnm, f"node-versions/v{major}.*/installation/bin/node"),
        (volta, f"tools/image/node/{major}.*/bin/node"),
        (nodenv, f"versions/{major}.*/bin/node"),
        (asdf, f"installs/nodejs/{major}.*/bin/node"),
    ):
        yield from newest_first(folder, pattern)
    yield from _on_path(environ, "node", f"node{major}", f"node-{major}", "nodejs")


def _rubies(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from _on_path(environ, "ruby")
    yield from newest_first(Path("/usr/bin"), "ruby3.*")


def _on_path(environ: Mapping[str, str], *names: str) -> Iterator[Path]:
    folders = [*environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    for folder in dict.fromkeys(folder for folder in folders if folder):
        yield from (Path(folder) / name for name in names)


def _probe(path: Path) -> Program | None:
    """What the program at `path` says of itself; None if there is none, or it does not run."""
    found = mark(path)
    return None if found is None else _ask(path, *found)


@functools.cache
def _ask(path: Path, mtime_ns: int, size: int) -> Program | None:  # noqa: ARG001  the cache's key: another file at the same path is asked again
    try:
        answer = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=True,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.match(answer.stdout)
    return Program(path.resolve(), match[1]) if match else None
