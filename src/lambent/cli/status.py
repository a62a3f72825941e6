"""`lambent status`: whether the local server runs, and where."""

from __future__ import annotations

from pathlib import Path

import click

from lambent.cli import local
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output


@click.command(cls=Verb)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Of which server.")
@click.pass_obj
def command(options: Options, data_dir: Path | None) -> int:
    """Say whether it runs, and where. Exit code 1 when it does not."""
    folder = data_dir or local.data_dir()
    found = local.running(folder)
    out = Output(options)
    if found is None:
        out.result({"running": False, "data_dir": str(folder)}, [("server", "not running")])
        out.hints("lambent up -d")
        return 1
    out.result(
        {"running": True, "url": found.url, "pid": found.pid, "data_dir": str(folder)},
        [("server", f"{found.url}  (pid {found.pid})"), ("data", str(folder))],
    )
    return 0
