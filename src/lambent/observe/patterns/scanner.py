"""A filter pattern's characters, read from left to right; the parsers of all three kinds use it.

Quoted strings and `%regex%` look the same wherever they stand, so they are read here.
"""

from __future__ import annotations

from collections.abc import Callable

from lambent.errors import InvalidParameter

INVALID = "Invalid filter pattern"


class InvalidPattern(InvalidParameter):
    """The pattern breaks the syntax; AWS says no more than that, except for terms."""

    def __init__(self, message: str = INVALID) -> None:
        super().__init__(message)


class Scanner:
    """A position in a text."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def take(self, *choices: str) -> str | None:
        """The first of `choices` that stands here, passed over."""
        for choice in choices:
            if self.text.startswith(choice, self.at):
                self.at += len(choice)
                return choice
        return None

    def expect(self, choice: str) -> None:
        self.skip_space()
        if self.take(choice) is None:
            raise InvalidPattern

    def take_while(self, wanted: Callable[[str], bool]) -> str:
        start = self.at
        while not self.done and wanted(self.text[self.at]):
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        r"""From `"` to `"`; `\"` and `\\` stand for themselves."""
        self.expect('"')
        found: list[str] = []
        while True:
            char = self.peek()
            if not char:
                raise InvalidPattern
            self.at += 1
            if char == '"':
                return "".join(found)
            if char == "\\" and self.peek() in {'"', "\\"}:
                char = self.peek()
                self.at += 1
            found.append(char)

    def regex(self) -> str:
        """From `%` to `%`."""
        self.expect("%")
        end = self.text.find("%", self.at)
        if end < 0:
            raise InvalidPattern
        found = self.text[self.at : end]
        self.at = end + 1
        return found
