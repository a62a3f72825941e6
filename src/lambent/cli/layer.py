"""`lambent layer`: what functions share, made of requirements or a folder and shown at /opt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lambent.cli import table
from lambent.cli.options import Family, Options, Verb
from lambent.cli.output import Output
from lambent.cli.plans import direct_limit, signed
from lambent.delivery import layers
from lambent.delivery.package import Package
from lambent.delivery.problem import FAILED, NEEDS_YES, USAGE, Problem

Function = TypeVar("Function", bound=Callable[..., Any])
_HERE = f"python3.{sys.version_info.minor}"


def _build_options(function: Function) -> Function:
    """What the zip is made for."""
    for option in reversed(
        (
            click.option("--runtime", help="For its packages; the Python here by default."),
            click.option(
                "--architecture", type=click.Choice(["x86_64", "arm64"]), default="x86_64"
            ),
            click.option("--allow-source", multiple=True, metavar="PACKAGE"),
            click.option("--sign", metavar="PROFILE", help="Sign it (lambent sign profile)."),
            click.option("--no-bytecode", is_flag=True, help="Package sources only."),
            click.option("--fresh", is_flag=True, help="Install dependencies again."),
        )
    ):
        function = option(function)
    return function


@click.group("layer", cls=Family)
def command() -> None:
    """Build, publish, list, show and delete layers."""


@command.command("build", cls=Verb)
@click.argument("path", type=click.Path(path_type=Path), default="requirements.txt")
@click.option("-o", "--output", "to", type=click.Path(path_type=Path), default="layer.zip")
@_build_options
@click.pass_obj
def build(options: Options, /, path: Path, to: Path, **flags: Any) -> None:
    """Make a layer's zip of PATH: a requirements file, or a folder that is taken as it is."""
    out = Output(options)
    package = _built(out, path, flags)
    to.write_bytes(package.data)
    out.result({"file": str(to), **_facts(package)}, [("layer", _size(package)), ("file", str(to))])
    out.hints(f"lambent layer publish NAME {to}")


@command.command("publish", cls=Verb)
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path), default="requirements.txt")
@click.option("--description", default="", help="What it is for.")
@click.option("--license", "license_info", default="", help="Such as MIT.")
@click.option("--bucket", help="S3 bucket for a zip over 50 MB.")
@_build_options
@click.pass_obj
def publish(
    options: Options,
    /,
    name: str,
    path: Path,
    description: str,
    license_info: str,
    bucket: str | None,
    **flags: Any,
) -> None:
    """Publish a version of layer NAME: PATH is a zip, a requirements file or a folder."""
    aws, out = options.target(), Output(options)
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    if path.suffix == ".zip":
        if not path.is_file():
            raise Problem("FILE", f"there is no {path}", exit_code=USAGE)
        package = signed(Package(path.read_bytes(), 0, 0, "none"), flags["sign"])
    else:
        package = _built(out, path, flags)
        if not path.is_dir():
            runtimes, architectures = (flags["runtime"] or _HERE,), (flags["architecture"],)
    with out.progress() as progress:
        progress(f"publishing {name}")
        facts = layers.publish(
            aws,
            name,
            package,
            description=description,
            runtimes=runtimes,
            architectures=architectures,
            license_info=license_info,
            bucket=bucket,
            direct_limit=direct_limit(aws),
        )
    out.result(facts, _lines(facts))
    out.hints(f"Layers: [{facts['arn']}]  in template.yaml")


@command.command("ls", cls=Verb)
@click.argument("name", required=False)
@click.pass_obj
def ls(options: Options, name: str | None) -> None:
    """List all layers, or the versions of layer NAME."""
    found = layers.listed(options.target(), name)
    out = Output(options)
    if out.as_json:
        out.result({"layers": [one.facts() for one in found]}, [])
        return
    if not found:
        out.note("there is no layer yet" if name is None else f"{name} has no version")
        out.hints("lambent layer publish NAME requirements.txt")
        return
    rows = [
        (one.layer, one.number, ", ".join(one.runtimes) or "any", one.created[:10], one.description)
        for one in found
    ]
    headings = ("LAYER", "VERSION", "RUNTIMES", "CREATED", "DESCRIPTION")
    table.show(out, headings, rows, right="lrlll")
    out.hints(f"lambent layer show {found[0].layer}")


@command.command("show", cls=Verb)
@click.argument("layer", metavar="NAME[:VERSION]")
@click.pass_obj
def show(options: Options, layer: str) -> None:
    """Show one version of a layer, the newest unless VERSION says which."""
    facts = layers.described(options.target(), *_split(layer))
    out = Output(options)
    out.result(facts, _lines(facts))
    out.hints(f"lambent layer rm {facts['layer']}:{facts['version']}")


@command.command("rm", cls=Verb)
@click.argument("layers_", metavar="NAME[:VERSION]...", nargs=-1, required=True)
@click.pass_obj
def rm(options: Options, layers_: tuple[str, ...]) -> int:
    """Delete versions of layers; a name alone means all of its versions.

    Functions that use them go on as they are.
    """
    aws, out = options.target(), Output(options)
    doomed = []
    for name, number in map(_split, layers_):
        layers.newest(aws, name)
        found = layers.listed(aws, name)
        doomed += [one for one in found if number in {None, one.number}]
        if number is not None and all(one.number != number for one in found):
            raise Problem("LAYER_UNKNOWN", f"there is no layer {name}:{number}")
    names = ", ".join(f"{one.layer}:{one.number}" for one in doomed)
    if not options.yes and not _agreed(out, names):
        out.note("nothing was deleted")
        return FAILED
    users = layers.users(aws, {one.arn for one in doomed})
    for one in doomed:
        layers.delete(aws, one.layer, one.number)
    out.result({"deleted": [one.facts() for one in doomed]}, [("deleted", names)])
    if users:
        out.note(f"still in use, and kept for it, by {', '.join(users)}")
    return 0


def _agreed(out: Output, names: str) -> bool:
    if out.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Problem(
            "NEEDS_YES",
            f"this would delete {names}",
            why="there is no terminal to ask on",
            fix="the same with -y",
            exit_code=NEEDS_YES,
        )
    return click.confirm(f"  Delete {names}?", err=True)


def _split(layer: str) -> tuple[str, int | None]:
    name, _, number = layer.partition(":")
    if number and not number.isdigit():
        raise Problem(
            "USAGE", f"{number} is no version of a layer", fix="NAME:VERSION", exit_code=USAGE
        )
    return name, int(number) if number else None


def _built(out: Output, path: Path, flags: dict[str, Any]) -> Package:
    recipe = layers.Recipe(
        path,
        flags["runtime"] or _HERE,
        flags["architecture"],
        bytecode=not flags["no_bytecode"],
        allow_source=flags["allow_source"],
        fresh=flags["fresh"],
    )
    with out.progress() as progress:
        progress(f"packaging {path}")
        package = layers.build(recipe)
    for note in package.notes:
        out.note(note)
    return signed(package, flags["sign"])


def _facts(package: Package) -> dict[str, Any]:
    return {
        "files": package.files,
        "code_bytes": len(package.data),
        "unzipped_bytes": package.unzipped,
        "code_sha256": package.sha256,
        "notes": list(package.notes),
    }


def _size(package: Package) -> str:
    return (
        f"zip {len(package.data) / 1e6:.1f} MB, {package.files} files, "
        f"{package.unzipped / 1e6:.1f} MB unzipped"
    )


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("layer", f"{facts['layer']}:{facts['version']}"),
        ("arn", facts["arn"]),
        ("about", facts["description"]),
        ("for", ", ".join((*facts["runtimes"], *facts["architectures"]))),
        ("code", f"{facts['code_bytes'] / 1e6:.1f} MB  sha256 {facts['code_sha256']}"),
        ("license", facts["license"]),
        ("created", facts["created"]),
    ]
    return [(label, text) for label, text in lines if text]
