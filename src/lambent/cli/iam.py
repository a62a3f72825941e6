"""`lambent iam`: what policies say, and the least that a function needs."""

from __future__ import annotations

import json

import click

from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.delivery import own_pages


@click.group("iam", cls=Family)
def command() -> None:
    """Explain a decision, and write the least policy for a function."""


@command.command("explain", cls=Verb)
@click.argument("principal")
@click.argument("action")
@click.argument("resource", default="*")
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="A condition key's value.")
@click.pass_obj
def explain(
    options: Options, principal: str, action: str, resource: str, context: tuple[str, ...]
) -> int:
    """Say whether PRINCIPAL may do ACTION on RESOURCE, and which statement says so.

    PRINCIPAL is user/NAME, role/NAME or an ARN; RESOURCE an ARN or a function's name. Exit code 1
    for a no.
    """
    query = [("principal", principal), ("action", action), ("resource", resource)]
    query += [("context", pair) for pair in context]
    found = own_pages.ask(options.target(), "explain", query)[0]
    which = " ".join(filter(None, (found["policy"], found["sid"])))
    lines = [
        ("who", found["principal"]),
        ("does", f"{found['action']} on {found['resource']}"),
        ("answer", "allowed" if found["allowed"] else "denied"),
        ("why", f"{found['why']}{f', in {which}' if which else ''}"),
    ]
    Output(options).result(found, lines)
    return 0 if found["allowed"] else 1


@command.command("policy-for", cls=Verb)
@click.argument("function")
@click.pass_obj
def policy_for(options: Options, function: str) -> None:
    """Print the least policy for what FUNCTION was seen to call.

    Calls to this server are taken from the audit trail; calls to other AWS services from what the
    function's traces tell (TracingConfig Active, with the X-Ray SDK or Powertools' tracer). Exercise
    the function first.
    """
    found = own_pages.ask(options.target(), "policy", [("function", function)])[0]
    out = Output(options)
    if out.as_json:
        out.result(found, [])
        return
    if not found["calls"] and not found["told"]:
        out.note(
            f"{function} was not seen to call this server; with auth = any, set audit = all to "
            "record invokes too; with tracing, its calls to other services are known"
        )
        return
    print(json.dumps(found["policy"], indent=2))
    out.note(f"from {found['calls']} recorded calls; allowed ones and refused ones alike")
    if found["told"]:
        out.note("Told… is the word of the function's own traces, which nobody checked: read it")
