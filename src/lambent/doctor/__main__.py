"""`python -m lambent.doctor [--fix] [--yes]`: one JSON line per probe, as each is done.

    {"begins": "loop devices"}
    {"name": "loop devices", "status": "ok", "said": …, "why": …, "fix": …, "did": …}

Settings come from `LAMBENT_*` and the user file, as the server's do.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from lambent.doctor import probes
from lambent.doctor.finding import Finding, Machine, Probe
from lambent.settings import load


def main(arguments: list[str]) -> None:
    machine = Machine(load(), os.environ)  # `lambent doctor` has read the same before
    for probe in probes.ALL:
        print(json.dumps({"begins": probe.name}), flush=True)  # noqa: T201  read by `lambent doctor`
        finding, did = examine(
            probe, machine, fix="--fix" in arguments, word_given="--yes" in arguments
        )
        facts = {"name": probe.name, **asdict(finding), "did": did}
        print(json.dumps(facts), flush=True)  # noqa: T201  the same


def examine(
    probe: Probe, machine: Machine, *, fix: bool = False, word_given: bool = False
) -> tuple[Finding, str]:
    """What there is to say, after mending if that was asked for; and what was done or not."""
    finding = _look(probe, machine)
    if finding.status == "ok" or not fix or probe.mend is None:
        return finding, ""
    if not machine.is_root:
        return finding, "not mended: it needs root (sudo lambent doctor --fix)"
    if probe.needs_word and not word_given:
        return finding, f"not mended: {probe.needs_word}; lambent doctor --fix -y does it"
    try:
        did = probe.mend(machine)
    except OSError as error:
        return finding, f"not mended: {error}"
    return _look(probe, machine), did


def _look(probe: Probe, machine: Machine) -> Finding:
    """A probe that fails itself is said, and the others still look."""
    try:
        return probe.look(machine)
    except Exception as error:  # noqa: BLE001  whatever it is, the rest of the examination goes on
        return Finding("warn", "could not be looked at", why=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
