"""Single key presses from a terminal, without Enter; everything is put back at the end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class Keys:
    """A context manager. `fileno` is None where standard input is no terminal: then no keys."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self.fileno: int | None = None

    def __enter__(self) -> Self:
        if sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty():
            import termios
            import tty

            self.fileno = sys.stdin.fileno()
            self._before = termios.tcgetattr(self.fileno)
            tty.setcbreak(self.fileno, termios.TCSANOW)  # signals stay: Ctrl-C is still Ctrl-C
        return self

    def again(self) -> None:
        """After the shell had the terminal (Ctrl-Z, fg)."""
        if self.fileno is not None:
            import termios
            import tty

            tty.setcbreak(self.fileno, termios.TCSANOW)

    def read(self) -> str:
        """The keys that are waiting; empty when the terminal is gone."""
        assert self.fileno is not None
        try:
            return os.read(self.fileno, 64).decode(errors="ignore")
        except OSError:
            return ""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.fileno is not None and self._before is not None:
            import termios

            with suppress(termios.error):  # the terminal was closed
                termios.tcsetattr(self.fileno, termios.TCSADRAIN, self._before)
            self.fileno = None
