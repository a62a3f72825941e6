"""Which of AWS's runtimes can run here, and what to install for the others."""

from __future__ import annotations

from datetime import UTC, datetime

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.runtimes import catalog, interpreters, presence


def look(machine: Machine) -> Finding:
    known = sorted(
        (row.identifier for row in catalog.TABLE if row.family == "python"),
        key=lambda name: int(name.rpartition(".")[2]),
    )
    found = {name: interpreters.find(name, machine.environ) for name in known}
    here = [f"{name} ({python.version})" for name, python in found.items() if python]
    absent = [name for name, python in found.items() if python is None]
    accepted = catalog.accepted(datetime.now(UTC).date())
    advice = _advice([name for name in absent if name in accepted])
    if not here:
        return Finding("missing", "no Python for any managed runtime", fix=_advice(absent))
    if not any(found[name] for name in accepted):
        return Finding(
            "warn",
            ", ".join(here),
            why="AWS creates functions with none of these any more",
            fix=advice,
        )
    others, lacking = _others(machine)
    absent += lacking
    said = ", ".join(here + others) + (f"; not here: {', '.join(absent)}" if absent else "")
    return Finding("ok", said, fix=advice)


def _others(machine: Machine) -> tuple[list[str], list[str]]:
    """Node.js and Ruby, present and not; nobody is advised to install what they may not use."""
    here, absent = [], []
    for row in catalog.TABLE:
        if row.family not in {"nodejs", "ruby"}:
            continue
        version = presence.version(row.identifier, machine.environ)
        if version is None:
            absent.append(row.identifier)
        else:
            here.append(f"{row.identifier} ({version})")
    return here, absent


def _advice(names: list[str]) -> str:
    return "uv python install " + " ".join(n.removeprefix("python") for n in names) if names else ""


PROBE = Probe("interpreters", look)
