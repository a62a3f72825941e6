"""`lambent config show [SETTING …] [--origin]`: what holds here, and which source decided it.

It reads what `lambent up` would read from this folder: flags are not among it, because a flag holds
for the one command that it is given to. Secrets are masked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem

MASK: Final = "••••"
_KINDS: Final = {"environment": "variable", "project": "project file", "user": "user file"}


@click.group(cls=Family, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the settings of a server that is started here."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@command.command(cls=Verb)
@click.argument("settings", nargs=-1, metavar="[SETTING]…")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@click.pass_obj
def show(options: Options, settings: tuple[str, ...] = (), origin: bool = False) -> None:  # noqa: FBT001, FBT002  click passes by name
    """Show every SETTING, or those that are named."""
    from lambent import settings as machinery
    from lambent.cli import project

    flags = {"region": options.region} if options.region else None
    loaded = machinery.load_with_origins(flags, project=project.settings_file())
    names = _known(settings, tuple(loaded.origins))
    facts = {
        name: {
            "value": _shown(name, getattr(loaded.settings, name), machinery.SECRET),
            "origin": loaded.origins[name].kind,
            "where": loaded.origins[name].where,
        }
        for name in names
    }
    out = Output(options)
    if out.as_json:
        out.result({"settings": facts}, [])
        return
    texts = {name: _text(fact["value"]) for name, fact in facts.items()}
    widths = max(map(len, texts)), max(map(len, texts.values()))
    for name, fact in facts.items():
        line = f"  {out.style(name.ljust(widths[0]), 'cyan')}  {texts[name].ljust(widths[1])}"
        if origin:
            kind = str(fact["origin"])
            said = " ".join(filter(None, (_KINDS.get(kind, kind), fact["where"])))
            line += "  " + out.style(said, "dim" if kind == "default" else "green")
        print(line.rstrip())
    if not origin:
        out.hints("lambent config show --origin")


def _known(wanted: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.lower().removeprefix("lambent_").replace("-", "_") for name in wanted)
    for given, name in zip(wanted, names, strict=True):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise Problem(
                "SETTING_UNKNOWN",
                f"there is no setting '{given}'",
                fix=f"lambent config show {near[0]}" if near else "settings: " + ", ".join(known),
                exit_code=USAGE,
            )
    return names or known


def _shown(name: str, value: Any, secret: frozenset[str]) -> Any:
    """The value as JSON can hold it, without what nobody should read over a shoulder."""
    if name in secret and isinstance(value, Mapping):
        return dict.fromkeys(value, MASK)
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
