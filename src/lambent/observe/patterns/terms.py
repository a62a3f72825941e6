r"""Patterns for unstructured events: `ERROR -"timed out"`, `?WARN ?ERROR`, `%5\d\d%`.

All terms must be in the event, as parts of it and in their case; `-` excludes. Terms with `?` are
alternatives to each other; beside terms of another kind AWS ignores them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from lambent.observe.patterns.regex import Regex
from lambent.observe.patterns.scanner import InvalidPattern, Scanner

Test: TypeAlias = Callable[[str], bool]


class _Term(NamedTuple):
    kind: str
    """`+`, `-` or `?`."""
    test: Test


def compile_terms(text: str) -> Test:
    """Raises `InvalidPattern`; AWS names a term that should have been quoted."""
    scanner = Scanner(text)
    terms: list[_Term] = []
    scanner.skip_space()
    while not scanner.done:
        terms.append(_term(scanner))
        following = scanner.peek()
        if following and not following.isspace():
            raise InvalidPattern
        scanner.skip_space()
    needed = [term.test for term in terms if term.kind == "+"]
    excluded = [term.test for term in terms if term.kind == "-"]
    if needed or excluded:
        return lambda message: (
            not (
                any(test(message) for test in excluded) or any(not test(message) for test in needed)
            )
        )
    wanted = [term.test for term in terms]
    return lambda message: not wanted or any(test(message) for test in wanted)


def _term(scanner: Scanner) -> _Term:
    kind = scanner.take("-", "?") or "+"
    if scanner.peek() == "%":
        return _Term(kind, Regex(scanner.regex()).search)
    if scanner.peek() == '"':
        return _Term(kind, _contains(scanner.quoted()))
    term = scanner.take_while(lambda char: not char.isspace())
    if not term:
        raise InvalidPattern
    if not all(char.isalnum() or char == "_" for char in term):
        raise InvalidPattern(f"Invalid character(s) in term '{term}'")
    return _Term(kind, _contains(term))


def _contains(term: str) -> Test:
    return lambda message: term in message
