"""`lambent image run`: serves one image where people know it from AWS's emulator.

    POST http://localhost:9000/2015-03-31/functions/function/invocations

The image becomes a function of a server of its own, which ends with this verb: the same engine,
sandbox and limits as anywhere else, and the rest of the API beside it. The server's folder is kept
per port, so an image that was unpacked once starts at once.
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.cli.pairs import pairs
from lambent.delivery.images import reference, stored
from lambent.delivery.images.recipe import here
from lambent.delivery.problem import FAILED, Problem

if TYPE_CHECKING:
    from lambent.cli.live.own_server import OwnServer
    from lambent.delivery.aws import Aws
    from lambent.delivery.template import FunctionPlan

NAME: Final = "function"
PATH: Final = f"/2015-03-31/functions/{NAME}/invocations"
PORT: Final = 9000
MEMORY_MB: Final = 3008
TIMEOUT_S: Final = 300
"""Both as AWS's emulator has them."""


@click.command("run", cls=Verb)
@click.argument("image")
@click.argument("words", nargs=-1, metavar="[CMD]...")
@click.option("-p", "--port", type=click.IntRange(1, 65_535), default=PORT, show_default=True)
@click.option("-e", "--env", "variables", multiple=True, metavar="K=V", help="Its environment.")
@click.option("--memory", type=int, default=MEMORY_MB, show_default=True, metavar="MB")
@click.option("--timeout", type=int, default=TIMEOUT_S, show_default=True, metavar="SECONDS")
@click.option("--entrypoint", help="Instead of the image's; words as in a shell.")
@click.option("--workdir", help="Instead of the image's.")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]))
@click.pass_obj
def run(options: Options, /, image: str, words: tuple[str, ...], port: int, **flags: Any) -> int:
    """Serve IMAGE on localhost:9000 until Ctrl-C; CMD stands instead of the image's command."""
    from lambent.cli.live import own_server
    from lambent.delivery.aws import Aws

    out = Output(options)
    plan = _plan(image, words, flags)
    with ExitStack() as stack:
        with out.progress() as progress:
            progress("starting a server")
            folder = stored.cache() / "image-run" / str(port)
            own = own_server.start(options, port=port, debug=False, data_dir=folder)
            stack.callback(own.drain)
            if own.facts.get("sandbox") == "none":
                raise Problem(
                    "SANDBOX_UNAVAILABLE",
                    "an image needs a sandbox that isolates, which this machine does not give",
                    fix="lambent doctor",
                )
            aws = Aws(own.url, options.profile, options.region)
            digest = _bring(aws, plan, progress)
        _say(out, own, plan, digest)
        return _follow(out, aws, own)


def _plan(image: str, words: tuple[str, ...], flags: dict[str, Any]) -> FunctionPlan:
    from lambent.delivery.sam_images import ImagePlan
    from lambent.delivery.template import FunctionPlan

    config: dict[str, Any] = {}
    if flags["entrypoint"]:
        config["EntryPoint"] = shlex.split(flags["entrypoint"])
    if words:
        config["Command"] = list(words)
    if flags["workdir"]:
        config["WorkingDirectory"] = flags["workdir"]
    return FunctionPlan(
        NAME,
        Path(),
        "",
        "",
        memory_mb=flags["memory"],
        timeout_s=flags["timeout"],
        architecture=flags["architecture"] or here(),
        environment=pairs("-e", flags["variables"]),
        image=ImagePlan(uri=reference.uri(image), config=config),
    )


def _bring(aws: Aws, plan: FunctionPlan, progress: Any) -> str:
    """Make the function anew, whatever an earlier run has left; the image's digest."""
    from lambent.delivery import deploy
    from lambent.delivery.images.code import ImageCode

    assert plan.image is not None
    if deploy.find(aws.functions, NAME) is not None:
        aws.functions.delete_function(FunctionName=NAME)
    progress(f"unpacking {plan.image.uri}")
    latest = deploy.bring(aws, plan, ImageCode(plan.image.uri, ""), progress=progress)
    return str(latest.configuration["CodeSha256"])


def _say(out: Output, own: OwnServer, plan: FunctionPlan, digest: str) -> None:
    url = f"{own.url}{PATH}"
    facts = {"event": "ready", "url": url, "digest": f"sha256:{digest}", "pid": own.process.pid}
    if out.as_json:
        print(json.dumps(facts), flush=True)
        return
    assert plan.image is not None
    out.result({}, [("image", plan.image.uri), ("digest", f"sha256:{digest}"), ("serves", url)])
    out.hints(f"curl {url} -d '{{}}'", "Ctrl-C")
    sys.stdout.flush()


def _follow(out: Output, aws: Aws, own: OwnServer) -> int:
    """Show what the function logs until Ctrl-C, or until the server ends by itself."""
    from lambent.cli.live.tail import Tail

    def show(event: dict[str, Any]) -> None:
        text = str(event["message"]).rstrip("\n")
        line = json.dumps({"event": "log", **event}) if out.as_json else text
        print(line, flush=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    tail = Tail(aws, NAME, int(time.time() * 1000), show)
    tail.start()
    try:
        while not own.ended(3600):
            pass
    except KeyboardInterrupt:
        return 0
    finally:
        tail.stop()
    out.problem(
        Problem("SERVER_ENDED", "the server that image run started ended", fix=f"read {own.log}")
    )
    return FAILED
