"""`lambent dev`: what is saved is live, in a server that runs already or in one of its own.

It brings `$LATEST` of the project's functions live, follows their logs, and again after every save;
no version is published and no alias moved. `live/session.py` is the loop.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambent.cli import plans
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output

if TYPE_CHECKING:
    from lambent.cli.live.own_server import OwnServer
    from lambent.cli.live.screen import Screen
    from lambent.delivery.aws import Aws
    from lambent.delivery.template import FunctionPlan


@click.command(
    cls=Verb, epilog="--debug: run the functions under debugpy, for an editor to attach."
)
@click.argument("functions", nargs=-1)
@plans.plan_options
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of its own server (9000).")
@click.option("--debug-port", default=5678, show_default=True, help="Of the first function.")
@click.option("--poll", is_flag=True, help="Look at the files instead of waiting for the kernel.")
@click.pass_obj
def command(
    options: Options,
    /,
    functions: tuple[str, ...],
    port: int | None,
    debug_port: int,
    poll: bool,  # noqa: FBT001  click passes by name
    **flags: Any,
) -> int:
    """Make every save of FUNCTIONS (all by default) live at once, with their logs."""
    from lambent.cli.live import debugger, own_server
    from lambent.cli.live.bench import Bench
    from lambent.cli.live.screen import Screen
    from lambent.cli.live.session import Session
    from lambent.delivery import template
    from lambent.delivery.aws import Aws

    # Here the flag asks for the debugger, not for the traces of our own errors.
    debug, options.debug = options.debug, False
    out = Output(options)
    screen = Screen(out)
    url = own_server.running(options)
    known = Aws(url or "http://127.0.0.1:9000", options.profile, options.region)
    first = plans.planned(known, functions, flags)[1]  # before anything is started
    _only_zips(first)
    if url and debug:
        raise own_server.cannot_attach(url)
    if debug:
        debugger.entries(first[0])
    with ExitStack() as stack:
        own: OwnServer | None = None
        if url is None:
            with out.progress() as progress:
                progress("starting a server")
                own = own_server.start(options, port=port, debug=debug)
            stack.callback(_stop, own, screen)
            url = own.url
        aws = Aws(url, options.profile, options.region)
        if own is None:
            aws.functions.get_account_settings()  # an endpoint where nothing answers ends it here
        _say_server(screen, url, own, debug=debug)
        touched: dict[str, FunctionPlan] = {}

        def make_bench(plan: FunctionPlan) -> Bench:
            if not debug:
                return Bench(aws, plan)
            touched[plan.name] = plan
            at = debug_port + list(touched).index(plan.name)
            screen.event(
                "debug",
                {"function": plan.name, "port": at},
                "debug",
                f"{plan.name} listens on 127.0.0.1:{at} from its first call on: i, then attach",
            )
            return Bench(aws, debugger.wrapped(plan, at), debugger.entries(plan))

        stack.callback(_restore, aws, touched, screen)
        session = Session(
            screen,
            aws,
            lambda: plans.planned(aws, functions, flags)[1],
            make_bench,
            flags["file"] or template.find(Path()),
            own,
            polling=poll,
        )
        return session.run()


def _only_zips(found: list[FunctionPlan]) -> None:
    """A save must be live in milliseconds, which building an image is not."""
    from lambent.delivery.problem import USAGE, Problem

    if names := [plan.name for plan in found if plan.image is not None]:
        raise Problem(
            "DEV_NEEDS_ZIP",
            f"{names[0]} is a container image; dev makes saves of zip packages live",
            fix="lambent deploy     or name the functions that are zips: lambent dev NAME",
            exit_code=USAGE,
        )


def _say_server(screen: Screen, url: str, own: OwnServer | None, *, debug: bool) -> None:
    facts = {"url": url, "own": own is not None, "pid": own.process.pid if own else None}
    how = "its own, ends with dev" if own else "was running"
    screen.event("server", facts, "API", f"{url}  ({how})")
    if own is None:
        screen.out.note(
            "changes take as long as this server lets them be seen (state_delay_s, 0.3 s by "
            "default); without it, dev starts one that makes them instant"
        )
    elif debug:
        screen.out.note(
            "--debug: functions share this machine's network, so they reach everything that you do"
        )


def _restore(aws: Aws, touched: dict[str, FunctionPlan], screen: Screen) -> None:
    """Functions that ran under the debugger get their own handler back."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lambent.cli.live.bench import restore
    from lambent.delivery.problem import Problem

    for plan in touched.values():
        try:
            restore(aws, plan, lambda _: None)
        except (Problem, BotoCoreError, ClientError) as error:
            screen.out.note(f"{plan.name} still has the debugger in it: lambent deploy ({error})")


def _stop(own: OwnServer, screen: Screen) -> None:
    hurried = own.drain()
    screen.event("stopped", {"hurried": hurried}, "stopped", "the server has ended")
