"""`lambent down`: ask the local server to drain and stop, and wait until it has."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import click

from lambent.cli import local
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import Problem


@click.command(cls=Verb)
@click.option("--kill", is_flag=True, help="Do not wait for running calls.")
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Of which server.")
@click.pass_obj
def command(options: Options, data_dir: Path | None, kill: bool, wait_s: float) -> None:  # noqa: FBT001  click passes by name
    """Stop the platform that runs in the background."""
    folder = data_dir or local.data_dir()
    out = Output(options)
    found = local.running(folder)
    if found is None:
        out.result({"stopped": False, "running": False}, [("server", "was not running")])
        return
    with out.progress() as progress:
        progress(f"waiting for pid {found.pid}")
        stopped = _stop(found.pid, signal.SIGKILL if kill else signal.SIGTERM, wait_s)
    if not stopped:
        raise Problem(
            "STILL_RUNNING",
            f"the server (pid {found.pid}) has not stopped after {wait_s:.0f} s",
            why="it waits for running calls",
            fix="lambent down --kill",
        )
    local.forget(folder, found.pid)
    out.result(
        {"stopped": True, "running": False, "pid": found.pid},
        [("server", f"stopped (pid {found.pid})")],
    )


def _stop(pid: int, how: signal.Signals, wait_s: float) -> bool:
    """Signal the process and wait for its end, through a descriptor that cannot mean another."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        signal.pidfd_send_signal(process, how)
        readable, _, _ = select.select([process], [], [], wait_s)
        return bool(readable)
    except ProcessLookupError:
        return True
    finally:
        os.close(process)
