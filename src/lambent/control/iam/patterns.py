"""Wildcards and variables of policies.

`*` is any text and `?` any character. In an ARN neither crosses a colon, except in its last part.
`${key}` stands for the request's value; a variable without a value matches nothing.
(AWS IAM user guide, "IAM JSON policy elements: Resource" and "Policy variables".)
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lambent.control.iam.query import Context

_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEFAULT: Final = re.compile(r"\s*([^,]+?)\s*,\s*'([^']*)'\s*")
_LITERALS: Final = {"*": "*", "?": "?", "$": "$"}


@lru_cache(4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    parts = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):  # `filled`'s: this one is itself
            parts.append(re.escape(pattern[at + 1]))
            at += 2
            continue
        parts.append({"*": ".*", "?": "."}.get(character, re.escape(character)))
        at += 1
    return re.compile("".join(parts), flags)


def escaped(text: str) -> str:
    """`text` as a pattern that matches only itself."""
    return re.sub(r"([\\*?])", r"\\\1", text)


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether all of `text` is what `pattern` says."""
    flags = re.DOTALL | re.IGNORECASE if ignore_case else re.DOTALL
    return _compiled(pattern, flags).fullmatch(text) is not None


def arn_matches(pattern: str, arn: str) -> bool:
    """As `matches`, part by part; the last part of the pattern takes all that is left."""
    if pattern == "*":
        return True
    wanted = pattern.split(":", 5)
    found = arn.split(":", len(wanted) - 1)
    return len(wanted) == len(found) and all(map(matches, wanted, found))


def filled(pattern: str, context: Context, *, variables: bool) -> str | None:
    """`pattern` with its variables filled in; None when one has no value.

    What a variable brings in is text, never a wildcard of its own. `variables` is False in policies
    of a version that has none.
    """
    if not variables or "${" not in pattern:
        return pattern.replace("\\", "\\\\") if "\\" in pattern else pattern
    found: list[str] = []
    at = 0
    for variable in _VARIABLE.finditer(pattern):
        value = _value(variable[1], context)
        if value is None:
            return None
        found += [pattern[at : variable.start()].replace("\\", "\\\\"), escaped(value)]
        at = variable.end()
    return "".join([*found, pattern[at:].replace("\\", "\\\\")])


def _value(name: str, context: Context) -> str | None:
    if name in _LITERALS:
        return _LITERALS[name]
    default = None
    if given := _DEFAULT.fullmatch(name):
        name, default = given[1], given[2]
    values = context.get(name.strip().lower())
    # A key with several values cannot stand in one place.
    return values[0] if values is not None and len(values) == 1 else default
