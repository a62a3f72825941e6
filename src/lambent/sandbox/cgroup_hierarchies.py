"""Where this machine's cgroup controllers are, and under which of its groups we may make ours.

A controller is either bound to a v1 hierarchy of its own or belongs to the unified (v2) one, and
machines mix both. `locate` answers per controller, so `cgroup.Cgroups` can compose an environment's
group from whatever is there. We nest below the server's own group where that is allowed, so that a
limit which an administrator gave to the server also holds for its functions.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids", "freezer")
MS_REMOUNT = 32


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy."""

    version: int
    mount: Path
    root: str
    """Which group of the hierarchy the mount shows at its top (not `/` in some containers)."""
    options: tuple[str, ...]
    """Options of the file system, such as `memory` (v1) or `favordynmods` (v2)."""

    def own(self, proc_self_cgroup: str) -> Path:
        """The calling process's group as a folder under the mount; the top if it is not visible."""
        for line in proc_self_cgroup.splitlines():
            number, controllers, path = line.split(":", 2)
            mine = (number == "0") if self.version == 2 else self._binds(controllers.split(","))
            if mine:
                break
        else:
            return self.mount
        inside = os.path.relpath(path, self.root)
        folder = self.mount / inside
        return self.mount if inside.startswith("..") or not folder.is_dir() else folder

    def _binds(self, controllers: list[str]) -> bool:
        return any(name and name in self.options for name in controllers)


def unescape(field: str) -> str:
    """Mountinfo writes space, tab, newline and backslash as octal."""
    for code, text in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, text)
    return field


def parse_mountinfo(text: str) -> list[Hierarchy]:
    """Every cgroup mount of a `/proc/self/mountinfo`, first mount of a hierarchy first."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if tail[0] not in {"cgroup", "cgroup2"}:
            continue
        version = 2 if tail[0] == "cgroup2" else 1
        mount, root = Path(unescape(fields[4])), unescape(fields[3])
        found.append(Hierarchy(version, mount, root, tuple(tail[2].split(","))))
    return found


def hierarchies() -> list[Hierarchy]:
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text())
    except OSError:
        return []


def own_groups() -> str:
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def locate(found: list[Hierarchy]) -> dict[str, Hierarchy]:
    """Controller → the v1 hierarchy that holds it. What is absent here may be in v2 (`unified`)."""
    return {
        name: hierarchy
        for name in CONTROLLERS
        for hierarchy in reversed(found)
        if hierarchy.version == 1 and name in hierarchy.options
    }


def unified(found: list[Hierarchy]) -> Hierarchy | None:
    return next((hierarchy for hierarchy in found if hierarchy.version == 2), None)


def favours_dynamic_modifications(found: list[Hierarchy] | None = None) -> bool:
    """Whether moving a process between groups is cheap on this machine.

    Without the mount option each move waits for an RCU grace period (about 5 ms here). The option
    of the v2 hierarchy holds for v1 ones too: the lock is one for the whole kernel.
    """
    found = hierarchies() if found is None else found
    return any("favordynmods" in hierarchy.options for hierarchy in found)


def favour_dynamic_modifications() -> bool:
    """Remount the unified hierarchy with `favordynmods`; True if it holds afterwards. Needs root.

    For `doctor --fix`: it changes the machine, until its next boot, for a fork and exit of every
    process that are slower by less than a microsecond.
    """
    found = hierarchies()
    if favours_dynamic_modifications(found):
        return True
    hierarchy = unified(found)
    libc = ctypes.CDLL(None, use_errno=True)
    if hierarchy is not None:
        # A remount sets all options anew, so those in force are repeated.
        kept = [o for o in hierarchy.options if o not in {"rw", "ro"}]
        options = ",".join([*kept, "favordynmods"]).encode()
        target = os.fsencode(hierarchy.mount)
        return bool(libc.mount(b"cgroup2", target, b"cgroup2", MS_REMOUNT, options) == 0)
    with tempfile.TemporaryDirectory() as folder:
        target = os.fsencode(folder)
        if libc.mount(b"cgroup2", target, b"cgroup2", 0, b"favordynmods") != 0:
            return False
        libc.umount2(target, 0)
        return True
