"""`lambent model`: packages of models in registries (a folder or a bucket)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click

from lambent.cli import table
from lambent.cli.compile import compile_
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.cli.variant import variant
from lambent.delivery import models
from lambent.delivery.problem import NEEDS_YES, USAGE, Problem

REGISTRY = "LAMBENT_MODEL_REGISTRY"


@click.group("model", cls=Family)
def command() -> None:
    """Compile, push, list, show, remove and import model packages."""


command.add_command(compile_)
command.add_command(variant)


def _registry(given: str | None) -> str:
    """The flag, or the environment's."""
    if found := given or os.environ.get(REGISTRY):
        return found
    raise Problem(
        "USAGE",
        "no registry is named",
        fix=f"--registry file:///path or s3://bucket/prefix, or export {REGISTRY}=…",
        exit_code=USAGE,
    )


_registry_option = click.option(
    "--registry", metavar="URI", help=f"file:// or s3:// (default: ${REGISTRY})."
)


def _ask(options: Options, *arguments: str) -> Mapping[str, Any]:
    return models.run(arguments, endpoint_url=options.endpoint_url)


@command.command("push", cls=Verb)
@click.argument("source", type=click.Path(exists=True))
@_registry_option
@click.option("--id", "model", help="Name of the model, if model.json does not say it.")
@click.option("--version", help="Its version.")
@click.option("--task", help="For example object-detection, classification, tabular.")
@click.option("--family", help="The architecture, for example yolov8 or sklearn.")
@click.option("--classes", help="Names of the classes, comma-separated.")
@click.option("--licence", help="The licence of its weights.")
@click.option("--alias", "aliases", multiple=True, help="Point an alias of the model at it.")
@click.option("--not-latest", is_flag=True, help="The model's bare name stays where it is.")
@click.pass_obj
def push(
    options: Options,
    /,
    source: str,
    registry: str | None,
    aliases: tuple[str, ...],
    not_latest: bool,  # noqa: FBT001  click passes by name
    **said: str | None,
) -> None:
    """Put SOURCE (a folder, an archive or one file) into a registry."""
    where = _registry(registry)
    arguments = [source, where]
    for name, value in said.items():
        if value is not None:
            arguments += [f"--{'id' if name == 'model' else name}", value]
    for alias in aliases:
        arguments += ["--alias", alias]
    if not_latest:
        arguments.append("--not-latest")
    done = _ask(options, "push", *arguments)
    out = Output(options)
    size = f"{done['bytes'] / 1e6:.1f} MB, {done['files']} files"
    out.result(done, [("pushed", f"{done['model']} → {where}  ({size})")])
    out.hints(f"lambent model show {done['model']}", "MODEL_REGISTRY=" + where)


@command.command("ls", cls=Verb)
@_registry_option
@click.pass_obj
def ls(options: Options, registry: str | None) -> None:
    """List the models of a registry."""
    where = _registry(registry)
    found = _ask(options, "ls", where)
    out = Output(options)
    if out.as_json:
        out.result(found, [])
        return
    if not found["models"]:
        out.note(f"{where} has no models")
    else:
        table.show(out, ("MODEL", "TASK", "SIZE", "ALIASES"), [_row(m) for m in found["models"]])
    out.hints("lambent model push FOLDER", "lambent model show MODEL")


def _row(model: Mapping[str, Any]) -> tuple[str, str, str, str]:
    size = f"{model['size'] / 1e6:.1f} MB" if "size" in model else ""
    names = [*(["latest"] if model["latest"] else []), *model["aliases"]]
    return model["model"], str(model.get("task", "")), size, ", ".join(names)


@command.command("show", cls=Verb)
@click.argument("model")
@_registry_option
@click.pass_obj
def show(options: Options, model: str, registry: str | None) -> None:
    """Show MODEL (id/version, an alias, or the id for its latest)."""
    found = _ask(options, "show", _registry(registry), model)
    classes = found["classes"]
    shown = ", ".join(classes[:8]) + (f" and {len(classes) - 8} more" if len(classes) > 8 else "")
    lines = [("model", found["model"]), ("task", f"{found['task']}  ({found['family']})")]
    lines += [("classes", shown)] if classes else []
    lines += (
        [("columns", ", ".join(one["name"] for one in found["features"]))]
        if found["features"]
        else []
    )
    lines += [("licence", found["licence"] or "not stated")]
    lines += [
        ("file", f"{name}  {file['size'] / 1e6:.1f} MB  sha256 {file['sha256'][:12]}…")
        for name, file in found["files"].items()
    ]
    Output(options).result(found, lines)


@command.command("rm", cls=Verb)
@click.argument("model")
@_registry_option
@click.pass_obj
def rm(options: Options, model: str, registry: str | None) -> None:
    """Delete MODEL from a registry."""
    where = _registry(registry)
    if not options.yes:
        raise Problem(
            "NEEDS_YES",
            f"this deletes {model} from {where}",
            fix=f"lambent model rm {model} --registry {where} --yes",
            exit_code=NEEDS_YES,
        )
    done = _ask(options, "rm", where, model)
    Output(options).result(done, [("removed", f"{done['removed']} from {where}")])


@command.command("import", cls=Verb)
@click.argument("source", type=click.Path(exists=True))
@click.argument("folder", type=click.Path())
@click.option("--id", "model", required=True, help="Name of the model.")
@click.option("--version", default="1", show_default=True, help="Its version.")
@click.option("--task", help="What it is for, where the source does not say it.")
@click.option("--family", help="The architecture, where the source does not say it.")
@click.option("--classes", help="Names of the classes, comma-separated.")
@click.pass_obj
def import_(options: Options, /, source: str, folder: str, **said: str | None) -> None:
    """Make a package in FOLDER of what another tool left in SOURCE.

    Known: the original server's cache layout, MLflow, BentoML and SageMaker's model.tar.gz.
    """
    arguments = [source, folder]
    for name, value in said.items():
        if value is not None:
            arguments += [f"--{'id' if name == 'model' else name}", value]
    done = _ask(options, "import", *arguments)
    out = Output(options)
    lines = [("made", f"{done['model']} in {folder}  (from {done['kind']}, for {done['task']})")]
    lines += [("left", text) for text in done["not_taken"]]
    out.result(done, lines)
    out.hints(f"lambent model push {folder}")
