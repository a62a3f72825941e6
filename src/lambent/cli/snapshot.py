"""`lambent snapshot`: the snapshots that a server holds, and what they cost in memory."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

import click

from lambent.cli import table
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery import log_events
from lambent.delivery.aws import Aws
from lambent.delivery.problem import USAGE, Problem

_ASK_S = 60


@click.group("snapshot", cls=Family)
def command() -> None:
    """Show the snapshots that environments are restored from."""


@command.command("show", cls=Verb)
@click.argument("function", required=False)
@click.pass_obj
def show(options: Options, function: str | None) -> None:
    """Show snapshots (of FUNCTION), their environments and their memory.

    Private is what the environments have written themselves, shared what they have in common with
    their snapshot, total what the machine would have back without them (PSS).
    """
    facts = _asked(options.target())
    if function:
        facts = {k: [one for one in v if one["function"] == function] for k, v in facts.items()}
    out = Output(options)
    if out.as_json:
        out.result(facts, [])
        return
    if not facts["snapshots"] and not facts["standby"]:
        out.note("no version has a snapshot now; SnapStart makes one when a version is published")
        return
    _print(out, facts)


def _print(out: Output, facts: dict[str, Any]) -> None:
    rows = [
        (
            f"{one['function']}:{one['version']}",
            str(one["environments"]),
            _mb(one["private_kb"]),
            _mb(one["shared_kb"]),
            _mb(one["total_kb"]),
        )
        for one in facts["snapshots"]
    ]
    if rows:
        headings = ("VERSION", "ENVIRONMENTS", "PRIVATE", "SHARED", "TOTAL")
        table.show(out, headings, rows, right="lrrrr")
    for one in facts["standby"]:
        out.note(f"{one['function']}:{one['version']} is started, not restored: {one['why']}")


def _mb(kilobytes: int) -> str:
    return f"{kilobytes / 1024:,.1f} MB"


def _asked(aws: Aws) -> dict[str, Any]:
    if aws.is_aws:
        raise Problem(
            "NOT_ON_AWS",
            "AWS does not show what its snapshots take",
            fix="leave --aws away to ask a lambent server",
            exit_code=USAGE,
        )
    try:
        with log_events.ask(aws, "/_lambent/snapshots", _ASK_S) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise log_events.refused(error, "snapshots cannot be shown", "lambent doctor") from None
    return found
