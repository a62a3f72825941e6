"""`lambent rm`: delete the project's functions, or those that are named."""

from __future__ import annotations

import click

from lambent.cli import chosen
from lambent.cli.options import Options, Verb
from lambent.cli.removal import remove, remove_stack


@click.command(cls=Verb)
@click.argument("functions", nargs=-1)
@click.pass_obj
def command(options: Options, functions: tuple[str, ...]) -> int:
    """Delete FUNCTIONS, or all of template.yaml, with their versions and aliases.

    A project that was deployed as a stack goes as one, with everything in it.

    Asks first; where it cannot ask, -y says yes.
    """
    if functions:
        return remove(options, functions)
    from lambent.delivery import ways

    project = chosen.project("lambent rm FUNCTION")
    if ways.by_stack(options.target(), project, ()):
        return remove_stack(options, project.stack)
    return remove(options, tuple(plan.name for plan in project.functions))
