"""Makes a model that is not there yet, with the packages and the Python that will serve it.

`Metadata: lambent` names the model's file and the script that makes it. The script runs in an
environment of its own (`uv run`) with the function's requirements, because a pickled model only
loads where the same versions are; `requirements-train.txt` adds what only training needs.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lambent.delivery import dependencies, interpreters, platforms
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

REQUIREMENTS: Final = ("requirements.txt", "requirements-train.txt")


def ensure_model(plan: FunctionPlan, progress: Callable[[str], None] = lambda _: None) -> bool:
    """Train when the plan names a model that is missing; whether it did."""
    extras = plan.extras
    if extras.model is None or (plan.folder / extras.model).exists():
        return False
    if extras.train is None:
        raise Problem(
            "MODEL_MISSING",
            f"{plan.folder / extras.model} is not there",
            fix="put the model there, or name a script: train: train.py under Metadata: lambent",
        )
    progress(f"training with {extras.train}")
    run(plan.folder, extras.train, plan.runtime)
    if not (plan.folder / extras.model).exists():
        raise Problem(
            "MODEL_MISSING", f"{extras.train} ended without writing {extras.model}", fix="mend it"
        )
    return True


def run(folder: Path, script: str, runtime: str, arguments: Sequence[str] = ()) -> str:
    """Run a script of `folder` with its requirements on the runtime's Python; its output."""
    platform = platforms.of(runtime, "x86_64")
    if platform is None:
        raise Problem("TRAINING_FAILED", f"{script} needs a Python runtime, not {runtime}")
    python = interpreters.find(platform.python)
    command = [dependencies.uv(), "run", "--quiet", "--isolated", "--no-project", "--no-progress"]
    command += ["--python", str(python or platform.python)]
    for name in REQUIREMENTS:
        if (folder / name).is_file():
            command += ["--with-requirements", name]
    done = subprocess.run(
        [*command, "python", script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Problem(
            "TRAINING_FAILED",
            f"{script} failed",
            why=lines[-1],
            fix=f"cd {folder} && python {script}     (with requirements.txt installed)",
        )
    return done.stdout


def card(plan: FunctionPlan) -> dict[str, Any] | None:
    """What is known about the model: its size, and the JSON that training wrote beside it."""
    if plan.extras.model is None:
        return None
    path = plan.folder / plan.extras.model
    if not path.exists():
        return None
    found: dict[str, Any] = {"file": plan.extras.model, "bytes": path.stat().st_size}
    beside = path.with_suffix(".json")
    if beside.is_file():
        try:
            facts = json.loads(beside.read_text())
        except ValueError:
            return found
        if isinstance(facts, dict):
            keys = ("model_version", "estimator", "metrics")
            found |= {key: facts[key] for key in keys if key in facts}
    return found
