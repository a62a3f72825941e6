"""`lambent audit`: who called the API, with what, and what came of it."""

from __future__ import annotations

from typing import Any

import click

from lambent.cli import table
from lambent.cli.moments import since_ms
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery import own_pages


@click.command(cls=Verb)
@click.argument("function", required=False)
@click.option("--since", default="1d", show_default=True, help="How far back, or since when.")
@click.option("--event", help="Only this operation, such as CreateFunction.")
@click.option("--request", "request_id", help="Only the request whose id begins so.")
@click.option("--errors", is_flag=True, help="Only what was refused or failed.")
@click.option("-n", "--limit", default=100, show_default=True, help="At most the newest N.")
@click.pass_obj
def command(
    options: Options,
    function: str | None,
    since: str,
    event: str | None,
    request_id: str | None,
    errors: bool,  # noqa: FBT001
    limit: int,
) -> None:
    """Show the audit trail (of FUNCTION: calls to it, and by it).

    Whole records, like CloudTrail's, with --json.
    """
    query: list[tuple[str, object]] = [("since", since_ms(since)), ("limit", limit)]
    given = {"function": function, "event": event, "request": request_id}
    query += [(name, value) for name, value in given.items() if value]
    if errors:
        query.append(("errors", 1))
    records = own_pages.ask(options.target(), "audit", query)
    out = Output(options)
    if out.as_json:
        out.result({"records": records}, [])
        return
    if not records:
        out.note("no such calls were recorded; the setting audit says which calls are")
        return
    table.show(out, ("TIME", "WHO", "CALL", "RESOURCE", "RESULT"), [_row(one) for one in records])
    if any("decision" in one for one in records):
        out.hints("lambent audit --errors --json", "lambent iam explain PRINCIPAL ACTION RESOURCE")


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    who = record["userIdentity"]
    name = str(who.get("arn") or who.get("accessKeyId") or "").split(":")[-1]
    resource = record["resources"][0]["ARN"].split(":", 5)[-1]
    result = record.get("errorCode", "ok")
    if decision := record.get("decision"):
        which = " ".join(filter(None, (decision["policy"], decision["sid"])))
        result = f"{result}: {decision['why']}{f' ({which})' if which else ''}"
    return record["eventTime"], name or who["type"], record["eventName"], resource, result
