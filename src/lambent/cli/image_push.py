"""`lambent image push`: an image to a registry, from where functions here and on AWS can name it."""

from __future__ import annotations

import click

from lambent.cli import ecr
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.images.push import push as send


@click.command("push", cls=Verb)
@click.argument("image")
@click.argument("target", metavar="HOST/NAME:TAG")
@click.option("--registry", metavar="HOST", help="Where ECR's names are sent instead.")
@click.pass_obj
def push(options: Options, image: str, target: str, registry: str | None) -> None:
    """Send IMAGE, a layout folder or an archive, to a registry.

    Names of the form <account>.dkr.ecr.<region>.amazonaws.com/NAME go to the registry that the
    setting image_registry names, unless --aws is given.
    """
    out = Output(options)
    with out.progress() as progress:
        progress(f"sending {image}")
        sent = send(image, target, registry=ecr.registry(options, registry))
    found = {"image": sent.uri, "sent_to": sent.sent_to, "digest": f"sha256:{sent.digest}"}
    lines = [("image", sent.uri), ("digest", f"sha256:{sent.digest}")]
    if sent.sent_to != sent.uri:
        lines.insert(1, ("sent to", sent.sent_to))
    out.result({**found, "pinned": sent.pinned}, lines)
    out.hints(f"aws lambda create-function --package-type Image --code ImageUri={sent.uri} …")
