"""What tests and benchmarks need of other projects: Node.js 20, 22 and 24 in .cache/node, and
programs of the distribution (Ruby; skopeo, umoci and docker-registry for container images).

npm's package `node` holds the program itself, so the npm registry is all that is needed; and npm.
`python scripts/fetch_interpreters.py` fetches all, `node(major)` and `debian(program)` one, and say
why they could not.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parent.parent / ".cache"
NODE_MAJORS: Final = ("20", "22", "24")
LIMIT_S: Final = 240
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/usr/sbin"
IMAGE_TOOLS: Final = ("skopeo", "umoci", "docker-registry")


class Unavailable(Exception):  # noqa: N818  not a mistake, a circumstance
    """The registry, or its client, cannot be reached."""


def node(major: str) -> Path:
    """The folder with `node` of that version; raises `Unavailable`."""
    folder = CACHE / "node" / major
    binaries = folder / "node_modules" / "node" / "bin"
    if not (binaries / "node").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (binaries / "node").is_file():
                _install(folder, major)
    return binaries


def package(name: str, version: str) -> Path:
    """The folder of an npm package as it was published, without what it needs; raises `Unavailable`."""
    folder = CACHE / "npm" / f"{name.replace('/', '-')}-{version}"
    if not (folder / "package" / "package.json").is_file():
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable("no npm here to fetch packages with")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _run([npm, "pack", "--silent", "--pack-destination", str(folder), f"{name}@{version}"])
            (archive,) = folder.glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    return folder / "package"


def ruby() -> None:
    """The distribution's Ruby, installed if this may; raises `Unavailable`."""
    debian("ruby")


def debian(program: str, package: str = "") -> str:
    """The path of a program of the distribution, installed if this may; raises `Unavailable`."""
    found = shutil.which(program, path=SYSTEM_PATH)
    if found is not None:
        return found
    apt = shutil.which("apt-get")
    if apt is None:
        raise Unavailable(f"no {program} here, and no apt-get to install it")
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = shutil.which(program, path=SYSTEM_PATH)
        if found is None:
            _run([apt, "update", "-qq"])
            _run([apt, "install", "-y", "-qq", "--no-install-recommends", package or program])
            found = shutil.which(program, path=SYSTEM_PATH)
    if found is None:
        raise Unavailable(f"apt-get has installed {package or program}, and there is no {program}")
    return found


def _install(folder: Path, major: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("no npm here to fetch Node.js with")
    flags = ["--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
    _run([npm, "install", *flags, f"node@{major}"])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{command[0]}: {error.stderr.strip()[-300:]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from None


if __name__ == "__main__":
    for each in NODE_MAJORS:
        print(node(each))
    for each in ("ruby", *IMAGE_TOOLS):
        print(debian(each))
    sys.exit(0)
