"""`lambent fn`: the functions that are there."""

from __future__ import annotations

from typing import Any

import click

from lambent.cli import table
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.cli.removal import remove
from lambent.delivery import functions


@click.group("fn", cls=Family)
def command() -> None:
    """List, show and delete functions."""


@command.command("ls", cls=Verb)
@click.pass_obj
def ls(options: Options) -> None:
    """List all functions."""
    found = functions.listed(options.target())
    out = Output(options)
    if out.as_json:
        out.result({"functions": found}, [])
        return
    if not found:
        out.note("there is no function yet")
        out.hints("lambent init NAME", "lambent deploy")
        return
    rows = [
        (
            facts["function"],
            facts["runtime"] or "image",
            f"{facts['memory_mb']} MB",
            f"{facts['timeout_s']} s",
            f"{facts['code_bytes'] / 1e6:.1f} MB",
            _minute(facts["last_modified"]),
        )
        for facts in found
    ]
    headings = ("FUNCTION", "RUNTIME", "MEMORY", "TIMEOUT", "CODE", "MODIFIED")
    table.show(out, headings, rows, right="llrrrl")
    out.hints(f"lambent fn show {found[0]['function']}", f"lambent invoke {found[0]['function']}")


@command.command("show", cls=Verb)
@click.argument("function")
@click.pass_obj
def show(options: Options, function: str) -> None:
    """Show everything about FUNCTION but its variables' values."""
    facts = functions.described(options.target(), function)
    out = Output(options)
    out.result(facts, _lines(facts))
    out.hints(f"lambent invoke {facts['function']}", f"lambent logs {facts['function']} -f")


@command.command("rm", cls=Verb)
@click.argument("functions_", metavar="FUNCTIONS...", nargs=-1, required=True)
@click.pass_obj
def rm(options: Options, functions_: tuple[str, ...]) -> int:
    """Delete FUNCTIONS with their versions and aliases."""
    return remove(options, functions_)


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    code = f"{facts['code_bytes'] / 1e6:.1f} MB  sha256 {facts['code_sha256']}"
    limits = f"{facts['memory_mb']} MB, {facts['timeout_s']} s, /tmp {facts['ephemeral_mb']} MB"
    if facts["reserved_concurrency"] is not None:
        limits += f", {facts['reserved_concurrency']} at a time"
    state = " ".join(str(facts[key]) for key in ("state", "state_reason") if facts[key])
    lines = [
        ("function", facts["function"]),
        ("arn", facts["arn"]),
        ("about", facts["description"]),
        ("runtime", f"{facts['runtime']}  {facts['handler']}  {facts['architecture']}"),
        ("limits", limits),
        ("code", code),
        ("state", state),
        ("changed", _minute(facts["last_modified"])),
        ("role", facts["role"]),
        ("logs", f"{facts['log_group']}  {facts['log_format']}"),
        ("layers", ", ".join(facts["layers"])),
        ("env", ", ".join(facts["environment"])),
        ("tags", ", ".join(f"{key}={value}" for key, value in facts["tags"].items())),
        ("versions", ", ".join(str(v["version"]) for v in facts["versions"])),
    ]
    for alias in facts["aliases"]:
        shares = ", ".join(f"{v} {w * 100:.4g} %" for v, w in alias["weights"].items())
        one = len(alias["weights"]) == 1
        lines.append(("alias", f"{alias['name']} → {alias['version'] if one else shares}"))
    return [(label, text) for label, text in lines if text]


def _minute(moment: str) -> str:
    """`2026-11-21T02:06:09.000+0000` as `2026-11-21 02:06 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment.endswith(("+0000", "Z")) else moment
