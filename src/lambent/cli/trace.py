"""`lambent trace`: where the time of one request went.

`delivery/requests` finds it, `waterfall` makes phases of what is known; what nobody measured is said
to be so, and drawn as nothing.
"""

from __future__ import annotations

from typing import Any, Final

import click

from lambent.cli import segments, waterfall
from lambent.cli.moments import iso, since_ms
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.cli.platform_lines import is_error
from lambent.cli.request_lines import check_id, of_request
from lambent.cli.segments import Row
from lambent.cli.waterfall import SERVER, Phase
from lambent.delivery import requests

_WIDTH: Final = 40
_NAMES: Final = 40
"""Longer names of segments are cut."""
_COLOURS: Final = {"queue": "dim", "start": "yellow", "init": "yellow", "response": "dim"}


@click.command(cls=Verb)
@click.argument("request_id", metavar="ID")
@click.argument("function", required=False)
@click.option("--since", default="1d", show_default=True, help="How far back to look, on AWS.")
@click.pass_obj
def command(options: Options, request_id: str, function: str | None, since: str) -> None:
    """Show where the time of the request ID (or how it begins) went.

    FUNCTION is needed on AWS only.
    """
    wanted = check_id(request_id)
    found = requests.find(options.target(), wanted, function, since_ms(since))
    events = list(of_request(found.events, wanted))
    lines = waterfall.read(events)
    phases = waterfall.measured(found.offsets_ms) if found.offsets_ms else waterfall.from_log(lines)
    name = found.function or (found.group or "").removeprefix("/aws/lambda/")
    rows = segments.rows(found.segments)
    facts: dict[str, Any] = {
        "request_id": lines.request_id,
        "function": name,
        "version": found.version or lines.version,
        "group": found.group,
        "stream": found.stream,
        "started": iso(lines.started_ms) if lines.started_ms is not None else None,
        "status": lines.status,
        "cold": any(phase.name == "init" for phase in phases),
        "phases": [phase.facts() for phase in phases],
        "total_ms": waterfall.total_ms(phases),
        "not_measured": [phase.name for phase in phases if phase.duration_ms is None],
        "report": lines.report.facts() if lines.report else None,
        "segments": [row.facts() for row in rows],
        "errors": sum(is_error(event.message) for event in events),
        "events": [event._asdict() for event in events],
    }
    out = Output(options)
    if out.as_json:
        out.result(facts, [])
        return
    _show(out, facts, phases, "" if lines.report is None else lines.report.line())
    _show_segments(out, rows)
    out.hints(f"lambent logs {name} --request {lines.request_id[:8]}")


def _show(out: Output, facts: dict[str, Any], phases: list[Phase], report: str) -> None:
    version = f":{facts['version']}" if facts["version"] else ""
    how = [facts["status"], "cold start" if facts["cold"] else "warm"]
    if facts["errors"]:
        how.append(f"{facts['errors']} line{'' if facts['errors'] == 1 else 's'} of errors")
    head = f"{facts['function']}{version}  {', '.join(how)}"
    out.result({}, [("request", facts["request_id"]), ("function", head),
                    ("started", facts["started"] or "not in the log")])  # fmt: skip
    print()
    for phase in phases:
        label = out.style(phase.name.ljust(8), "cyan")
        if phase.duration_ms is None:
            print(f"  {label} {out.style('not measured'.rjust(12), 'dim')}")
            continue
        bar = out.style(
            waterfall.bar(phase, facts["total_ms"], _WIDTH), _COLOURS.get(phase.name, "green")
        )
        print(f"  {label} {f'{phase.duration_ms:,.2f} ms'.rjust(12)}  {bar}".rstrip())
    total = f"{facts['total_ms']:,.2f} ms".rjust(12)
    label = "known" if facts["not_measured"] else "total"
    print(f"  {out.style(label.ljust(8), 'bold')} {total}\n")
    if report:
        out.result({}, [("REPORT", report)])
    by_server = any(phase.source == SERVER for phase in phases)
    out.note(
        "measured by the server, from admission until the answer was with the connection; the "
        "network is not in it"
        if by_server
        else "from the log alone: durations are REPORT's, places are those of the lines, to the "
        "millisecond"
    )


def _show_segments(out: Output, rows: list[Row]) -> None:
    """What X-Ray would show of the trace."""
    if not rows:
        return
    whole = segments.end_ms(rows)
    names = [f"{'  ' * row.depth}{row.name}" for row in rows]
    width = min(max(map(len, names)), _NAMES)
    print()
    for row, name in zip(rows, names, strict=True):
        label = out.style(name[:width].ljust(width), "red" if row.failed else "cyan")
        if row.duration_ms is None:
            print(f"  {label} {out.style('in progress'.rjust(12), 'dim')}")
            continue
        bar = out.style(waterfall.bar(row.phase(), whole, _WIDTH), "red" if row.failed else "green")
        print(f"  {label} {f'{row.duration_ms:,.2f} ms'.rjust(12)}  {bar}".rstrip())
