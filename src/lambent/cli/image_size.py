"""`lambent image size`: what is in an image, largest first, against AWS's 10 GB."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lambent.cli import ecr
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.images import sizes


@click.command("size", cls=Verb)
@click.argument("image")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]))
@click.option("--registry", metavar="HOST", help="Stands for ECR in the name.")
@click.option("-n", "--most", default=15, show_default=True, help="How many places to show.")
@click.pass_obj
def size(
    options: Options, image: str, architecture: str | None, registry: str | None, most: int
) -> None:
    """Show what is in IMAGE, largest first, and how much each layer adds."""
    out = Output(options)
    with out.progress() as progress:
        progress(f"reading {image}")
        stands_for_ecr = ecr.registry(options, registry)
        found = sizes.measure(image, architecture or "", registry=stands_for_ecr, most=most)
    facts = {
        "digest": f"sha256:{found.digest}",
        "unpacked_bytes": found.unpacked,
        "limit_bytes": found.limit,
        "hidden_bytes": found.hidden,
        "compressed_bytes": sum(layer.compressed for layer in found.layers),
        "layers": [
            {
                "digest": f"sha256:{layer.digest}" if layer.digest else None,
                "made_by": layer.said,
                "bytes": layer.compressed,
                "unpacked_bytes": layer.unpacked,
                "files": layer.files,
            }
            for layer in found.layers
        ],
        "places": _named(found.places),
        "files": _named(found.files),
    }
    share = found.unpacked / found.limit
    lines = [("size", f"{_mb(found.unpacked)} unpacked, {share:.1%} of Lambda's 10 GB")]
    lines += [
        ("layer", f"{_mb(layer.unpacked):>10}  {layer.files:>6} files  {layer.said[:70]}")
        for layer in found.layers
    ]
    lines += [("place", f"{_mb(bytes_):>10}  /{path}") for path, bytes_ in found.places]
    if found.hidden:
        lines.append(("hidden", f"{_mb(found.hidden)} that upper layers delete or replace"))
    out.result(facts, lines)


def _named(found: Sequence[tuple[str, int]]) -> list[dict[str, str | int]]:
    return [{"path": f"/{path}", "bytes": size} for path, size in found]


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
