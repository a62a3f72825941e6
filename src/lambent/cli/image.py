"""`lambent image`: container images without Docker. One file per verb; this one lists them."""

from __future__ import annotations

import click

from lambent.cli import image_build, image_push, image_run, image_size
from lambent.cli.options import Family


@click.group("image", cls=Family)
def command() -> None:
    """Build, push, measure and serve container images."""


command.add_command(image_build.build)
command.add_command(image_push.push)
command.add_command(image_run.run)
command.add_command(image_size.size)
