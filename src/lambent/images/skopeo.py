"""Registries, spoken to by skopeo: it knows their log-ins, mirrors, proxies and manifest kinds."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from lambent.images.problem import ImageError

INSPECT_S: Final = 60
COPY_S: Final = 1800
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def digest(reference: str) -> str:
    """The digest in hexadecimal of the manifest, or index, that a reference names now."""
    raw = _run("inspect", "--raw", *_tls(reference, ""), f"docker://{reference}", limit_s=INSPECT_S)
    return hashlib.sha256(raw).hexdigest()


def copy(reference: str, folder: Path, architecture: str, *, decompress: bool = True) -> None:
    """Download for one processor into a `dir:` folder, layers uncompressed or as they are."""
    _run(
        "--override-os", "linux", "--override-arch", architecture, "copy", "--quiet",
        *(["--dest-decompress"] if decompress else []), *_tls(reference, "src-"), f"docker://{reference}", f"dir:{folder}",
        limit_s=COPY_S,
    )  # fmt: skip


def push(source: str, reference: str) -> None:
    """Upload `oci:PATH:TAG` or `docker-archive:PATH:NAME`."""
    _run(
        "copy", "--quiet", *_tls(reference, "dest-"), source, f"docker://{reference}",
        limit_s=COPY_S,
    )  # fmt: skip


def _message(line: str) -> str:
    """The words of its log line, `time=… level=fatal msg="…"`."""
    found = re.search(r'msg="((?:[^"\\]|\\.)*)"', line)
    return (re.sub(r"\\(.)", r"\1", found[1]) if found else line)[-500:]


def _tls(reference: str, side: str) -> list[str]:
    """Registries on this machine are mostly without TLS."""
    host = reference.partition("/")[0]
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return [f"--{side}tls-verify=false"] if name in _LOOPBACK else []


def _run(*arguments: str, limit_s: float) -> bytes:
    program = shutil.which("skopeo")
    if program is None:
        raise ImageError(
            "skopeo is not installed on the server's machine: sudo apt-get install skopeo",
            "ImageAccessDenied",
        )
    try:
        done = subprocess.run(
            [program, "--insecure-policy", *arguments],
            capture_output=True, timeout=limit_s, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ImageError(f"skopeo took more than {limit_s:.0f} s", "ImageAccessDenied") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = _message(said[-1]) if said else f"skopeo ended with {done.returncode}"
        gone = "unknown" in reason or "not found" in reason
        raise ImageError(reason, "ImageDeleted" if gone else "ImageAccessDenied")
    return done.stdout
