"""Ubuntu's AppArmor takes capabilities from unprivileged user namespaces; a profile gives them back.

A profile names an executable, and ours is the Python interpreter: every program that it runs may
make user namespaces then, so the owner is asked.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lambent.doctor.finding import Finding, Machine, Probe

SWITCH = ("sys", "kernel", "apparmor_restrict_unprivileged_userns")
PROFILE = Path("/etc/apparmor.d/lambent")


def look(machine: Machine) -> Finding:
    if machine.read(*SWITCH) != "1":
        return Finding("ok", "does not restrict user namespaces here")
    if machine.is_root:
        return Finding("ok", "restricts user namespaces of others, not root's")
    if PROFILE.is_file() and _python() in PROFILE.read_text():
        return Finding("ok", f"{PROFILE} allows them for this Python")
    return Finding(
        "missing" if machine.settings.sandbox == "namespaces" else "warn",
        "AppArmor takes capabilities from user namespaces",
        why="without a profile, sandboxes of an ordinary user cannot mount their own root",
        fix="sudo lambent doctor --fix -y  (a profile for this Python)",
    )


def mend(machine: Machine) -> str:  # noqa: ARG001  the signature of every remedy
    parser = shutil.which("apparmor_parser")
    if parser is None:
        raise OSError("apparmor_parser is not installed")
    PROFILE.write_text(profile(_python()))
    done = subprocess.run(
        [parser, "--replace", str(PROFILE)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        PROFILE.unlink()
        raise OSError(f"apparmor_parser: {done.stderr.strip()}")
    return f"wrote and loaded {PROFILE}"


def profile(executable: str) -> str:
    """Unconfined but for a name, which is what lets it keep its namespaces."""
    return (
        "abi <abi/4.0>,\ninclude <tunables/global>\n\n"
        f'profile lambent "{executable}" flags=(unconfined) {{\n  userns,\n}}\n'
    )


def _python() -> str:
    return str(Path(sys.executable).resolve())


PROBE = Probe(
    "AppArmor",
    look,
    mend,
    needs_word="every program of this Python interpreter could make user namespaces then",
)
