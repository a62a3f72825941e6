"""`lambent model variant`: the inference server in one of its sizes, as a zip or for Docker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem

if TYPE_CHECKING:
    from lambent.delivery.variants import Variant


@click.command("variant", cls=Verb)
@click.argument("name", type=click.Choice(("slim", "tabular", "standard")))
@click.option("--runtime", help="Such as python3.13; the newest present by default.")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]), default="x86_64")
@click.option("--zip", "archive", type=click.Path(path_type=Path), help="Write the function's zip.")
@click.option(
    "--docker",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a Dockerfile and its context into this folder.",
)
@click.option("--sizes", is_flag=True, help="Install it and say what each package weighs.")
@click.pass_obj
def variant(
    options: Options,
    /,
    name: str,
    runtime: str | None,
    architecture: str,
    archive: Path | None,
    docker: Path | None,
    sizes: bool,  # noqa: FBT001  click passes by name
) -> None:
    """Show or write the inference server's variant NAME.

    slim: vision and ONNX. tabular: scikit-learn as it is. standard: slim, OCR and OpenCV.
    """
    from lambent.cli.init import newest_runtime
    from lambent.delivery import dockerfile, platforms, variant_sizes, variants

    found = variants.named(name)
    runtime = runtime or newest_runtime()
    platform = platforms.of(runtime, architecture)
    if platform is None:
        raise Problem(
            "USAGE", f"{runtime} is no Python runtime", fix="--runtime python3.13", exit_code=USAGE
        )
    out = Output(options)
    facts = variants.facts(found)
    lines = [("variant", f"{name}: {found.purpose}"), ("needs", ", ".join(found.requirements()))]
    with out.progress() as progress:
        if archive is not None:
            progress("writing the zip")
            facts["zip"] = packed = _zip(found, runtime, architecture, archive)
            size = (
                f"{packed['zipped'] / 1e6:.1f} MB, {packed['unzipped'] / 1e6:.0f} of 262 unpacked"
            )
            lines.append(("zip", f"{archive}  ({size}, {runtime})"))
        if docker is not None:
            facts["docker"] = written = dockerfile.write(found, platform.python, docker)
            lines.append(("docker", f"{docker}/  {', '.join(written)}"))
        if sizes:
            progress("installing it")
            weight = variant_sizes.measure(found, platform)
            facts["sizes_mb"] = weight.megabytes()
            lines.append(("weighs", f"{weight.total / 1e6:.1f} MB of {found.budget_mb} allowed"))
            lines += [("", f"{size:6.1f} MB  {one}") for one, size in weight.megabytes().items()]
        progress.clear()
    out.result(facts, lines)
    _hints(out, name, archive, docker)


def _zip(found: Variant, runtime: str, architecture: str, archive: Path) -> dict[str, int]:
    """The function's zip, without bytecode; raises Problem where it is too large for one."""
    from lambent.delivery import dockerfile, package

    if not found.zips:
        raise Problem(
            "VARIANT_NO_ZIP",
            f"{found.name} unpacks to more than Lambda's 250 MB",
            why="OpenCV and its libraries alone take 160",
            fix=f"--docker FOLDER     or     lambent image build --variant {found.name}",
        )
    with tempfile.TemporaryDirectory(prefix="lambent-variant-") as scratch:
        folder = Path(scratch)
        dockerfile.write_context(found, folder)
        recipe = package.Recipe(folder, runtime, architecture, bytecode=False)
        built = package.build(recipe)
    archive.write_bytes(built.data)
    return {"zipped": len(built.data), "unzipped": built.unzipped, "files": built.files}


def _hints(out: Output, name: str, archive: Path | None, docker: Path | None) -> None:
    if docker is not None:
        out.hints(
            f"docker build --platform linux/amd64 --provenance=false -t inference:{name} {docker}"
        )
    elif archive is None:
        out.hints(
            f"lambent model variant {name} --zip {name}.zip",
            f"lambent image build --variant {name}",
        )
