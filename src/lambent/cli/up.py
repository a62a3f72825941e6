"""`lambent up`: runs the server, in the foreground with its banner or in the background.

The server is `python -m lambent.server` with `LAMBENT_*` settings; it prints one JSON line when it
serves. Ctrl-C asks it to drain, a second one stops it at once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from lambent.cli import local
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import Problem

if TYPE_CHECKING:
    from lambent.settings import Settings

READY_S = 90.0  # pools are made ahead before it serves; a slow disk takes its time
_BANNER = ("sandbox", "limits", "network", "snapshots")


@click.command(cls=Verb)
@click.option("-d", "--detach", is_flag=True, help="In the background.")
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on (9000).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.option("--sandbox", type=click.Choice(["auto", "namespaces", "process"]))
@click.option("--network", type=click.Choice(["auto", "none", "nat", "host"]), help="Egress.")
@click.pass_obj
def command(options: Options, /, detach: bool, **flags: Any) -> int:  # noqa: FBT001  click passes by name
    """Run the platform here (-d: in the background)."""
    from lambent import settings
    from lambent.cli import project

    given = {name: value for name, value in flags.items() if value is not None}
    if options.region:
        given["region"] = options.region
    loaded = settings.load_with_origins(given, project=project.settings_file())
    wanted = loaded.settings
    environment = os.environ | project.as_environment(loaded, ("flag", "project"))
    out = Output(options)
    if found := local.running(wanted.data_dir):
        return _already(out, found, detach=detach)
    _check_port(wanted)
    wanted.data_dir.mkdir(parents=True, exist_ok=True)
    start = _start_detached if detach else _run_foreground
    return start(wanted, environment, out)


def _already(out: Output, found: local.Running, *, detach: bool) -> int:
    """A second `up -d` is content with what runs; in the foreground it is an error."""
    if not detach:
        raise Problem(
            "ALREADY_RUNNING",
            f"a server is already running at {found.url} (pid {found.pid})",
            fix="lambent down     or     lambent up --data-dir OTHER --port OTHER",
        )
    out.result(
        {"started": False, "running": True, "url": found.url, "pid": found.pid},
        [("API", f"{found.url}  (already running, pid {found.pid})")],
    )
    return 0


def _check_port(wanted: Settings) -> None:
    """Fail before anything is started, with words instead of a traceback."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError as error:
            raise Problem(
                "PORT_IN_USE" if error.errno == 98 else "CANNOT_LISTEN",
                f"cannot listen on {wanted.host}:{wanted.port}",
                why=str(error.strerror),
                fix=f"lambent up --port {wanted.port + 1}     or stop what listens there",
            ) from None


def _launch(environment: dict[str, str], stdout: int | IO[bytes], stderr: IO[bytes] | None) -> Any:
    # A session of its own: Ctrl-C in the terminal is for `up`, which passes it on as it should be.
    return subprocess.Popen(
        [sys.executable, "-m", local.MODULE],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


def _start_detached(wanted: Settings, environment: dict[str, str], out: Output) -> int:
    log = wanted.data_dir / local.LOG
    with log.open("ab") as file:
        offset = file.tell()
        process = _launch(environment, file, file)
    with out.progress() as progress:
        progress("starting")
        ready = _ready_in_log(process, log, offset)
    url = str(ready["url"])
    local.record(wanted.data_dir, process.pid, url)
    facts = {"started": True, "running": True, "url": url, "pid": process.pid, "log": str(log)}
    out.result({**facts, "server": ready}, [*_banner(ready), ("Log", str(log))])
    out.hints('eval "$(lambent env)"', "lambent init NAME --template sklearn", "lambent down")
    return 0


def _ready_in_log(process: subprocess.Popen[bytes], log: Path, offset: int) -> dict[str, Any]:
    """Wait for the ready line in the log, for the end of the process, or for too long."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        with log.open("rb") as file:
            file.seek(offset)
            text = file.read()
        for line in text.splitlines():
            if ready := _parse_ready(line):
                return ready
        if ended:
            raise _failed(text, process.returncode, log)
        # Wakes at once when the process ends; the log is looked at in between.
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    raise _too_slow(log)


def _parse_ready(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("event") == "ready" else None


def _failed(text: bytes, code: int, log: Path | None) -> Problem:
    """Why it ended: in the server's own words where it has some."""
    said = text.decode(errors="replace").strip()
    return _named(said) or Problem(
        "SERVER_FAILED",
        f"the server ended while starting (exit code {code})",
        why=said.splitlines()[-1] if said else "",
        fix=f"read {log}" if log else "read what it printed above",
    )


def _named(said: str) -> Problem | None:
    """The failure that `lambent.server` printed last as `error[CODE] message` and `  fix   …`."""
    found = list(re.finditer(r"^error\[(\w+)\] (.*)$", said, re.MULTILINE))
    if not found:
        return None
    code, message = found[-1].groups()
    fix = re.search(r"^  fix   (.*)$", said[found[-1].end() :], re.MULTILINE)
    return Problem(code, message, fix=fix[1] if fix else "")


def _too_slow(log: Path | None) -> Problem:
    return Problem(
        "SERVER_SLOW",
        f"the server was not ready after {READY_S:.0f} s",
        fix=f"read {log}" if log else "read what it printed above",
    )


def _run_foreground(wanted: Settings, environment: dict[str, str], out: Output) -> int:
    process = _launch(environment, subprocess.PIPE, None)
    asked = 0

    def stop(number: int, _frame: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            process.send_signal(signal.SIGTERM)
            if number == signal.SIGINT:
                print("\n  draining; Ctrl-C again stops at once", file=sys.stderr)
        else:
            process.kill()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ready = None
        for line in process.stdout:
            if ready is None and (ready := _parse_ready(line)):
                local.record(wanted.data_dir, process.pid, str(ready["url"]))
                facts = {"started": True, "running": True, "pid": process.pid}
                out.result({**facts, "url": ready["url"], "server": ready}, _banner(ready))
                sys.stdout.flush()
            else:
                sys.stderr.write(line.decode(errors="replace"))
        code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        local.forget(wanted.data_dir, process.pid)
        for number, handler in before.items():
            signal.signal(number, handler)
    if ready is None and not asked:
        raise _failed(b"", code, None)
    return 0 if asked else int(code != 0)


def _banner(ready: dict[str, Any]) -> list[tuple[str, str]]:
    """What the server said about itself, in UX.md's order."""
    lines = [("API", f'{ready["url"]}          eval "$(lambent env)"')]
    if isinstance(ready.get("console"), str):
        lines.append(("Console", ready["console"]))
    said = [f"{name.capitalize()}  {ready[name]}" for name in _BANNER if ready.get(name)]
    if said:
        label, _, text = said[0].partition("  ")
        lines.append((label, "    ".join([text, *said[1:]])))
    lines += [("Missing", str(item)) for item in ready.get("missing") or ()]
    return lines
