"""Deleting functions, for `rm` and `fn rm`: say what goes, ask, delete."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from lambent.cli.options import Options
from lambent.cli.output import Output
from lambent.delivery import functions
from lambent.delivery.problem import FAILED, NEEDS_YES, Problem


def remove(options: Options, names: Sequence[str]) -> int:
    """Delete the functions, all of which must exist; the exit code."""
    aws = options.target()
    out = Output(options)
    held = [functions.holdings(aws, name) for name in dict.fromkeys(names)]
    if not options.yes and not _agreed(out, held):
        out.note("nothing was deleted")
        return FAILED
    with out.progress() as progress:
        for facts in held:
            progress(f"deleting {facts['function']}")
            functions.delete(aws, facts["function"])
    if out.as_json:
        out.result({"deleted": held}, [])
    else:
        out.result({}, [("deleted", _line(facts)) for facts in held])
    kept = ", ".join(str(facts["log_group"]) for facts in held)
    out.note(f"kept: the logs ({kept})" + (" and the roles" if aws.is_aws else ""))
    out.hints("lambent fn ls", "lambent deploy")
    return 0


def remove_stack(options: Options, name: str) -> int:
    """Delete the stack and everything in it; the exit code."""
    from lambent.delivery import stacks

    aws = options.target()
    out = Output(options)
    held = stacks.resources(aws, name)
    listed = ", ".join(f"{logical_id} ({kind})" for logical_id, kind in held)
    if not options.yes and not _confirmed(out, f"the stack {name}", [listed]):
        out.note("nothing was deleted")
        return FAILED
    with out.progress() as progress:
        progress(f"deleting the stack {name}")
        stacks.delete(aws, name)
    facts = {"deleted": [{"stack": name, "resources": [one for one, _ in held]}]}
    out.result(facts, [("deleted", f"{name}  ({len(held)} resources)")])
    out.note("kept: packages and templates in the bucket, and what the template retains")
    out.hints("lambent deploy")
    return 0


def _agreed(out: Output, held: Sequence[dict[str, object]]) -> bool:
    names = ", ".join(str(facts["function"]) for facts in held)
    return _confirmed(out, names, [_line(facts) for facts in held])


def _confirmed(out: Output, what: str, lines: Sequence[str]) -> bool:
    # Whoever cannot see the question or cannot answer it is not asked.
    if out.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Problem(
            "NEEDS_YES",
            f"this would delete {what}",
            why="there is no terminal to ask on",
            fix="the same with -y",
            exit_code=NEEDS_YES,
        )
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    return click.confirm(f"  Delete {what}?", err=True)


def _line(facts: dict[str, object]) -> str:
    versions, aliases = facts["versions"], facts["aliases"]
    assert isinstance(versions, list)
    assert isinstance(aliases, list)
    parts = [f"{len(versions)} version{'' if len(versions) == 1 else 's'}"]
    if aliases:
        parts.append(f"alias{'' if len(aliases) == 1 else 'es'} {', '.join(aliases)}")
    return f"{facts['function']}  ({', '.join(parts)})"
