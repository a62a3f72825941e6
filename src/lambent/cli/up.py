"""`lambent up`: runs the server, in the foreground with its banner or in the background.

The server is `python -m lambent.server` with `LAMBENT_*` settings; it prints one JSON line when it
serves. Ctrl-C asks it to drain, a second one stops it at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambent.cli import local
from lambent.cli.launching import check_port, failed, launch, parse_ready, ready_in_log
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import Problem

if TYPE_CHECKING:
    from lambent.settings import Settings

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
    check_port(wanted)
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


def _start_detached(wanted: Settings, environment: dict[str, str], out: Output) -> int:
    log = wanted.data_dir / local.LOG
    with log.open("ab") as file:
        offset = file.tell()
        process = launch(environment, file, file)
    with out.progress() as progress:
        progress("starting")
        ready = ready_in_log(process, log, offset)
    url = str(ready["url"])
    local.record(wanted.data_dir, process.pid, url)
    facts = {"started": True, "running": True, "url": url, "pid": process.pid, "log": str(log)}
    out.result({**facts, "server": ready}, [*_banner(ready), ("Log", str(log))])
    out.hints('eval "$(lambent env)"', "lambent init NAME --template sklearn", "lambent down")
    return 0


def _run_foreground(wanted: Settings, environment: dict[str, str], out: Output) -> int:
    process = launch(environment, subprocess.PIPE, None)
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
            if ready is None and (ready := parse_ready(line)):
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
        raise failed(b"", code, None)
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
