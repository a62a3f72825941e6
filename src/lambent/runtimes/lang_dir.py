"""Makes the folder that a sandbox shows at /var/lang: an interpreter and its standard library.

The machine's own installation is not shown as it is: its site-packages and their .pth files belong
to the host, and its prefix may be /usr. This folder holds hard links (copies where links are
refused), so it costs little, is always laid out the same (`bin/python3.x`, `lib/python3.x`), and
an upgrade of the host's interpreter makes a new one. The executable finds its library by its own
place; its search path for libpython is rewritten to say so too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from lambent.runtimes.interpreters import Interpreter

LAYOUT: Final = "2"
"""Part of the digest: a change of what we make makes new folders."""
LEFT_OUT: Final = frozenset({
    "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "tkinter",
    "ensurepip", "lib2to3",
})  # fmt: skip
COMPILE_S: Final = 300.0


def assemble(interpreter: Interpreter, store: Path) -> Path:
    """The folder for `interpreter` under `store`, made on first use; safe against other makers."""
    final = store / f"python{interpreter.version}-{_digest(interpreter)}"
    if final.is_dir():
        return final
    store.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
    try:
        _fill(interpreter, work)
        work.chmod(0o755)
        publish(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def publish(work: Path, final: Path) -> None:
    """Give a complete folder its name; another maker may have been first, with the same content."""
    try:
        work.rename(final)
    except OSError:
        if not final.is_dir():
            raise


def _digest(interpreter: Interpreter) -> str:
    facts = [LAYOUT, str(interpreter.executable)]
    for path in (interpreter.executable, interpreter.stdlib, interpreter.extension_modules):
        stat = path.stat()
        facts.append(f"{stat.st_size if path.is_file() else 0} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _fill(interpreter: Interpreter, work: Path) -> None:
    name = f"python{interpreter.minor}"
    binaries, libraries = work / "bin", work / "lib"
    binaries.mkdir()
    libraries.mkdir()
    _copy_executable(interpreter, binaries / name)
    for link in ("python3", "python"):
        (binaries / link).symlink_to(name)
    for library in interpreter.library_dir.glob("libpython*.so*"):
        place(library, libraries / library.name)
    _place_tree(interpreter.stdlib, libraries / name)
    if not (libraries / name / "lib-dynload").is_dir():
        _place_tree(interpreter.extension_modules, libraries / name / "lib-dynload")
    if not (libraries / name / "__pycache__").is_dir():
        _compile(binaries / name, libraries / name)


def _copy_executable(interpreter: Interpreter, to: Path) -> None:
    """A copy that looks for libpython beside itself: RUNPATH is rewritten in place if it fits."""
    data = interpreter.executable.read_bytes()
    old = os.fsencode(interpreter.library_dir) + b"\0"
    new = b"$ORIGIN/../lib\0"
    if len(old) >= len(new) and data.count(old) == 1:
        data = data.replace(old, new.ljust(len(old), b"\0"))
    to.write_bytes(data)
    to.chmod(0o755)


def _place_tree(source: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    to.chmod(0o755)
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name in LEFT_OUT or entry.name.startswith("config-"):
                continue
            if entry.is_dir():
                _place_tree(Path(entry.path), to / entry.name)
            elif entry.is_file() and not entry.name.endswith((".opt-1.pyc", ".opt-2.pyc", ".exe")):
                place(Path(entry.path), to / entry.name)


def place(source: Path, to: Path) -> None:
    """A hard link to the real file, or a copy with its time, which its bytecode refers to."""
    real = source.resolve()
    try:
        if not real.stat().st_mode & 0o004:
            raise PermissionError  # a function's own user could not read a link to it
        os.link(real, to)
    except OSError:
        shutil.copy2(real, to)
        to.chmod(to.stat().st_mode | 0o444)


def _compile(executable: Path, library: Path) -> None:
    """Bytecode for a library that came without: every start would compile it again otherwise."""
    subprocess.run(
        [executable, "-I", "-S", "-m", "compileall", "-q", "-j0",
         "--invalidation-mode", "unchecked-hash", library],
        check=False,
        timeout=COMPILE_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
    )  # fmt: skip
