"""Conditions joined by `&&` and `||`, with parentheses: `()` before `&&` before `||`.

JSON patterns and the fields of space-delimited ones share this grammar; they differ in what one
condition is, which the caller brings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from lambent.observe.patterns.scanner import InvalidPattern, Scanner

Subject = TypeVar("Subject")
Condition: TypeAlias = Callable[[Subject], bool]

MAX_DEPTH = 50


def read_condition(
    scanner: Scanner, read_one: Callable[[], Condition[Subject]], depth: int = 0
) -> Condition[Subject]:
    """From where the scanner stands up to what is no part of a condition."""
    if depth > MAX_DEPTH:
        raise InvalidPattern
    alternatives = [_all(scanner, read_one, depth)]
    while _operator(scanner, "||"):
        alternatives.append(_all(scanner, read_one, depth))
    if len(alternatives) == 1:
        return alternatives[0]
    return lambda subject: any(condition(subject) for condition in alternatives)


def _all(
    scanner: Scanner, read_one: Callable[[], Condition[Subject]], depth: int
) -> Condition[Subject]:
    needed = [_one(scanner, read_one, depth)]
    while _operator(scanner, "&&"):
        needed.append(_one(scanner, read_one, depth))
    if len(needed) == 1:
        return needed[0]
    return lambda subject: all(condition(subject) for condition in needed)


def _one(
    scanner: Scanner, read_one: Callable[[], Condition[Subject]], depth: int
) -> Condition[Subject]:
    scanner.skip_space()
    if scanner.take("("):
        inner = read_condition(scanner, read_one, depth + 1)
        scanner.expect(")")
        return inner
    return read_one()


def _operator(scanner: Scanner, operator: str) -> bool:
    scanner.skip_space()
    return scanner.take(operator) is not None
