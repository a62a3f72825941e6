"""A filter pattern to a test of messages: terms, `[fields]` or `{ $.json }`, by its first character.

AWS's "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live
Tail". A pattern that breaks the syntax is an `InvalidPattern`, before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lambent.observe.patterns.delimited import compile_delimited
from lambent.observe.patterns.json_paths import compile_json
from lambent.observe.patterns.scanner import InvalidPattern
from lambent.observe.patterns.terms import compile_terms

MAX_REGEXES: Final = 2


def compile_pattern(text: str) -> Callable[[str], bool]:
    """Whether a message matches; an empty pattern matches all. Raises `InvalidPattern`."""
    text = text.strip()
    if text.startswith("{"):
        return _limited(text, compile_json)
    if text.startswith("["):
        return _limited(text, compile_delimited)
    return compile_terms(text)


def _limited(
    text: str, compile_kind: Callable[[str], Callable[[str], bool]]
) -> Callable[[str], bool]:
    """AWS allows two regular expressions in such a pattern."""
    bare = _without_quotes(text)
    if bare.count("%") > 2 * MAX_REGEXES:
        raise InvalidPattern
    return compile_kind(text)


def _without_quotes(text: str) -> str:
    """Percent signs in quotes are text."""
    return "".join(text.replace('\\"', "").split('"')[::2])
