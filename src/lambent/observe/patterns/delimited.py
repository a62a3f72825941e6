"""Patterns for space-delimited events: `[ip, user, ..., request = *.html*, status >= 400, bytes]`.

An event matches when it has as many fields as the pattern names (`...` stands for any number) and
every condition holds. What stands in `[…]` or `"…"` is one field, without those.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from lambent.observe.patterns.comparison import read_comparison
from lambent.observe.patterns.condition import Condition, read_condition
from lambent.observe.patterns.scanner import InvalidPattern, Scanner

_CLOSING: Final = {"[": "]", '"': '"'}

Fields: TypeAlias = dict[str, str]
"""By the pattern's names; what has no name is by its place."""


def compile_delimited(text: str) -> Callable[[str], bool]:
    """Raises `InvalidPattern`."""
    return _Pattern(Scanner(text)).matches


class _Pattern:
    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner
        self._names: list[str] = []
        self._gap: int | None = None
        """How many fields stand before the ellipsis."""
        self._conditions: list[Condition[Fields]] = []
        self._used: set[str] = set()
        scanner.expect("[")
        self._fields()
        scanner.skip_space()
        if not scanner.done or not self._used <= set(self._names):
            raise InvalidPattern

    def matches(self, message: str) -> bool:
        values = split(message)
        count, gap = len(self._names), self._gap
        if len(values) != count and (gap is None or len(values) < count):
            return False
        if gap is not None:
            values = values[:gap] + values[len(values) - (count - gap) :]
        fields = dict(zip(self._names, values, strict=True))
        return all(condition(fields) for condition in self._conditions)

    def _fields(self) -> None:
        scanner = self._scanner
        scanner.skip_space()
        if scanner.take("]"):
            raise InvalidPattern
        while True:
            self._field()
            scanner.skip_space()
            if scanner.take("]"):
                return
            scanner.expect(",")

    def _field(self) -> None:
        scanner = self._scanner
        scanner.skip_space()
        if scanner.take("...", "…"):
            if self._gap is not None:
                raise InvalidPattern
            self._gap = len(self._names)
            return
        start = scanner.at
        parenthesis = scanner.peek() == "("
        name = "" if parenthesis else _name(scanner)
        scanner.skip_space()
        if parenthesis or scanner.peek() not in {",", "]"}:
            scanner.at = start
            used: list[str] = []
            condition = read_condition(scanner, partial(self._read_one, used))
            self._conditions.append(condition)
            self._used.update(used)
            name = used[0]
        self._names.append(self._unique(name))

    def _unique(self, name: str) -> str:
        if name and name in self._names:
            raise InvalidPattern
        return name or f"${len(self._names) + 1}"

    def _read_one(self, used: list[str]) -> Condition[Fields]:
        self._scanner.skip_space()
        name = _name(self._scanner)
        if not name:
            raise InvalidPattern
        used.append(name)
        compare = read_comparison(self._scanner)
        return lambda fields: compare(fields[name])


def _name(scanner: Scanner) -> str:
    return scanner.take_while(lambda char: char.isalnum() or char in "_-.$")


def split(message: str) -> list[str]:
    """The fields of an event."""
    fields: list[str] = []
    at, size = 0, len(message)
    while at < size:
        char = message[at]
        if char.isspace():
            at += 1
            continue
        close = _CLOSING.get(char)
        end = message.find(close, at + 1) if close else -1
        if end >= 0:
            fields.append(message[at + 1 : end])
            at = end + 1
            continue
        start = at
        while at < size and not message[at].isspace():
            at += 1
        fields.append(message[start:at])
    return fields
