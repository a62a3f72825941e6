"""Paths and ports as a function knows them, rewritten to where they really are.

Only for sandboxes that share something with the host: the process sandbox has no root of its own,
and neither it nor an environment with `egress = "host"` has loopback ports of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lambent.sandbox.spec import ProcessSpec


@dataclass(frozen=True, slots=True)
class Addresses:
    """What stands where."""

    folders: Mapping[str, str] = field(default_factory=dict)
    """`/var/task` → the real folder, and so on."""
    ports: Mapping[int, int] = field(default_factory=dict)
    """Port at 127.0.0.1 that was asked for → the one that could be had."""

    def rewrite(self, process: ProcessSpec) -> ProcessSpec:
        if not self.folders and not self.ports:
            return process
        return ProcessSpec(
            argv=tuple(self.text(argument) for argument in process.argv),
            env={name: self.text(value) for name, value in process.env.items()},
            cwd=self.path(process.cwd),
            fds=process.fds,
        )

    def text(self, text: str) -> str:
        """A path, a list of paths, or an address and what follows it; other text stays."""
        for port, real in self.ports.items():
            for host in ("127.0.0.1", "localhost"):
                address = f"{host}:{port}"
                before, found, after = text.partition(address)
                if found and not after[:1].isdigit():
                    text = f"{before}{host}:{real}{after}"
        return ":".join(self.path(part) for part in text.split(":"))

    def path(self, path: str) -> str:
        if any(path == real or path.startswith(real + "/") for real in self.folders.values()):
            return path  # real already, even where the data directory itself stands in /tmp
        for inside, real in self.folders.items():
            if path == inside or path.startswith(inside + "/"):
                return real + path[len(inside) :]
        return path
