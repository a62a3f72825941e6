"""`lambent version`."""

from __future__ import annotations

import platform

import click

import lambent
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output


@click.command(cls=Verb)
@click.pass_obj
def command(options: Options) -> None:
    """Print the version."""
    facts = {"version": lambent.__version__, "python": platform.python_version()}
    lines = [("lambent", facts["version"]), ("python", facts["python"])]
    Output(options).result(facts, lines)
