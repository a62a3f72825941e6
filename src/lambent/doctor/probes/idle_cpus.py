"""Whether an idle CPU of a virtual machine halts at once, which makes waking it slow.

An invoke passes from the caller to the server to the function and back. On a virtual machine each
of these wakes is an interrupt that leaves the guest when the other CPU has halted: about 50 µs
instead of 20 (tried on Firecracker). The guest can look out for work for a moment before it halts;
the kernel's `haltpoll` governor does so, but not where `guest_halt_poll_ns` is 0.
(Kernel documentation, "Guest halt polling".)
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lambent.doctor.finding import Finding, Machine, Probe

POLL_NS: Final = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")
WANTED_NS: Final = 200_000
"""The kernel's own default."""


def look(machine: Machine) -> Finding:
    try:
        poll_ns = int(POLL_NS.read_text())
    except (OSError, ValueError):
        return Finding("ok", "not used")
    if poll_ns:
        return Finding("ok", f"look out for work for up to {poll_ns // 1000} µs")
    return Finding(
        "warn",
        "halt at once, so every wake-up takes about 30 µs longer",
        why="guest_halt_poll_ns is 0: this virtual machine gives an idle CPU back to its host",
        fix="lambent doctor --fix" if machine.is_root else f"echo {WANTED_NS} | sudo tee {POLL_NS}",
    )


def mend(machine: Machine) -> str:  # noqa: ARG001  the signature of every remedy
    POLL_NS.write_text(str(WANTED_NS))
    return f"idle CPUs look out for work for {WANTED_NS // 1000} µs before they halt, until the next boot"


PROBE = Probe("idle cpus", look, mend)
