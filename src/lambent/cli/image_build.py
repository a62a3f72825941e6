"""`lambent image build`: an OCI image of a folder, without Docker and without root."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Any

import click

from lambent.cli import ecr
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.cli.pairs import pairs
from lambent.delivery import ignore, variant_image, variants
from lambent.delivery.images import build as builder
from lambent.delivery.images import dockerfile, recipe, reference
from lambent.delivery.images.build import Built
from lambent.delivery.images.code import OUTPUT
from lambent.delivery.images.recipe import Recipe
from lambent.delivery.problem import USAGE, Problem


@click.command("build", cls=Verb)
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@click.option(
    "-o", "--output", "to", type=click.Path(path_type=Path), help="Layout folder to write."
)
@click.option("-t", "--tag", default="latest", show_default=True, help="What it is called there.")
@click.option(
    "--base",
    help="A layout folder, an archive, HOST/NAME:TAG, or machine[:3.12]: this machine's own Python "
    "(the default).",
)
@click.option("-r", "--requirements", type=click.Path(path_type=Path), help="A requirements file.")
@click.option("-f", "--file", "docker", type=click.Path(path_type=Path), help="A Dockerfile.")
@click.option(
    "--variant",
    type=click.Choice(("slim", "tabular", "standard")),
    help="The inference server in one of its sizes, with the folder's models/.",
)
@click.option("--build-arg", "arguments", multiple=True, metavar="K=V", help="Of the Dockerfile.")
@click.option("--cmd", "command", help="Such as app.handler; words as in a shell.")
@click.option("--entrypoint", help="What is started, instead of the runtime client.")
@click.option("--workdir", help="Where it runs (/var/task).")
@click.option("-e", "--env", "variables", multiple=True, metavar="K=V", help="Its environment.")
@click.option("--label", "labels", multiple=True, metavar="K=V")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]))
@click.option("--registry", metavar="HOST", help="Stands for ECR in the base's name.")
@click.option("--allow-source", multiple=True, metavar="PACKAGE", help="Build it; it has no wheel.")
@click.option("--no-client", is_flag=True, help="Do not add awslambdaric.")
@click.option("--no-bytecode", is_flag=True, help="Install sources only.")
@click.option("--fresh", is_flag=True, help="Install dependencies again.")
@click.pass_obj
def build(options: Options, /, folder: Path, to: Path | None, tag: str, **flags: Any) -> None:
    """Make an image of FOLDER: its packages, its data, its code, each a layer, on a base."""
    out = Output(options)
    target = _target(folder, to)
    with out.progress() as progress:
        progress(f"reading {folder}")
        with tempfile.TemporaryDirectory(prefix="lambent-variant-") as scratch:
            flags["registry"] = ecr.registry(options, flags["registry"])
            wanted = _recipe(folder, flags, Path(scratch))
            built = builder.build(wanted, target, tag, progress)
    for note in built.notes:
        out.note(note)
    out.result(facts(built), lines(built))
    out.hints(f"lambent image run {built.uri}", f"lambent image size {built.uri}")


def facts(built: Built) -> dict[str, Any]:
    return {
        "image": built.uri,
        "digest": built.digest,
        "bytes": built.size,
        "layers": [
            {
                "digest": f"sha256:{layer.digest}",
                "made_by": layer.said,
                "bytes": layer.size,
                "unpacked_bytes": layer.unpacked,
                "base": layer.base,
            }
            for layer in built.layers
        ],
        "notes": list(built.notes),
    }


def lines(built: Built) -> list[tuple[str, str]]:
    base = [layer for layer in built.layers if layer.base]
    own = [layer for layer in built.layers if not layer.base]
    shown = [
        (
            "base",
            f"{len(base)} layer{'s' if len(base) != 1 else ''}, {sum(each.size for each in base) / 1e6:.1f} MB",
        )
    ]
    shown += [("layer", f"{layer.said}  {layer.size / 1e6:.2f} MB") for layer in own]
    return [*shown, ("digest", built.digest), ("image", built.uri)]


def _target(folder: Path, to: Path | None) -> Path:
    """Where the layout goes; not where the next build would take it for the function's code."""
    if to is None:
        return folder / OUTPUT
    top, place = folder.resolve(), to.resolve()
    if place.is_relative_to(top):
        names = place.relative_to(top).parts
        rules = ignore.read(folder)
        parts = ["/".join(names[: at + 1]) for at in range(len(names))]
        if not any(rules.excludes(part, folder=True) for part in parts):
            raise Problem(
                "USAGE",
                f"{to} lies in the folder that the image is made of",
                fix="-o elsewhere, or exclude it in .lambentignore",
                exit_code=USAGE,
            )
    return to


def _recipe(folder: Path, flags: dict[str, Any], scratch: Path) -> Recipe:
    given: dict[str, Any] = {
        "environment": pairs("-e", flags["variables"]),
        "labels": pairs("--label", flags["labels"]),
        "working_directory": flags["workdir"],
        "entry_point": _words(flags["entrypoint"]),
        "command": _words(flags["command"]),
        "architecture": flags["architecture"] or "",
        "registry": flags["registry"],
        "client": not flags["no_client"],
        "bytecode": not flags["no_bytecode"],
        "fresh": flags["fresh"],
    }
    if flags["docker"] is not None:
        if flags["requirements"] or flags["base"] or flags["variant"]:
            raise Problem(
                "USAGE",
                "a Dockerfile names its base and its packages itself",
                fix="leave out --base, --requirements and --variant, or leave out -f",
                exit_code=USAGE,
            )
        arguments = pairs("--build-arg", flags["arguments"])
        read = dockerfile.read(flags["docker"], folder, arguments)
        return dockerfile.over(read, _said(given))
    base = flags["base"] or recipe.MACHINE
    if base.partition(":")[0] not in {recipe.MACHINE, recipe.SCRATCH}:
        base = reference.uri(base)
    if flags["variant"]:
        return _variant(folder, flags, scratch, base, given)
    steps = recipe.from_folder(
        folder,
        requirements=flags["requirements"],
        allow_source=flags["allow_source"],
        to=flags["workdir"] or recipe.TASK_ROOT,
    )
    return Recipe(base=base, steps=steps, **given)


def _said(given: dict[str, Any]) -> dict[str, Any]:
    """What flags have said; an entry point of no words is one."""
    return {key: item for key, item in given.items() if item not in (None, "", {})}


def _variant(
    folder: Path, flags: dict[str, Any], scratch: Path, base: str, given: dict[str, Any]
) -> Recipe:
    refused = [name for name in ("requirements", "command", "entrypoint", "workdir") if flags[name]]
    if refused:
        raise Problem(
            "USAGE",
            "a variant brings its own packages and handler",
            fix="lambent image build FOLDER --variant NAME, with models in FOLDER/models",
            exit_code=USAGE,
        )
    found = variant_image.of(variants.named(flags["variant"]), folder, scratch)
    own = {
        "environment": {**found.environment, **given["environment"]},
        "command": found.command,
    }
    return Recipe(base=base, steps=found.steps, **{**given, **own})


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(shlex.split(text))
