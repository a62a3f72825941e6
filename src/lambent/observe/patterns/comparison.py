"""One comparison of a pattern: an operator and what a value is compared with.

A JSON value and a field of a space-delimited line are compared alike: as numbers when both are
numbers, as text otherwise. `*` at either end of a text stands for anything; in the middle it is
itself, as on AWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from lambent.observe.patterns.regex import Regex
from lambent.observe.patterns.scanner import InvalidPattern, Scanner

OPERATORS: Final = ("<=", ">=", "!=", "=!", "=", "<", ">")
_NUMBER: Final = re.compile(r"[+-]?(\d{1,64}(\.\d{0,64})?|\.\d{1,64})([eE][+-]?\d{1,3})?", re.ASCII)
_DELIMITERS: Final = frozenset('()=<>!&|,{}[]"%')

Plain: TypeAlias = str | int | float | bool
Compare: TypeAlias = Callable[[Plain], bool]


def number(text: str) -> float | None:
    """What a pattern or a field writes as a number."""
    return float(text) if _NUMBER.fullmatch(text) else None


def read_comparison(scanner: Scanner) -> Compare:
    """`= "text"`, `!= 4*`, `>= 1e3`, `= %regex%` from where the scanner stands."""
    scanner.skip_space()
    operator = scanner.take(*OPERATORS)
    if operator is None:
        raise InvalidPattern
    scanner.skip_space()
    if operator in {"=", "!=", "=!"}:
        equal = _read_equal(scanner)
        return equal if operator == "=" else lambda value: not equal(value)
    wanted = number(word(scanner))
    if wanted is None:
        raise InvalidPattern
    return _order(operator, wanted)


def word(scanner: Scanner) -> str:
    """What may stand without quotes."""
    return scanner.take_while(lambda char: not char.isspace() and char not in _DELIMITERS)


def _read_equal(scanner: Scanner) -> Compare:
    if scanner.peek() == "%":
        regex = Regex(scanner.regex())
        return lambda value: regex.search(_text(value))
    if scanner.peek() == '"':
        return _like(scanner.quoted())
    text = word(scanner)
    if not text:
        raise InvalidPattern
    like, wanted = _like(text), number(text)
    if wanted is None:
        return like
    return lambda value: like(value) or _number_of(value) == wanted


def _like(wanted: str) -> Compare:
    begins, ends = wanted.startswith("*"), wanted.endswith("*")
    if wanted in {"*", "**"}:
        return lambda _: True
    inner = wanted[begins : len(wanted) - ends]
    if begins and ends:
        return lambda value: inner in _text(value)
    if begins:
        return lambda value: _text(value).endswith(inner)
    if ends:
        return lambda value: _text(value).startswith(inner)
    return lambda value: _text(value) == inner


def _order(operator: str, wanted: float) -> Compare:
    def holds(value: Plain) -> bool:
        found = _number_of(value)
        if found is None:
            return False
        match operator:
            case "<":
                return found < wanted
            case "<=":
                return found <= wanted
            case ">":
                return found > wanted
            case _:
                return found >= wanted

    return holds


def _number_of(value: Plain) -> float | int | None:
    if isinstance(value, bool):
        return None
    return number(value) if isinstance(value, str) else value


def _text(value: Plain) -> str:
    """As the event writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
