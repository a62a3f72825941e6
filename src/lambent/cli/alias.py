"""`lambent alias`: which version a name stands for, and who shares its calls."""

from __future__ import annotations

import click

from lambent.cli import table
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery import aliases
from lambent.delivery.problem import USAGE, Problem


@click.group("alias", cls=Family)
def command() -> None:
    """List aliases, point them at versions, split their calls."""


@command.command("ls", cls=Verb)
@click.argument("function")
@click.pass_obj
def ls(options: Options, function: str) -> None:
    """List FUNCTION's aliases."""
    found = aliases.listed(options.target(), function)
    out = Output(options)
    if out.as_json:
        out.result({"function": function, "aliases": [alias.facts() for alias in found]}, [])
        return
    if found:
        rows = [(alias.name, alias.shares(), alias.description) for alias in found]
        table.show(out, ("ALIAS", "VERSION", "DESCRIPTION"), rows)
    else:
        out.note(f"{function} has no alias")
    out.hints(f"lambent alias set {function} NAME VERSION")


@command.command("set", cls=Verb)
@click.argument("function")
@click.argument("name")
@click.argument("version", required=False)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="VERSION=PERCENT",
    help="Give another version this share of the calls.",
)
@click.option("--description", help="What it is for.")
@click.pass_obj
def set_(
    options: Options,
    function: str,
    name: str,
    version: str | None,
    weights: tuple[str, ...],
    description: str | None,
) -> None:
    """Point FUNCTION's alias NAME at VERSION (default: where it is), made when absent.

    Without --weight the alias's own version takes all calls.
    """
    shares = dict(_share(item) for item in weights)
    aws = options.target()
    existing = aliases.find(aws, function, name)
    if version is None and existing is None:
        raise Problem(
            "ALIAS_NOT_FOUND",
            f"{function} has no alias {name}",
            why="to make one, it must be said which version it is for",
            fix=f"lambent alias set {function} {name} VERSION",
        )
    target = version or (existing.version if existing else "")
    alias = aliases.put(
        aws, function, name, target, shares, description=description, existing=existing
    )
    out = Output(options)
    facts = {"function": function, **alias.facts(), "created": existing is None}
    facts["before"] = existing.facts() if existing else None
    was = f"  (was {existing.shares()})" if existing else "  (new)"
    out.result(facts, [("alias", f"{function}:{name} → {alias.shares()}{was}")])
    out.hints(f"lambent invoke {function} --qualifier {name}", f"lambent rollback {function}")


def _share(item: str) -> tuple[str, float]:
    """`4=10` or `4=10%`: version 4 takes ten percent."""
    version, _, percent = item.partition("=")
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not version or not 0 <= share <= 1:
        raise Problem(
            "USAGE",
            f"--weight {item}: not VERSION=PERCENT",
            fix="--weight 4=10     (ten percent of the calls to version 4)",
            exit_code=USAGE,
        )
    return version, round(share, 6)
