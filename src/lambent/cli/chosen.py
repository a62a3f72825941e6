"""Which function is meant when none is named: the one of this folder's template.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lambent.delivery.problem import USAGE, Problem

if TYPE_CHECKING:
    from lambent.delivery.template import FunctionPlan, Project


def plans(usage: str) -> tuple[FunctionPlan, ...]:
    """The functions of the template here; `usage` is what to type where there is none."""
    return project(usage).functions


def project(usage: str) -> Project:
    """The template here."""
    from lambent.delivery import template

    path = template.find(Path())
    if path is None:
        raise Problem(
            "FUNCTION_MISSING",
            "which function? There is no template.yaml here",
            fix=usage,
            exit_code=USAGE,
        )
    return template.read(path, partial=True)


def function(given: str | None, usage: str) -> str:
    """The name that was given, or the template's first function's."""
    return given or plans(usage)[0].name
