"""`lambent logs`: a function's log lines, all of them or those that matter.

Where they come from is `delivery/log_events`. One JSON object per line when piped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

import click

from lambent.cli import chosen
from lambent.cli.moments import clock, since_ms
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.cli.platform_lines import is_error
from lambent.cli.request_lines import check_id, of_request
from lambent.delivery import log_events
from lambent.delivery.log_events import Event, Span
from lambent.delivery.problem import USAGE, Problem


@click.command(cls=Verb)
@click.argument("function", required=False)
@click.option("-f", "--follow", is_flag=True, help="Keep showing new lines.")
@click.option(
    "--since", help="How far back: 30s, 10m, 2h, 1d, or a moment (1h; with --request 1d)."
)
@click.option("--errors", is_flag=True, help="Only what tells of a failure.")
@click.option("--grep", metavar="PATTERN", help="Only lines that this regular expression matches.")
@click.option("--request", metavar="ID", help="Only the lines of one request.")
@click.pass_obj
def command(
    options: Options,
    function: str | None,
    since: str | None,
    grep: str | None,
    request: str | None,
    follow: bool,  # noqa: FBT001  click passes by name
    errors: bool,  # noqa: FBT001  the same
) -> None:
    """Show FUNCTION's log lines; without a name, those of the function in template.yaml."""
    pattern = _pattern(grep)
    request = check_id(request) if request else None
    reach = since or ("1d" if request else "1h")
    begin_ms = since_ms(reach)
    name = chosen.function(function, "lambent logs FUNCTION")
    found: Iterable[Event] = log_events.events(
        options.target(), name, Span(begin_ms), follow=follow
    )
    if request:
        found = of_request(found, request)
    if errors:
        found = (event for event in found if is_error(event.message))
    if pattern:
        found = _matching(found, pattern)
    out = Output(options)
    shown = 0
    for event in found:
        shown += 1
        _show(out, event, flush=follow)
    if not shown and not out.as_json:
        narrowed = " that are asked for" if request or errors or pattern else ""
        out.note(f"no lines of {name}{narrowed} since {reach}{'' if since else ' ago'}")
        out.hints(f"lambent invoke {name}", f"lambent logs {name} --since 1w")


def _pattern(grep: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(grep) if grep else None
    except re.error as error:
        raise Problem(
            "PATTERN_INVALID",
            f"--grep {grep}: {error}",
            why="it is a regular expression, as Python has them",
            fix="a backslash before each of . * + ? ( ) [ ] { } that means itself",
            exit_code=USAGE,
        ) from None


def _matching(events: Iterable[Event], pattern: re.Pattern[str]) -> Iterator[Event]:
    return (event for event in events if pattern.search(event.message))


def _show(out: Output, event: Event, *, flush: bool) -> None:
    """`flush`: whoever follows through a pipe wants to see each line as it comes."""
    if out.as_json:
        print(json.dumps(event._asdict(), ensure_ascii=False), flush=flush)
        return
    text = event.message.rstrip()
    if is_error(text):
        text = out.style(text, "red")
    print(f"{out.style(clock(event.time), 'dim')}  {text}", flush=flush)
