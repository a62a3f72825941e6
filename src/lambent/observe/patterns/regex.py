r"""The regular expressions of filter patterns, matched in time linear in the text.

AWS allows letters, digits, a few symbols and `^ $ ? [ ] { } | \ * + .`, without groups. Patterns
come from requests and texts from functions, so backtracking (Python's `re`, which also keeps the
interpreter's lock) is not an option: a pattern becomes a small NFA, and its sets of states a DFA
that is made as the text asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from lambent.observe.patterns.scanner import InvalidPattern, Scanner

MAX_NODES: Final = 2_000
MAX_CACHED: Final = 20_000
"""Transitions that one pattern remembers."""
SYMBOLS: Final = frozenset("_#=@/;,-: ")
OPERATORS: Final = frozenset("^$?[]{}|\\*+.()%")

Chars = Callable[[str], bool]
"""Whether a character belongs to a set."""

_CLASSES: Final[dict[str, Chars]] = {
    "d": lambda c: "0" <= c <= "9",
    "w": lambda c: c == "_" or (c.isascii() and c.isalnum()),
    "s": lambda c: c in " \t\n\r\f\v",
}
_CLASSES.update({
    "D": lambda c: not _CLASSES["d"](c),
    "W": lambda c: not _CLASSES["w"](c),
    "S": lambda c: not _CLASSES["s"](c),
})  # fmt: skip
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(slots=True, eq=False)
class _Node:
    """One state: it takes a character of `chars`, or leads on to `after` without one."""

    chars: Chars | None = None
    literal: str = ""
    """The one character that `chars` takes, if it is one."""
    after: list[int] = field(default_factory=list)
    anchor: str = ""


class _Parser:
    """Text to nodes. Node 0 is the match."""

    def __init__(self, text: str) -> None:
        self._scanner = Scanner(text)
        self.nodes = [_Node()]
        self.literal = ""
        """What every match holds; nothing when there are alternatives."""

    def parse(self) -> int:
        """The node to start from."""
        starts = [self._sequence()]
        while self._scanner.take("|"):
            starts.append(self._sequence())
        if not self._scanner.done:
            raise InvalidPattern
        if len(starts) > 1:
            self.literal = ""
        return self._add(_Node(after=starts))

    def _add(self, node: _Node) -> int:
        if len(self.nodes) >= MAX_NODES:
            raise InvalidPattern
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _sequence(self) -> int:
        pieces: list[tuple[_Node, int, int | None]] = []
        while not self._scanner.done and self._scanner.peek() != "|":
            node = self._atom()
            low, high = self._times() if not node.anchor else (1, 1)
            pieces.append((node, low, high))
        self._note_literal(pieces)
        following = 0
        for node, low, high in reversed(pieces):
            following = self._repeat(node, low, high, following)
        return following

    def _note_literal(self, pieces: list[tuple[_Node, int, int | None]]) -> None:
        """The longest run of characters that stand for themselves, each once."""
        run = ""
        for node, low, high in pieces:
            run = run + node.literal if node.literal and low == high == 1 else ""
            self.literal = max(self.literal, run, key=len)

    def _repeat(self, node: _Node, low: int, high: int | None, following: int) -> int:
        """`node` so many times, then `following`; the nodes are made from the last to the first."""
        if high is None:
            loop = self._add(_Node(after=[following]))
            self.nodes[loop].after.append(self._add(_Node(node.chars, "", [loop], node.anchor)))
            following = loop
        else:
            end = following
            for _ in range(high - low):
                inner = self._add(_Node(node.chars, "", [following], node.anchor))
                following = self._add(_Node(after=[end, inner]))
        for _ in range(low):
            following = self._add(_Node(node.chars, "", [following], node.anchor))
        return following

    def _atom(self) -> _Node:
        scanner = self._scanner
        char = scanner.peek()
        scanner.at += 1
        if char in {"^", "$"}:
            return _Node(anchor=char)
        if char == ".":
            return _Node(lambda c: c != "\n")
        if char == "[":
            return _Node(self._class())
        if char == "\\":
            found = self._escape()
            return _Node(found) if callable(found) else _Node(found.__eq__, found)
        if not _plain(char):
            raise InvalidPattern
        return _Node(char.__eq__, char)

    def _escape(self) -> str | Chars:
        """After a backslash: a class, or one character."""
        scanner = self._scanner
        char = scanner.peek()
        scanner.at += 1
        if char in _CLASSES:
            return _CLASSES[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            digits = scanner.text[scanner.at : scanner.at + 2]
            scanner.at += 2
            if len(digits) != 2 or not all(c in "0123456789abcdefABCDEF" for c in digits):
                raise InvalidPattern
            return chr(int(digits, 16))
        if not char or not char.isascii() or char.isalnum():
            raise InvalidPattern
        return char

    def _class(self) -> Chars:
        scanner = self._scanner
        negated = scanner.take("^") is not None
        singles: set[str] = set()
        ranges: list[tuple[str, str]] = []
        sets: list[Chars] = []
        empty = True
        while empty or scanner.peek() != "]":
            empty = False
            first = self._class_char()
            if not isinstance(first, str):
                sets.append(first)
            elif scanner.peek() == "-" and scanner.text[scanner.at + 1 : scanner.at + 2] != "]":
                scanner.at += 1
                last = self._class_char()
                if not isinstance(last, str) or last < first:
                    raise InvalidPattern
                ranges.append((first, last))
            else:
                singles.add(first)
        scanner.expect("]")

        def holds(char: str) -> bool:
            inside = (
                char in singles
                or any(low <= char <= high for low, high in ranges)
                or any(chars(char) for chars in sets)
            )
            return inside is not negated

        return holds

    def _class_char(self) -> str | Chars:
        char = self._scanner.peek()
        self._scanner.at += 1
        if char == "\\":
            return self._escape()
        if not _plain(char) and char not in OPERATORS - {"[", "]", "(", ")"}:
            raise InvalidPattern
        return char

    def _times(self) -> tuple[int, int | None]:
        """The quantifier that stands here. Lazy ones match the same texts."""
        scanner = self._scanner
        found: tuple[int, int | None]
        match scanner.take("*", "+", "?", "{"):
            case "*":
                found = 0, None
            case "+":
                found = 1, None
            case "?":
                found = 0, 1
            case "{":
                found = self._counts()
            case _:
                return 1, 1
        scanner.take("?")
        if scanner.peek() in {"*", "+", "?", "{"} and not scanner.done:
            raise InvalidPattern
        return found

    def _counts(self) -> tuple[int, int | None]:
        scanner = self._scanner
        low = scanner.take_while(_CLASSES["d"])
        high: str | None = low
        if scanner.take(","):
            high = scanner.take_while(_CLASSES["d"]) or None
        scanner.expect("}")
        if not low or len(low) > 4 or len(high or "") > 4:
            raise InvalidPattern
        counts = int(low), int(high) if high is not None else None
        if counts[1] is not None and counts[1] < counts[0]:
            raise InvalidPattern
        return counts


def _plain(char: str) -> bool:
    return char != "" and char.isascii() and (char.isalnum() or char in SYMBOLS)


@dataclass(slots=True, eq=False)
class _State:
    """A set of nodes that the text so far may have led to."""

    nodes: frozenset[int]
    matched: bool
    matched_at_end: bool
    following: dict[str, _State] = field(default_factory=dict)


class Regex:
    """A compiled expression; raises `InvalidPattern` when it is none."""

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        self._first = parser.parse()
        self._nodes = parser.nodes
        self._literal = parser.literal
        self._states: dict[frozenset[int], _State] = {}
        self._cached = 0
        self._start = self._state(self._closure([self._first], "^"), at_start=True)

    def search(self, text: str) -> bool:
        """Whether it matches anywhere in `text`."""
        if self._literal not in text:  # many times faster than what follows
            return False
        state = self._start
        for char in text:
            if state.matched:
                return True
            state = state.following.get(char) or self._step(state, char)
        return state.matched or state.matched_at_end

    def _step(self, state: _State, char: str) -> _State:
        """The state after `char`; a match may also begin there."""
        targets = [self._first]
        for index in state.nodes:
            node = self._nodes[index]
            if node.chars is not None and node.chars(char):
                targets += node.after
        if self._cached >= MAX_CACHED:
            self._forget()
        nodes = self._closure(targets, "")
        found = self._states.get(nodes)
        if found is None:
            found = self._states[nodes] = self._state(nodes, at_start=False)
        state.following[char] = found
        self._cached += 1
        return found

    def _forget(self) -> None:
        self._states.clear()
        self._start.following.clear()
        self._cached = 0

    def _state(self, nodes: frozenset[int], *, at_start: bool) -> _State:
        ends = [n for i in nodes if self._nodes[i].anchor == "$" for n in self._nodes[i].after]
        at_end = self._closure(ends, "^$" if at_start else "$")
        return _State(nodes, 0 in nodes, 0 in at_end)

    def _closure(self, targets: Iterable[int], anchors: str) -> frozenset[int]:
        """All that can be reached without a character, where `anchors` hold."""
        waiting, seen = list(targets), set[int]()
        while waiting:
            index = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            node = self._nodes[index]
            if node.chars is None and (not node.anchor or node.anchor in anchors):
                waiting += node.after
        return frozenset(
            i for i in seen if i == 0 or self._nodes[i].chars or self._nodes[i].anchor == "$"
        )
