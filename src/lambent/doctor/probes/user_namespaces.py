"""Isolation itself: a sandbox is made and ended, for real."""

from __future__ import annotations

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.sandbox import choose

WANTED = "10000"


def look(machine: Machine) -> Finding:
    if machine.settings.sandbox == "process":
        return Finding(
            "warn",
            "not used: sandbox = process",
            why="functions run as processes of the server's user, without isolation",
            fix='sandbox = "auto"',
        )
    problem = choose.probe()
    if problem is None:
        return Finding("ok", "a sandbox was made and ended: namespaces + seccomp")
    switch = _switch(machine)
    return Finding(
        "missing",
        "no isolated sandbox can be made",
        why=f"{problem}" + (f"; {switch} is 0" if switch else ""),
        fix=f"sudo sysctl {switch}={_value(switch)}" if switch else problem.fix,
    )


def mend(machine: Machine) -> str:
    switch = _switch(machine)
    if switch is None:
        raise OSError("nothing that a setting of this kernel would change")
    path = machine.proc / "sys" / switch.replace(".", "/")
    path.write_text(_value(switch))
    return f"set {switch} = {_value(switch)} until the next boot"


def _switch(machine: Machine) -> str | None:
    """The sysctl that forbids user namespaces, if one does."""
    for name in ("user.max_user_namespaces", "kernel.unprivileged_userns_clone"):
        if machine.read("sys", *name.split(".")) == "0":
            return name
    return None


def _value(switch: str) -> str:
    return WANTED if switch.startswith("user.") else "1"


PROBE = Probe(
    "user namespaces", look, mend, needs_word="every user of this machine could make them then"
)
