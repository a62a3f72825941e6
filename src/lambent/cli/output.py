"""How results look: labelled lines on a terminal, one JSON object otherwise.

Results go to stdout; progress, hints about failures and errors to stderr. Escape codes are written
by hand: rich takes longer to import than most verbs take to run.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambent.cli.options import Options
    from lambent.delivery.problem import Problem

_STYLES: Final = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_LABEL_WIDTH = 8


class Output:
    """What a verb prints with."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.as_json = options.json or not sys.stdout.isatty()

    def result(self, data: Mapping[str, Any], lines: Sequence[tuple[str, str]]) -> None:
        """`data` as JSON, or `lines` of (label, text)."""
        if self.as_json:
            print(json.dumps(data, ensure_ascii=False))
            return
        for label, text in lines:
            print(f"  {self.style(label.ljust(_LABEL_WIDTH), 'cyan')} {text}")

    def hints(self, *commands: str) -> None:
        """The next useful commands."""
        if not (self.as_json or self._options.quiet):
            print(f"  {self.style('next'.ljust(_LABEL_WIDTH), 'dim')} {'  ·  '.join(commands)}")

    def note(self, text: str) -> None:
        """Something the user should know, beside the result."""
        if not self._options.quiet:
            label = self.style("note".ljust(_LABEL_WIDTH), "yellow", sys.stderr)
            print(f"  {label} {text}", file=sys.stderr)

    def problem(self, problem: Problem) -> None:
        from lambent.problems import reference  # tables that only a failure needs

        facts = {"code": problem.code, "message": problem.message}
        facts |= {key: text for key in ("why", "fix") if (text := getattr(problem, key))}
        if doc := reference(problem.code):
            facts["doc"] = doc
        if self._options.json:
            print(json.dumps({"error": facts}, ensure_ascii=False))
            return
        head = self.style(f"error[{problem.code}]", "red", sys.stderr)
        print(f"{head} {problem.message}", file=sys.stderr)
        for key in ("why", "fix", "doc"):
            if key in facts:
                print(f"  {self.style(key, 'dim', sys.stderr)}   {facts[key]}", file=sys.stderr)

    def style(self, text: str, style: str, stream: TextIO | None = None) -> str:
        stream = stream or sys.stdout
        if self._options.no_color or os.environ.get("NO_COLOR") or not stream.isatty():
            return text
        return f"\033[{_STYLES[style]}m{text}\033[0m"

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A line on stderr that shows what is being done, gone when it is done."""
        shown = Progress(visible=sys.stderr.isatty() and not self._options.quiet)
        try:
            yield shown
        finally:
            shown.clear()


class Progress:
    """One status line that is written over."""

    def __init__(self, *, visible: bool) -> None:
        self._visible = visible

    def __call__(self, text: str) -> None:
        if self._visible:
            sys.stderr.write(f"\r\033[K  … {text}")
            sys.stderr.flush()

    def count(self, text: str, done: int, total: int, seconds: float) -> None:
        """Bytes moved, and the time that is left at this speed."""
        left = f", {seconds / done * (total - done):.0f} s left" if done and seconds > 1 else ""
        self(f"{text} {done / 1e6:.1f} of {total / 1e6:.1f} MB{left}")

    def clear(self) -> None:
        if self._visible:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
