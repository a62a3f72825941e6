"""`.lambentignore`: what a package leaves out, in the language of .gitignore.

The last pattern that matches decides; `!` takes a file back in; a slash at the end means folders
only, one elsewhere anchors the pattern at the root. `.gitignore` itself is not read: models are
often kept out of git, and must be in the package.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FILE: Final = ".lambentignore"
ALWAYS: Final = (
    ".git/",
    ".gitignore",
    ".lambentignore",
    ".lambent/",
    ".aws-sam/",
    ".venv/",
    "venv/",
    "__pycache__/",
    "*.pyc",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".ipynb_checkpoints/",
    ".idea/",
    ".vscode/",
    ".DS_Store",
    ".env",  # secrets belong in the function's environment; `!.env` takes it in
    "/template.yaml",
    "/template.yml",
    "/samconfig.toml",
)


class Ignore:
    """Patterns in order, as compiled expressions."""

    __slots__ = ("_rules",)

    def __init__(self, patterns: tuple[str, ...] = ()) -> None:
        self._rules = [_rule(p) for p in (*ALWAYS, *patterns)]

    def excludes(self, name: str, *, folder: bool) -> bool:
        """Whether `name` (relative, with slashes) stays out; its parents are asked before it."""
        out = False
        for expression, negated, folders_only in self._rules:
            if (folder or not folders_only) and expression.fullmatch(name):
                out = not negated
        return out


def read(root: Path) -> Ignore:
    """The patterns of `root`'s `.lambentignore`, after those that always hold."""
    path = root / FILE
    if not path.is_file():
        return Ignore()
    lines = (line.rstrip() for line in path.read_text().splitlines())
    return Ignore(tuple(line for line in lines if line and not line.startswith("#")))


def _rule(pattern: str) -> tuple[re.Pattern[str], bool, bool]:
    negated = pattern.startswith("!")
    pattern = pattern[1:] if negated else pattern
    folders_only = pattern.endswith("/")
    pattern = pattern.rstrip("/")
    anchored = "/" in pattern
    prefix = "" if anchored else "(?:.*/)?"
    return re.compile(prefix + _expression(pattern.lstrip("/"))), negated, folders_only


def _expression(pattern: str) -> str:
    """A glob as a regular expression; only `**` crosses slashes."""
    out = ""
    at = 0
    while at < len(pattern):
        rest = pattern[at:]
        if rest.startswith("**/"):
            out, at = out + "(?:.*/)?", at + 3
        elif rest.startswith("**"):
            out, at = out + ".*", at + 2
        elif rest[0] == "*":
            out, at = out + "[^/]*", at + 1
        elif rest[0] == "?":
            out, at = out + "[^/]", at + 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inner = rest[1:end].replace("\\", "\\\\")
            inner = "^" + inner[1:] if inner.startswith("!") else inner
            out, at = out + f"[{inner}]", at + end + 1
        elif rest[0] == "\\" and len(rest) > 1:
            out, at = out + re.escape(rest[1]), at + 2
        else:
            out, at = out + re.escape(rest[0]), at + 1
    return out
