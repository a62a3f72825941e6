"""uv, which installs functions' dependencies: the one that came with lambent, or another."""

from __future__ import annotations

import subprocess

from lambent.delivery import dependencies
from lambent.delivery.problem import Problem
from lambent.doctor.finding import Finding, Machine, Probe


def look(machine: Machine) -> Finding:  # noqa: ARG001  the signature of every probe
    why = "`lambent deploy` installs requirements with it"
    try:
        program = dependencies.uv()
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=True
        )
    except Problem as problem:
        return Finding("missing", problem.message, why=why, fix=problem.fix)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("missing", "uv does not run", why=str(error), fix="pip install uv")
    return Finding("ok", done.stdout.strip())


PROBE = Probe("uv", look)
