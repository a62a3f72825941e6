"""Container images from registries are fetched by skopeo; layouts and archives need nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

from lambent.doctor.finding import Finding, Machine, Probe

INSTALL_S: Final = 300
MANAGERS: Final = {
    "apt-get": ("install", "-y", "--no-install-recommends"),
    "dnf": ("install", "-y"),
    "zypper": ("--non-interactive", "install"),
    "apk": ("add",),
    "pacman": ("-S", "--noconfirm"),
}
"""Distributions' own installers, and how each is asked; all call the package skopeo."""


def look(machine: Machine) -> Finding:
    path = machine.environ.get("PATH")
    found = shutil.which("skopeo", path=path)
    if found is not None:
        return Finding("ok", found)
    manager = _manager(path)
    how = f"sudo {manager} {' '.join(MANAGERS[manager])} skopeo" if manager else "install skopeo"
    return Finding(
        "warn",
        "not installed",
        why="container images cannot come from registries, nor be sent there; OCI layouts and "
        "docker archives need nothing",
        fix=how,
    )


def mend(machine: Machine) -> str:
    path = machine.environ.get("PATH")
    manager = _manager(path)
    if manager is None:
        raise OSError("none of " + ", ".join(MANAGERS) + " is here to install skopeo")
    program = shutil.which(manager, path=path)
    assert program is not None
    if manager == "apt-get":  # a new machine knows of no packages; the install says what is wrong
        _run([program, "update", "-qq"])
    failed = _run([program, *MANAGERS[manager], "skopeo"])
    if failed or shutil.which("skopeo", path=path) is None:
        raise OSError(f"{manager} could not install skopeo: {failed}")
    return "installed skopeo"


def _manager(path: str | None) -> str | None:
    return next((name for name in MANAGERS if shutil.which(name, path=path)), None)


def _run(command: list[str]) -> str:
    """What it said last if it failed; nothing if it did what it was asked."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"not done after {INSTALL_S} s"
    lines = (done.stderr or done.stdout).strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit {done.returncode}")


PROBE = Probe("skopeo", look, mend)
