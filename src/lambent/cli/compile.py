"""`lambent model compile`: a trained model or an ONNX graph becomes a package that has proved itself.

What is done is in `delivery/compiling` and `delivery/graphs`; they are imported when the verb runs,
not for help.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.delivery.problem import USAGE, Problem

if TYPE_CHECKING:
    from lambent.delivery.compiling.sandboxed import Bench
    from lambent.delivery.graphs.purpose import Said

GRAPH = ".onnx"
TRAINED_ONLY = ("allow_joblib", "no_measure")
GRAPH_ONLY = (
    "task", "family", "classes", "inputs", "activation", "target", "int8", "max_loss", "accept_loss",
)  # fmt: skip


@click.command("compile", cls=Verb)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--sample",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="Rows (CSV) with the columns of training; of an ONNX graph of pictures, a folder of them.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the package (ID-VERSION).")
@click.option("--id", "name", help="Name of the model (the file's by default).")
@click.option("--version", default="1", show_default=True, help="Its version.")
@click.option("--licence", help="The licence of the model.")
@click.option(
    "--allow-joblib", is_flag=True, help="Package a pickle where nothing safer holds the model."
)
@click.option("--no-measure", is_flag=True, help="Leave out times and costs.")
@click.option("--task", help="ONNX: what it is for, such as object-detection or tabular.")
@click.option("--family", help="ONNX: its architecture, such as yolov8.")
@click.option("--classes", help="ONNX: names of the classes, comma-separated.")
@click.option(
    "--input", "inputs", multiple=True, metavar="K=V", help="ONNX: of model.json's input: scale=1."
)
@click.option(
    "--activation",
    type=click.Choice(("softmax", "sigmoid", "none")),
    help="ONNX: what a classifier's outputs still need.",
)
@click.option("--target", metavar="COLUMN", help="ONNX: the sample's column of right answers.")
@click.option("--int8", is_flag=True, help="ONNX: 8 bits in place of 32, judged on the sample.")
@click.option(
    "--max-loss",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="ONNX: what 8 bits may lose (0.01).",
)
@click.option("--accept-loss", is_flag=True, help="ONNX: package it whatever 8 bits lose.")
@click.pass_obj
def compile_(options: Options, /, model: Path, **flags: Any) -> None:
    """Make a package of MODEL: trained (.joblib, .pkl, .skops) or a graph (.onnx).

    A trained model becomes ONNX where that is provably the same. A graph is checked, tried on the
    inference server and, with --int8, made smaller.
    """
    graph = model.suffix.lower() == GRAPH
    wrong = [name for name in (TRAINED_ONLY if graph else GRAPH_ONLY) if flags[name]]
    if wrong:
        flag = f"--{'input' if wrong[0] == 'inputs' else wrong[0].replace('_', '-')}"
        kind = "a trained model" if graph else "an ONNX graph"
        raise Problem(
            "USAGE",
            f"{flag} is for {kind}, and {model} is none",
            fix=f"leave {flag} out",
            exit_code=USAGE,
        )
    flags["name"] = flags["name"] or model.stem
    flags["into"] = flags["out"] or Path(f"{flags['name']}-{flags['version']}")
    report = (_graph if graph else _trained)(options, model, flags)
    out = Output(options)
    out.hints(
        f"lambent deploy --model {report['folder']}", f"lambent model push {report['folder']}"
    )


def _trained(options: Options, model: Path, flags: dict[str, Any]) -> dict[str, Any]:
    from lambent.delivery.compiling import steps

    if flags["sample"] is None:
        raise Problem(
            "SAMPLE_MISSING",
            "without a sample nothing is converted",
            why="a conversion can be silently wrong; rows are what it is proved with",
            fix="--sample rows.csv: some hundred rows with the columns of training",
            exit_code=USAGE,
        )
    printer = Output(options)
    order = steps.Order(
        model,
        flags["sample"],
        flags["into"],
        flags["name"],
        flags["version"],
        flags["licence"],
        flags["allow_joblib"],
        measured=not flags["no_measure"],
        bench=None if flags["no_measure"] else _bench(options),
    )
    with printer.progress() as progress:
        report = steps.compile_model(order, progress)
        progress.clear()
    printer.result(report, _lines(report))
    return report


def _bench(options: Options) -> Bench | None:
    """A server of one's own that is there to measure on; nobody is billed for a comparison."""
    from botocore.exceptions import BotoCoreError, ClientError

    from lambent.cli import plans, report
    from lambent.cli.init import newest_runtime
    from lambent.delivery.compiling.sandboxed import Bench

    aws = options.target()
    if aws.is_aws:
        return None
    try:
        limit = plans.direct_limit(aws)
    except (BotoCoreError, ClientError):
        return None
    return Bench(aws, newest_runtime(), limit, report.parse)


def _graph(options: Options, model: Path, flags: dict[str, Any]) -> dict[str, Any]:
    from lambent.delivery.graphs import loss, purpose, steps

    names = tuple(part.strip() for part in (flags["classes"] or "").split(",") if part.strip())
    said = purpose.Said(
        flags["task"], flags["family"], names, _inputs(flags["inputs"]), flags["activation"]
    )
    order = steps.Order(
        model,
        flags["into"],
        flags["name"],
        flags["version"],
        said,
        flags["sample"],
        flags["target"],
        flags["int8"],
        loss.LIMIT if flags["max_loss"] is None else flags["max_loss"],
        flags["accept_loss"],
        flags["licence"],
    )
    printer = Output(options)
    with printer.progress() as progress:
        try:
            report = steps.compile_graph(order, progress)
        except Problem as problem:
            progress.clear()
            if problem.code != "GRAPH_TASK_UNKNOWN" or said.task or not _can_ask(options):
                raise
            report = steps.compile_graph(replace(order, said=_asked(said, problem)), progress)
        progress.clear()
    printer.result(report, steps.summary(report))
    for note in report["notes"]:
        printer.note(note)
    return report


def _can_ask(options: Options) -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and not (options.json or options.yes)


def _asked(said: Said, problem: Problem) -> Said:
    """What only the user knows; a pipeline gets the error instead."""
    from lambent.delivery.graphs import purpose

    click.echo(f"  {problem.message}\n  {problem.why}", err=True)
    task = click.prompt("  what is it for?", type=click.Choice(purpose.TASKS), err=True)
    family = click.prompt("  its family", default=purpose.FAMILIES[task], err=True)
    return replace(said, task=task, family=family)


def _inputs(given: tuple[str, ...]) -> dict[str, Any]:
    """`scale=1` and `mean=0.5,0.5,0.5` as values of JSON."""
    found: dict[str, Any] = {}
    for one in given:
        key, equals, text = one.partition("=")
        if not equals:
            raise Problem(
                "USAGE", f"--input {one}: not K=V", fix="--input scale=1", exit_code=USAGE
            )
        try:
            found[key] = json.loads(f"[{text}]" if "," in text else text)
        except ValueError:
            found[key] = text
    return found


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
            if "call_ms" in found:
                text += f"a call {found['call_ms']:.1f} ms, "
            text += f"a row {found['row_us']:.0f} µs, ${found['dollars_per_million']:.2f} a million"
            lines.append((label, text))
    if "measured_in" in report:
        lines.append(("measured", f"as {report['measured_in']}"))
    return lines
