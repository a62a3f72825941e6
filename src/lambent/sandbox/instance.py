"""Whose resources are whose: one server instance, named after its data folder.

Several servers live on one machine, and one may be killed at any moment. So everything that
outlives a process (cgroups, mounts, loop devices, network interfaces, firewall tables) carries the
instance's name or stands under its folder, and a lock tells whether the owner is alive.
`leftovers.clean` reads this; `SandboxHost.open` takes the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

from lambent.errors import SandboxError


class Instance:
    """The identity of a server on this machine, its scratch folder and its lock."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:8]
        self.name = f"lambent-{digest}"
        self.digest = digest
        """For names with little room, such as network interfaces (15 characters)."""
        self.run_dir = self.data_dir / "run"
        self.disks_dir = self.run_dir / "disks"
        self.sandboxes_dir = self.run_dir / "sandboxes"
        """One scratch folder per sandbox id; removed, with everything mounted in it, by a clean."""
        self._lock_fd: int | None = None

    def lock(self) -> None:
        """Become the owner; raises `SandboxError` if another live server has this data folder.

        A POSIX record lock, not flock: forked children (the spawner, sandboxes) must not inherit
        it, or a killed server would look alive for as long as one of them is.
        """
        if self._lock_fd is not None:
            return
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.run_dir.chmod(0o711)  # sandboxed uids may pass through, not look around
        fd = os.open(self.run_dir / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(fd, 32, 0).decode().strip() or "another process"
            os.close(fd)
            raise SandboxError(
                f"the data folder {self.data_dir} belongs to a running server (pid {owner})",
                code="DATA_DIR_IN_USE",
                fix="stop it with `lambent down`, or start with another --data-dir",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def unlock(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock_fd is not None

    def remember(self, kind: str, facts: list[str]) -> None:
        """Keep, for a successor, where things of `kind` were made; written before they are."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        path = self.run_dir / f"{kind}.json"
        known = self.recall(kind)
        merged = known + [fact for fact in facts if fact not in known]
        if merged != known:
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(merged))
            temporary.replace(path)

    def recall(self, kind: str) -> list[str]:
        """What `remember` kept; a file that cannot be read counts as nothing known."""
        try:
            facts = json.loads((self.run_dir / f"{kind}.json").read_bytes())
        except (OSError, ValueError):
            return []
        return [fact for fact in facts if isinstance(fact, str)] if isinstance(facts, list) else []

    def forget(self, kind: str) -> None:
        (self.run_dir / f"{kind}.json").unlink(missing_ok=True)
