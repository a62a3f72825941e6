"""Everything that `dev` says: lines on a terminal, one JSON object per event otherwise.

Only the session's thread writes here; others hand their news over.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from lambent.cli.output import Output
from lambent.delivery.problem import Problem
from lambent.delivery.syntax import Fault

_QUIET: Final = ("START RequestId:", "END RequestId:", "INIT_START ", "REPORT RequestId:")
_TASK: Final = "/var/task/"


class Screen:
    """`out` decides between text and JSON."""

    def __init__(self, out: Output) -> None:
        self.out = out

    def event(self, kind: str, facts: dict[str, Any], label: str, text: str) -> None:
        """Something happened: `facts` for programs, `label` and `text` for people."""
        if self.out.as_json:
            print(json.dumps({"event": kind, **facts}, ensure_ascii=False), flush=True)
        else:
            print(f"  {self.out.style(label.ljust(8), 'cyan')} {text}", flush=True)

    def problem(self, problem: Problem) -> None:
        """An error that does not end the session."""
        if self.out.as_json:
            facts = {"code": problem.code, "message": problem.message}
            facts |= {"why": problem.why, "fix": problem.fix}
            print(json.dumps({"event": "error", "error": facts}, ensure_ascii=False), flush=True)
        else:
            sys.stdout.flush()
            self.out.problem(problem)

    def faults(self, function: str, faults: Sequence[Fault], folder: Path) -> None:
        """Files that do not compile, each with its line and a caret; nothing was deployed."""
        for fault in faults:
            path = _near(folder / fault.name)
            where = ":".join(str(part) for part in (path, fault.line, fault.column) if part)
            problem = Problem(
                "SOURCE_SYNTAX",
                f"{where}: {fault.message}",
                fix="mend it and save; the code before it stays live",
            )
            if self.out.as_json:
                facts = {"code": problem.code, "message": problem.message, "fix": problem.fix}
                said = {"error": facts, "function": function, "source": fault.picture()}
                print(json.dumps({"event": "error", **said}, ensure_ascii=False), flush=True)
                continue
            head = self.out.style(f"error[{problem.code}]", "red")
            print(f"{head} {problem.message}")
            for line in fault.picture():
                print(f"  {line}")
            print(f"  {self.out.style('fix', 'dim')}   {problem.fix}", flush=True)

    def log(self, function: str, event: dict[str, Any], folder: Path, *, named: bool) -> None:
        """One line of a function's log; paths in traces become those on this machine."""
        message = str(event["message"]).rstrip()
        if self.out.as_json:
            print(json.dumps({"event": "log", "function": function, **event}), flush=True)
            return
        style = "dim" if message.startswith(_QUIET) else ""
        if message.startswith(("[ERROR]", "Traceback")) or "Task timed out" in message:
            style = "red"
        message = message.replace("\r", "\n").replace("\xa0", " ")
        message = message.replace(_TASK, f"{_near(folder)}/" if _near(folder) != Path() else "")
        moment = datetime.fromtimestamp(event["time"] / 1000).astimezone()
        clock = f"{moment:%H:%M:%S}.{event['time'] % 1000:03d}"
        head = self.out.style(f"{clock} {function}" if named else clock, "dim")
        lines = message.split("\n")
        shown = [self.out.style(line, style) if style else line for line in lines]
        print(f"{head}  " + "\n    ".join(shown), flush=True)

    def plain(self, text: str) -> None:
        """Text for people only."""
        if not self.out.as_json:
            print(text, flush=True)

    def clear(self) -> None:
        if not self.out.as_json:
            print("\033[2J\033[3J\033[H", end="", flush=True)


def _near(path: Path) -> Path:
    """Relative to the current folder when below it."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
