"""The way out without root: one pasta process (passt.top) per environment, as rootless Podman has.

pasta copies the host's address and routes into the namespace and carries its connections through
sockets of the server's user. It filters nothing, which `network.Network.feature` says. Facts:
pasta(1). No port is forwarded either way and the host's loopback is not mapped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox.instance import Instance

START_S = 10.0
OPTIONS = ("--config-net", "--ipv4-only", "--no-map-gw",
           "-t", "none", "-u", "none", "-T", "none", "-U", "none")  # fmt: skip


class Pasta:
    """Starts and ends the processes of one server; their pid files say which they are."""

    def __init__(self, program: str, instance: Instance) -> None:
        self._program = program
        self._folder = pid_folder(instance)

    @classmethod
    def find(cls, instance: Instance) -> Pasta | None:
        program = shutil.which("pasta")
        return cls(program, instance) if program else None

    def attach(self, environment_id: str, pid: int) -> None:
        """Connect the namespaces of `pid`; pasta goes to the background once they are configured."""
        self._folder.mkdir(parents=True, exist_ok=True)
        pid_file = self._folder / environment_id
        command = [self._program, *OPTIONS, "--pid", str(pid_file)]
        command += ["--userns", f"/proc/{pid}/ns/user", "--netns", f"/proc/{pid}/ns/net"]
        try:
            done = subprocess.run(
                command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=START_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"pasta did not start: {error}", code="NO_EGRESS") from error
        if done.returncode != 0:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise SandboxError(
                f"pasta failed: {' '.join(last) or done.returncode}",
                code="NO_EGRESS",
                fix="/dev/net/tun must be readable and writable for the server's user",
            )

    def detach(self, environment_id: str) -> None:
        end(self._folder / environment_id)

    def close(self) -> None:
        end_all(self._folder)


def pid_folder(instance: Instance) -> Path:
    return instance.run_dir / "pasta"


def end_all(folder: Path) -> None:
    """End every pasta whose pid file is in `folder`."""
    with suppress(FileNotFoundError):
        for pid_file in folder.iterdir():
            end(pid_file)
        folder.rmdir()


def end(pid_file: Path) -> None:
    """Kill the pasta of a pid file, unless the number belongs to another program by now."""
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/comm").read_text().startswith("pasta"):
            os.kill(pid, signal.SIGKILL)
    pid_file.unlink(missing_ok=True)
