"""A base image without a registry: this machine's own Python, and the libraries that it loads.

It is laid out as AWS's base images are, the interpreter at /var/lang. What is linked against the
machine's C library runs in it; nothing else of the machine is there, no shell and no tools.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lambent.delivery.images import stored
from lambent.delivery.images.recipe import MACHINE
from lambent.delivery.problem import USAGE, Problem
from lambent.images import layers
from lambent.images.layers import File, Written
from lambent.runtimes import interpreters, lang_dir

FORMAT: Final = "2"
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_FOR_LINKERS: Final = re.compile(r"libpython3\.\d+\.so")
EXPECTED: Final = (
    "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0",
    "libutil.so.1", "libresolv.so.2", "libnss_dns.so.2",
)  # fmt: skip
"""What wheels may expect of every Linux (PEP 513), and the resolver."""
_LIBRARY_FOLDERS: Final = (
    f"/lib/{platform.machine()}-linux-gnu", f"/usr/lib/{platform.machine()}-linux-gnu",
    "/lib64", "/usr/lib64", "/usr/lib",
)  # fmt: skip
_GZIP_LEVEL: Final = 1
"""A third of the time for a tenth of the size: it is made where somebody waits."""
_TOOLS: Final = "/usr/bin:/bin"
_PYC_HEADER: Final = 16
_UNCHECKED: Final = (1).to_bytes(4, "little") + bytes(8)
"""Flags and hash of bytecode that is never compared with its source (PEP 552): the times of a
layer's files are not those that it was compiled from."""
_ETC: Final = {
    "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\n"
    b"sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n",
    "etc/group": b"root:x:0:\nsbx_user1051:x:990:\n",
    "etc/nsswitch.conf": b"hosts: files dns\n",
}


def base(name: str) -> tuple[Written, dict[str, Any], str]:
    """The layer of `machine` or `machine:3.12`, its configuration, and its Python's path."""
    minor = name.partition(":")[2] or f"{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = interpreters.find(f"python{minor}")
    if interpreter is None:
        raise Problem(
            "IMAGE_BASE",
            f"this machine has no Python {minor} to make a base image of",
            fix=f"--base {MACHINE}:{sys.version_info.major}.{sys.version_info.minor}, "
            "a layout folder, an archive, or HOST/NAME:TAG",
            exit_code=USAGE,
        )
    folder = lang_dir.assemble(interpreter, stored.cache() / "python")
    program = f"/var/lang/bin/python{minor}"
    libraries = sorted(_libraries(folder))
    key = hashlib.sha256("\n".join([FORMAT, str(folder), *_facts(libraries)]).encode()).hexdigest()
    written = stored.layer(
        f"machine-{key[:32]}",
        lambda to: layers.write(_files(folder, libraries), "", to, level=_GZIP_LEVEL),
    )
    environment = [
        "LANG=C.UTF-8",
        "PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LD_LIBRARY_PATH=/var/lang/lib:/opt/lib",
        "SSL_CERT_FILE=" + CERTIFICATES,
    ]
    return written, {"Env": environment, "WorkingDir": "/var/task"}, program


def _files(folder: Path, libraries: list[str]) -> Iterator[File]:
    for path in sorted(folder.rglob("*")):
        if _left_out(path):
            continue
        name = f"var/lang/{path.relative_to(folder).as_posix()}"
        if path.is_symlink():
            yield File(name, b"", link=os.readlink(path))  # noqa: PTH115  the text as it is
        elif path.suffix == ".pyc":
            raw = path.read_bytes()
            yield File(name, raw[:4] + _UNCHECKED + raw[_PYC_HEADER:])
        elif path.is_file():
            yield File(name, path, os.access(path, os.X_OK))
    for library in libraries:
        yield File(library.lstrip("/"), Path(library).resolve(), executable=True)
    for name, content in _ETC.items():
        yield File(name, content)
    if Path(CERTIFICATES).is_file():
        yield File(CERTIFICATES.lstrip("/"), Path(CERTIFICATES).resolve())


def _left_out(path: Path) -> bool:
    """Windows to draw in, with all that they load; what only linkers look for."""
    return path.name.startswith("_tkinter.") or _FOR_LINKERS.fullmatch(path.name) is not None


def _libraries(folder: Path) -> set[str]:
    """What the interpreter and its modules load from elsewhere, the loader itself included."""
    own = {path.name for path in folder.glob("lib/*.so*")}
    programs = [*folder.glob("bin/python3.*"), *folder.rglob("*.so"), *folder.glob("lib/*.so*")]
    for name in EXPECTED:
        where = (Path(folder, name) for folder in _LIBRARY_FOLDERS)
        programs += [path for path in where if path.exists()][:1]
    wanted = [
        path
        for path in programs
        if path.name in EXPECTED or not (path.is_symlink() or _left_out(path))
    ]
    if shutil.which("ldd", path=_TOOLS) is None:
        raise Problem(
            "IMAGE_BASE",
            "no base can be made of this machine: it has no ldd, which tells what programs load",
            fix="--base HOST/NAME:TAG, a layout folder, or an archive",
        )
    said = subprocess.run(
        ["ldd", *wanted],
        capture_output=True, text=True, check=False, env={"PATH": _TOOLS},
    ).stdout  # fmt: skip
    # `name:` stands above what each of them loads.
    loaded = {word for word in said.split() if word.startswith("/") and ":" not in word}
    found = {str(path) for path in wanted if path.name in EXPECTED}
    return {word for word in found | loaded if word.rpartition("/")[2] not in own}


def _facts(libraries: list[str]) -> list[str]:
    stats = [(library, Path(library).stat()) for library in libraries]
    return [f"{library} {stat.st_size} {stat.st_mtime_ns}" for library, stat in stats]
