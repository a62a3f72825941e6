"""Which runtimes this machine can run, and what to install for those it cannot.

One question over all families: `launch.py` asks before it makes anything, `doctor` for its list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lambent.runtimes import interpreters, programs


def version(runtime: str, environ: Mapping[str, str] | None = None) -> str | None:
    """The version of the interpreter that would run `runtime`; None when there is none."""
    if runtime.startswith("python"):
        python = interpreters.find(runtime, environ)
        return python.version if python else None
    if runtime.startswith("nodejs"):
        program = programs.find_node(runtime, environ)
    else:
        program = programs.find_ruby(runtime, environ)
    return program.version if program else None


def how_to_install(runtime: str) -> str:
    """What a person does to get the interpreter of a runtime that is missing."""
    if match := re.fullmatch(r"python(3\.\d+)", runtime):
        return f"install it with `uv python install {match[1]}` or `pyenv install {match[1]}`"
    if match := re.fullmatch(r"nodejs(\d+)\.x", runtime):
        return (
            f"install Node.js {match[1]} with `nvm install {match[1]}` or "
            f"`npm install --prefix DIR node@{match[1]}`, and have its `node` on the server's PATH"
        )
    if runtime.startswith("ruby3."):
        return "install your distribution's Ruby (`apt-get install ruby`)"
    if runtime.startswith("java"):
        return (
            "run it as provided.al2023 with a JDK and the public runtime client "
            "(docs/runtimes.md shows how)"
        )
    return (
        "lambent runs python3.9 to python3.14, nodejs20.x to nodejs24.x, ruby3.x and provided.* "
        f"functions; {runtime} can be run as provided.al2023 with its own runtime in the package"
    )
