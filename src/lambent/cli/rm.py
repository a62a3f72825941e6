"""`lambent rm`: delete the project's functions, or those that are named."""

from __future__ import annotations

import click

from lambent.cli import chosen
from lambent.cli.options import Options, Verb
from lambent.cli.removal import remove


@click.command(cls=Verb)
@click.argument("functions", nargs=-1)
@click.pass_obj
def command(options: Options, functions: tuple[str, ...]) -> int:
    """Delete FUNCTIONS, or all of template.yaml, with their versions and aliases.

    Asks first; where it cannot ask, -y says yes.
    """
    names = functions or tuple(plan.name for plan in chosen.plans("lambent rm FUNCTION"))
    return remove(options, names)
