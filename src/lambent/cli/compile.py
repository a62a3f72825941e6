"""`lambent model compile`: a trained model becomes a package that has proved itself.

What is done is in `delivery/compiling`; it is imported when the verb runs, not for help.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem


@click.command("compile", cls=Verb)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--sample",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Rows with the columns of training; without them nothing is converted.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the package (ID-VERSION).")
@click.option("--id", "name", help="Name of the model (the file's by default).")
@click.option("--version", default="1", show_default=True, help="Its version.")
@click.option("--licence", help="The licence of the model.")
@click.option(
    "--allow-joblib", is_flag=True, help="Package a pickle where nothing safer holds the model."
)
@click.option("--no-measure", is_flag=True, help="Leave out times and costs.")
@click.pass_obj
def compile_(
    options: Options,
    /,
    model: Path,
    sample: Path | None,
    out: Path | None,
    name: str | None,
    version: str,
    licence: str | None,
    allow_joblib: bool,  # noqa: FBT001  click passes by name
    no_measure: bool,  # noqa: FBT001
) -> None:
    """Make a package of MODEL (.joblib, .pkl, .skops), as ONNX where that is provably the same."""
    from lambent.delivery.compiling import steps

    if sample is None:
        raise Problem(
            "SAMPLE_MISSING",
            "without a sample nothing is converted",
            why="a conversion can be silently wrong; rows are what it is proved with",
            fix="--sample rows.csv: some hundred rows with the columns of training",
            exit_code=USAGE,
        )
    name = name or model.stem
    into = out or Path(f"{name}-{version}")
    printer = Output(options)
    order = steps.Order(
        model, sample, into, name, version, licence, allow_joblib, measured=not no_measure
    )
    with printer.progress() as progress:
        report = steps.compile_model(order, progress)
        progress.clear()
    printer.result(report, _lines(report))
    printer.hints(f"lambent deploy --model {into}", f"lambent model push {into}")


def _lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [("made", f"{report['model']} in {report['folder']}  ({report['form']})")]
    if report["reason"]:
        lines.append(("kept", f"as it is, {report['reason']}"))
    verdict = report["gate"]
    if verdict:
        rows = sum(one["rows"] for one in verdict["groups"])
        flips = sum(one["flips"] for one in verdict["groups"])
        largest = verdict["largest_difference"]
        said = "nothing" if largest is None else f"{largest:.1e}"
        lines.append(("gate", f"{flips} of {rows} labels differ, largest difference {said}"))
        lines += [
            ("worst", f"{one['kind']} {one['row']}: {one['native']} → {one['onnx']}")
            for one in verdict["worst"]
        ]
    for label in ("before", "after"):
        if found := report.get(label):
            text = f"{found['bytes'] / 1e6:.2f} MB, first answer {found['cold_start_ms']:.0f} ms, "
            text += f"a row {found['row_us']:.0f} µs, ${found['dollars_per_million']:.2f} a million"
            lines.append((label, text))
    return lines
