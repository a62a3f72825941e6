"""`lambent cost`: what a function cost at AWS's prices, per month, and in other shapes.

The REPORT lines in its log say what was billed. Nothing is estimated but what is named so: the
month goes on like the time that was looked at, and `--what-if` says what it assumes of durations.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from lambent.cli import chosen, spending, table
from lambent.cli.moments import iso, since_ms
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output, Progress
from lambent.cli.report import Report, parse
from lambent.cli.spending import ASSUMPTIONS, Observed
from lambent.cost import prices as price_lists
from lambent.cost.billing import dollars
from lambent.delivery import log_events
from lambent.delivery.aws import Aws
from lambent.delivery.log_events import Span
from lambent.delivery.problem import Problem

_REPORTS = ("REPORT RequestId", "platform.report")


@click.command(cls=Verb)
@click.argument("function", required=False)
@click.option("--since", default="1d", show_default=True, help="From when: 1h, 7d, or a moment.")
@click.option(
    "--what-if",
    "changes",
    multiple=True,
    metavar="KEY=A,B",
    help="Other shapes: memory=512,1024 requests=1e6 architecture=arm64 ephemeral=1024.",
)
@click.option(
    "--assume",
    type=click.Choice(tuple(ASSUMPTIONS)),
    default="same",
    show_default=True,
    help="How a duration follows memory: not at all, or as CPU does.",
)
@click.option("--free-tier", is_flag=True, help="Take off what AWS gives each account per month.")
@click.pass_obj
def command(
    options: Options,
    function: str | None,
    since: str,
    changes: tuple[str, ...],
    assume: str,
    free_tier: bool,  # noqa: FBT001  click passes by name
) -> None:
    """Show what FUNCTION cost since then, and what a month like that costs."""
    wanted = spending.parse_changes(changes)
    begin_ms = since_ms(since)
    name = chosen.function(function, "lambent cost FUNCTION")
    aws = options.target()
    out = Output(options)
    with out.progress() as progress:
        observed = _observed(aws, name, begin_ms, progress)
    if not observed:
        raise Problem(
            "NOTHING_TO_PRICE",
            f"{name} was not called since {iso(begin_ms)}",
            why="its log has no REPORT line from then on",
            fix=f"lambent invoke {name}     or     lambent cost {name} --since 30d",
        )
    window_s = max(1, int(time.time()) - begin_ms // 1000)
    prices = price_lists.default()
    requests, monthly = spending.month(prices, observed, window_s, free_tier=free_tier)
    rows = (
        spending.what_if(prices, observed, requests, wanted, assume=assume, free_tier=free_tier)
        if wanted
        else []
    )
    total = spending.spent(prices, observed)
    facts: dict[str, Any] = {
        "function": name,
        "since": iso(begin_ms),
        "window_s": window_s,
        "requests": sum(one.requests for one in observed),
        "cold_starts": sum(one.cold_starts for one in observed),
        "billed_ms": sum(one.billed_ms for one in observed),
        "memory_mb": [one.shape.memory_mb for one in observed],
        "cost": spending.money(total),
        "month": {
            "assumption": f"every {window_s} s of 30 days are like those since {iso(begin_ms)}",
            "requests": requests,
            "cost": spending.money(monthly),
        },
        "what_if": [row.facts() for row in rows],
        "assumption": ASSUMPTIONS[assume] if wanted else None,
        "free_tier": free_tier,
        "prices": {"source": prices.source, "date": prices.date, "region": prices.region},
    }
    if out.as_json:
        out.result(facts, [])
        return
    out.result(facts, _lines(facts, observed))
    if rows:
        print()
        cells = [
            (
                row.label,
                f"{row.requests:,}",
                f"{row.billed_ms / max(1, row.requests):.1f} ms",
                f"{spending.gb_s(row.billed_ms, row.shape.memory_mb):,.2f}",
                dollars(row.cost.total),
            )
            for row in rows
        ]
        headings = ("WHAT IF", "REQUESTS", "BILLED EACH", "GB-S", "PER MONTH")
        table.show(out, headings, cells, right="lrrrr")
        out.note(f"assumed: {ASSUMPTIONS[assume]}")
    else:
        out.hints(f"lambent cost {name} --what-if memory=512,1024 --what-if requests=1e6")


def _observed(aws: Aws, name: str, begin_ms: int, progress: Progress) -> list[Observed]:
    configuration = aws.functions.get_function_configuration(FunctionName=name)
    span = Span(begin_ms, containing=_REPORTS)

    def reports() -> Iterator[Report]:
        for number, event in enumerate(log_events.events(aws, name, span)):
            if number % 1000 == 0:
                progress(f"reading REPORT lines: {number:,}")
            if report := parse(event.message):
                yield report

    return spending.gather(
        reports(),
        (configuration.get("Architectures") or ["x86_64"])[0],
        (configuration.get("EphemeralStorage") or {}).get("Size", 512),
    )


def _lines(facts: dict[str, Any], observed: list[Observed]) -> list[tuple[str, str]]:
    month = facts["month"]
    free = "after" if facts["free_tier"] else "without"
    seen = f"{facts['requests']:,} requests since {facts['since']}"
    seen += f", {facts['cold_starts']:,} cold, {facts['billed_ms']:,} ms billed"
    lines = [("seen", seen)]
    if len(observed) > 1:
        sizes = ", ".join(f"{one.shape.memory_mb} MB {one.requests:,}" for one in observed)
        lines.append(("memory", sizes))
    else:
        lines.append(("memory", f"{observed[0].shape.memory_mb} MB"))
    cost = facts["cost"]
    parts = f"requests {dollars(cost['requests_pico'])}, duration {dollars(cost['duration_pico'])}"
    if cost["ephemeral_pico"]:
        parts += f", /tmp {dollars(cost['ephemeral_pico'])}"
    goes_on = f"for {month['requests']:,} requests, if it goes on like this; {free} the free tier"
    lines += [
        ("cost", f"{cost['total']}  ({parts})"),
        ("month", f"{month['cost']['total']}  {goes_on}"),
        ("prices", f"{facts['prices']['region']}, {facts['prices']['date']}"),
    ]
    return lines
