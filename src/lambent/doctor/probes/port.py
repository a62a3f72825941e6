"""Whether the server's port is free, or ours already; otherwise, whose it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

from lambent.doctor.finding import Finding, Machine, Probe

LISTENING = "0A"
SERVER = b"lambent.server"


def look(machine: Machine) -> Finding:
    host, port = machine.settings.host, machine.settings.port
    if port == 0:
        return Finding("ok", "any that is free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error
        else:
            return Finding("ok", f"{port} is free")
    holder = next(_holders(machine, port), None)
    if holder is not None and SERVER in holder[1].split(b"\0"):
        return Finding("ok", f"{port} is served by lambent (pid {holder[0]})")
    who = f"pid {holder[0]}: {_shown(holder[1])}" if holder else str(reason.strerror)
    return Finding(
        "missing",
        f"cannot listen on {host}:{port}",
        why=who,
        fix=f"lambent up --port {port + 1}     or stop what listens there",
    )


def _holders(machine: Machine, port: int) -> Iterator[tuple[int, bytes]]:
    """Process id and command line of who listens, as far as we may see."""
    wanted = {f"socket:[{inode}]" for inode in _listening(machine, port)}
    for entry in machine.proc.iterdir() if wanted else ():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            for fd in (entry / "fd").iterdir():
                with suppress(OSError):
                    if str(fd.readlink()) in wanted:
                        yield int(entry.name), (entry / "cmdline").read_bytes()


def _listening(machine: Machine, port: int) -> Iterator[str]:
    """Inodes of listening sockets on a port, of any address."""
    for table in ("tcp", "tcp6"):
        for line in machine.read("net", table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _shown(command: bytes) -> str:
    return command.replace(b"\0", b" ").decode(errors="replace").strip()[:80]


PROBE = Probe("port", look)
