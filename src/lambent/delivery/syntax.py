"""Whether sources compile, asked of the Python that will run them, without starting it each time.

A save in `lambent dev` must not wait for an interpreter: one process of the runtime's own version
stays, is sent file names, and answers with what is wrong. It compiles and never runs anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SCRIPT: Final = """
import json, sys, warnings
warnings.simplefilter("ignore")
for line in sys.stdin:
    name, path = json.loads(line)
    fault = None
    try:
        with open(path, "rb") as file:
            compile(file.read(), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        fault = [error.msg, error.lineno, error.offset, getattr(error, "end_offset", None), error.text]
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        fault = [str(error), None, None, None, None]
    print(json.dumps(fault), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that does not compile."""

    name: str
    message: str
    line: int | None = None
    column: int | None = None
    """Counted from 1."""
    end_column: int | None = None
    text: str = ""
    """The line itself."""

    def picture(self) -> list[str]:
        """The line with its number, and a caret under the place."""
        if self.line is None or not self.text.strip():
            return []
        text = self.text.rstrip("\n").replace("\t", " ")
        prefix = f"{self.line:>5} | "
        lines = [prefix + text]
        if self.column is not None and self.column > 0:
            width = (self.end_column or 0) - self.column
            carets = "^" * max(1, min(width, len(text) - self.column + 1))
            lines.append(" " * (len(prefix) - 2) + "| " + " " * (self.column - 1) + carets)
        return lines


class Checker:
    """Owns the process until `close`."""

    def __init__(self, python: Path | None) -> None:
        """`python` of the function's version; None falls back to our own."""
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-I", "-S", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            bufsize=1,
            start_new_session=True,  # Ctrl-C is for `dev`, which ends it in order
        )

    def close(self) -> None:
        """End the process. Idempotent."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process.kill()
        self._process.wait()

    def check(self, files: Iterable[tuple[str, Path]]) -> list[Fault]:
        """What is wrong with `(name, path)` of Python files; nothing when the process was killed."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        faults: list[Fault] = []
        for name, path in files:
            try:
                stdin.write(json.dumps([name, str(path)]) + "\n")
                answer = stdout.readline()
            except OSError:
                return faults
            found: Any = json.loads(answer) if answer else None
            if found:
                message, line, column, end, text = found
                faults.append(Fault(name, message, line, column, end, text or ""))
        return faults
