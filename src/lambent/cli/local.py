"""The server that runs on this machine: where its record lies, and whether it is still it.

`up` writes `server.json` in the data directory; `down`, `status` and the default endpoint read it.
A process id alone proves nothing after a reboot, so the start time in /proc must agree as well.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

MODULE = "lambent.server"
RECORD = "server.json"
LOG = "server.log"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that was started by `up`."""

    pid: int
    started_ticks: int
    """Field 22 of /proc/<pid>/stat: clock ticks after boot."""
    url: str


def data_dir() -> Path:
    """As `settings` has it; without importing it, because every verb asks."""
    if given := os.environ.get("LAMBENT_DATA_DIR"):
        return Path(given)
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    user_file = Path(config) / "lambent" / "config.toml"
    if user_file.is_file():
        import tomllib

        try:
            given = tomllib.loads(user_file.read_text()).get("data_dir")
        except tomllib.TOMLDecodeError:
            given = None  # `up` says what is wrong with it
        if isinstance(given, str):
            return Path(given)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "lambent"


def running(folder: Path) -> Running | None:
    """The server of a data directory, when the process of the record is still that server."""
    try:
        record = json.loads((folder / RECORD).read_text())
        found = Running(int(record["pid"]), int(record["started_ticks"]), str(record["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _is_server(found) else None


def record(folder: Path, pid: int, url: str) -> None:
    """Remember the server; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{RECORD}.{os.getpid()}"
    partial.write_text(json.dumps(asdict(Running(pid, started_ticks(pid), url))) + "\n")
    partial.replace(folder / RECORD)


def forget(folder: Path, pid: int) -> None:
    """Remove the record if it is still about `pid`."""
    try:
        known: Any = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return
    if isinstance(known, dict) and known.get("pid") == pid:
        (folder / RECORD).unlink(missing_ok=True)


def started_ticks(pid: int) -> int:
    """Raises OSError when there is no such process."""
    # The name in parentheses may hold blanks and parentheses itself.
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[19])


def _is_server(found: Running) -> bool:
    try:
        words = Path(f"/proc/{found.pid}/cmdline").read_bytes().split(b"\0")
        return MODULE.encode() in words and started_ticks(found.pid) == found.started_ticks
    except (OSError, ValueError, IndexError):
        return False
