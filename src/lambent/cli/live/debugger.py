"""`dev --debug`: the function runs under debugpy and waits for whoever attaches.

debugpy travels inside the deployment, taken from this machine's environment, with a handler of ours
in front of the user's that listens first. The port is on the host's loopback, because the server
that `dev` starts for this shares the host's network with the function.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from lambent.delivery import archive
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

PORT: Final = 5678
LONGEST_S: Final = 900
MEMORY_MB: Final = 512
_MODULE: Final = "lambent_debug"
_LEFT_OUT: Final = frozenset({"__pycache__", "pydevd_attach_to_process", "tests"})
_WRAPPER: Final = '''\
"""Listens for a debugger, then hands over to the function's own handler."""
import importlib
import os

import debugpy

_port = int(os.environ["LAMBENT_DEBUG_PORT"])
try:
    debugpy.listen(("127.0.0.1", _port), in_process_debug_adapter=True)
    print("debugger: listening on 127.0.0.1:%d" % _port)
except (OSError, RuntimeError) as error:
    print("debugger: not in this environment: %s" % error)
_module, _, _name = os.environ["LAMBENT_DEBUG_HANDLER"].rpartition(".")
handler = getattr(importlib.import_module(_module.replace("/", ".")), _name)
'''


def wrapped(plan: FunctionPlan, port: int) -> FunctionPlan:
    """The plan with our handler in front, and time and memory to stand at a breakpoint."""
    ours = {
        "LAMBENT_DEBUG_HANDLER": plan.handler,
        "LAMBENT_DEBUG_PORT": str(port),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    return replace(
        plan,
        handler=f"{_MODULE}.handler",
        environment={**plan.environment, **ours},
        timeout_s=LONGEST_S,
        memory_mb=max(plan.memory_mb, MEMORY_MB),
    )


def entries(plan: FunctionPlan) -> tuple[archive.Entry, ...]:
    """Debugpy and our handler, for the package. Raises `Problem` where there is no debugpy."""
    if not plan.runtime.startswith("python"):
        raise Problem(
            "DEBUG_UNSUPPORTED",
            f"--debug is for Python functions; {plan.name} is {plan.runtime}",
            fix="leave --debug out",
        )
    top = find(plan.folder)
    if top is None:
        raise Problem(
            "DEBUGPY_MISSING",
            "--debug needs debugpy, which is not installed here",
            why="it is taken from this environment into the function",
            fix="pip install debugpy     (beside lambent, or into the project's .venv)",
        )
    files = [
        (path.relative_to(top.parent).as_posix(), path.read_bytes(), False)
        for path in sorted(top.rglob("*"))
        if path.is_file() and not _LEFT_OUT.intersection(path.parts)
    ]
    return tuple(archive.pack_all([*files, (f"{_MODULE}.py", _WRAPPER.encode(), False)]))


def find(folder: Path) -> Path | None:
    """Debugpy's folder: in the project's environment, the active one, or ours."""
    for place in _site_packages(folder):
        if (place / "debugpy" / "__init__.py").is_file():
            return place / "debugpy"
    spec = importlib.util.find_spec("debugpy")
    return Path(spec.origin).parent if spec and spec.origin else None


def _site_packages(folder: Path) -> Iterator[Path]:
    environments = [folder / ".venv", folder / "venv"]
    if active := os.environ.get("VIRTUAL_ENV"):
        environments.append(Path(active))
    for environment in environments:
        yield from sorted(environment.glob("lib/python3.*/site-packages"))
