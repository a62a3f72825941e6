"""A Dockerfile as instructions: continued lines joined, comments dropped, variables put in.

Only what can be known without the base image is put in; a variable that nobody has set is an error
here, where Docker would silently put in nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lambent.delivery.problem import Problem

_VARIABLE: Final = re.compile(
    r"\\(?P<escaped>\$)|\$\{(?P<braced>\w+)(?P<op>:?[-+])?(?P<word>[^}]*)\}|\$(?P<plain>\w+)"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    """In capitals."""
    rest: str
    line: int


def instructions(text: str) -> Iterator[Instruction]:
    """One after the other; raises `Problem` where a line is none."""
    joined, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        start = start or number
        if line.endswith("\\"):
            joined += line[:-1].rstrip() + " "
            continue
        word, _, rest = (joined + line).partition(" ")
        yield Instruction(word.upper(), rest.strip(), start)
        joined, start = "", 0
    if joined:
        word, _, rest = joined.partition(" ")
        yield Instruction(word.upper(), rest.strip(), start)


def unsupported(line: int, what: str, fix: str) -> Problem:
    return Problem(
        "DOCKERFILE_UNSUPPORTED",
        f"Dockerfile, line {line}: {what} needs Docker, which is not used here",
        why="understood: FROM, ARG, ENV, LABEL, WORKDIR, COPY, ADD of files, RUN pip install, "
        "CMD, ENTRYPOINT",
        fix=fix,
    )


def expand(text: str, variables: Mapping[str, str], line: int) -> str:
    """Put in variables, with Docker's `${NAME:-word}` and `${NAME:+word}`."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["braced"] or match["plain"]
        known = variables.get(name)
        operator = match["op"] or ""
        present = bool(known) if operator.startswith(":") else known is not None
        if operator.endswith("+"):
            return match["word"] if present else ""
        if present:
            return known or ""
        if operator.endswith("-"):
            return match["word"]
        if known is None:
            raise Problem(
                "DOCKERFILE_INVALID",
                f"Dockerfile, line {line}: nothing has set {name}",
                fix=f"ARG {name}=… or ENV {name}=… above it, or --build-arg {name}=…",
            )
        return known

    return _VARIABLE.sub(value, text)


def exec_form(rest: str) -> list[str] | None:
    """The words of `["a", "b"]`; None where it is not of that form."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(w, str) for w in found) else None
