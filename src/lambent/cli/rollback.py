"""`lambent rollback`: the alias goes back to the version before.

A project that is a stack goes back to its template before (`stacked`), unless a function is named.
A canary is ended: all calls go to the version that the alias is on. Otherwise the alias moves to
the version that was published before its own, or to the one that `--to` names.
"""

from __future__ import annotations

import click

from lambent.cli import chosen
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery import aliases


@click.command(cls=Verb)
@click.argument("function", required=False)
@click.option("--alias", "name", help="Which alias; the template's, or production.")
@click.option("--to", "version", metavar="VERSION", help="This version, and not the one before.")
@click.pass_obj
def command(options: Options, function: str | None, name: str | None, version: str | None) -> None:
    """Move FUNCTION's alias back to the version before; without a name, template.yaml's.

    A project that is deployed as a stack goes back to the template before, when nothing is named.
    """
    aws = options.target()
    if function is None:
        from lambent.cli import stacked  # with all of packaging, which a named function needs not
        from lambent.delivery import ways

        project = chosen.project("lambent rollback FUNCTION")
        if ways.by_stack(aws, project, ()) and not (name or version):
            stacked.rollback_stack(options, aws, project)
            return
        plan = project.functions[0]
        function, name = plan.name, name or plan.alias
    was = aliases.get(aws, function, name or "production")
    if version is None:
        version = aliases.before(aws, was)
    else:
        aliases.check_version(aws, function, version)
    now = aliases.put(aws, function, was.name, version, {}, existing=was)
    out = Output(options)
    facts = {
        "function": function,
        "alias": was.name,
        "from": was.version,
        "to": now.version,
        "weights_before": dict(was.weights),
        "weights": dict(now.weights),
        "changed": was != now,
    }
    what = "  (it was there already)" if was == now else ""
    out.result(facts, [("alias", f"{function}:{was.name}  {was.shares()} → {now.shares()}{what}")])
    hints = [f"lambent invoke {function} --qualifier {was.name}"]
    if was.version != now.version:
        hints.append(f"lambent rollback {function} --to {was.version}")
    out.hints(*hints)
