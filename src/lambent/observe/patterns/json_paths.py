"""Patterns for JSON events: `{ $.level = "ERROR" && ($.ms > 100 || $.retry IS TRUE) }`.

A selector must lead to a string, number or boolean for a comparison to hold, `!=` included: what
is missing, null, an array or an object compares with nothing. `[*]` stands for any element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec

from lambent.observe.patterns.comparison import read_comparison
from lambent.observe.patterns.condition import Condition, read_condition
from lambent.observe.patterns.scanner import InvalidPattern, Scanner

_decode: Final = msgspec.json.Decoder().decode

Step: TypeAlias = str | int | None
"""A property, an index, or None for `[*]`."""

_MAX_INDEX_DIGITS: Final = 9


def compile_json(text: str) -> Callable[[str], bool]:
    """Raises `InvalidPattern`. An event that is no JSON object or array matches nothing."""
    scanner = Scanner(text)
    scanner.expect("{")
    condition: Condition[Any] = read_condition(scanner, partial(_read_one, scanner))
    scanner.expect("}")
    scanner.skip_space()
    if not scanner.done:
        raise InvalidPattern

    def matches(message: str) -> bool:
        if message.lstrip()[:1] not in {"{", "["}:
            return False
        try:
            document = _decode(message)
        except (msgspec.DecodeError, RecursionError):
            return False
        return condition(document)

    return matches


def _read_one(scanner: Scanner) -> Condition[Any]:
    path = _selector(scanner)
    scanner.skip_space()
    if scanner.take("IS"):
        return _is(path, _keyword(scanner, "NULL", "TRUE", "FALSE"))
    if scanner.take("NOT"):
        _keyword(scanner, "EXISTS")
        return lambda document: next(_found(document, path), _MISSING) is _MISSING
    if scanner.take("EXISTS"):
        return lambda document: next(_found(document, path), _MISSING) is not _MISSING
    compare = read_comparison(scanner)
    return lambda document: any(
        compare(value) for value in _found(document, path) if isinstance(value, str | int | float)
    )


def _keyword(scanner: Scanner, *choices: str) -> str:
    if not scanner.peek().isspace():
        raise InvalidPattern
    scanner.skip_space()
    found = scanner.take(*choices)
    if found is None:
        raise InvalidPattern
    return found


def _is(path: tuple[Step, ...], what: str) -> Condition[Any]:
    wanted = {"NULL": None, "TRUE": True, "FALSE": False}[what]
    return lambda document: any(value is wanted for value in _found(document, path))


def _selector(scanner: Scanner) -> tuple[Step, ...]:
    scanner.expect("$")
    path: list[Step] = []
    while True:
        if scanner.take("."):
            # `$.['a b']` is as good as `$['a b']`.
            if scanner.peek() != "[":
                path.append(_name(scanner))
        elif scanner.take("["):
            path.append(_element(scanner))
        elif path:
            return tuple(path)
        else:
            raise InvalidPattern


def _name(scanner: Scanner) -> str:
    name = scanner.take_while(lambda char: char.isalnum() or char in "_-:@")
    if not name:
        raise InvalidPattern
    return name


def _element(scanner: Scanner) -> Step:
    """After `[`: an index, `*`, or a quoted name."""
    step: Step
    quote = scanner.take("'", '"')
    if quote:
        step = scanner.take_while(lambda char: char != quote)
        scanner.expect(quote)
    elif scanner.take("*"):
        step = None
    else:
        digits = scanner.take_while(lambda char: "0" <= char <= "9")
        if not 0 < len(digits) <= _MAX_INDEX_DIGITS:
            raise InvalidPattern
        step = int(digits)
    scanner.expect("]")
    return step


_MISSING: Final = object()


def _found(document: Any, path: tuple[Step, ...]) -> Iterator[Any]:
    """What a selector leads to: at most one value, unless it has a `[*]`."""
    for place, step in enumerate(path):
        if isinstance(step, str):
            if not isinstance(document, dict) or step not in document:
                return
            document = document[step]
        elif not isinstance(document, list):
            return
        elif step is None:
            for element in document:
                yield from _found(element, path[place + 1 :])
            return
        elif step >= len(document):
            return
        else:
            document = document[step]
    yield document
