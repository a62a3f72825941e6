"""`lambent deploy`: train when a model is missing, package, upload, publish, move the alias.

The functions come from template.yaml; flags override it, and do without it. Everything goes over
boto3, so that the endpoint is the whole difference between here and AWS.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from lambent.cli import dry_run, stacked
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output, Progress
from lambent.cli.plans import plan_options, planned, planned_model, shipped, shipped_facts
from lambent.delivery import deploy as delivery
from lambent.delivery import gateways, model_function, package, training, upload, ways
from lambent.delivery.aws import Aws
from lambent.delivery.images.code import ImageCode
from lambent.delivery.template import FunctionPlan, Project


@click.command(cls=Verb)
@click.argument("functions", nargs=-1)
@plan_options
@click.option(
    "--canary",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    metavar="PERCENT",
    help="Give the new version this share of the alias and keep the old one.",
)
@click.option(
    "--model",
    metavar="PACKAGE",
    help="Serve this model: a folder, an archive, or its id in --registry. No handler, no template.",
)
@click.option("--registry", metavar="URI", help="Where --model is: file://, s3:// or https://.")
@click.option("--target", type=click.Choice(("here", "aws")), help="`aws` is the same as --aws.")
@click.option("--dry-run", is_flag=True, help="For AWS: print the commands, and call nothing.")
@click.option("--image", is_flag=True, help="With --dry-run: as a container image through ECR.")
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="With --dry-run: put the zips there that the commands send.",
)
@click.option("--pack", is_flag=True, help="Put a registry's model into the zip.")
@click.pass_obj
def command(
    options: Options, /, functions: tuple[str, ...], model: str | None, **flags: Any
) -> None:
    """Deploy FUNCTIONS of template.yaml (all by default), or what the flags describe."""
    with ExitStack() as held:
        _command(options, functions, model, flags, held)


def _command(
    options: Options,
    functions: tuple[str, ...],
    model: str | None,
    flags: dict[str, Any],
    held: ExitStack,
) -> None:
    options.aws = options.aws or flags["target"] == "aws"
    aws, out = options.target(), Output(options)
    if flags["dry_run"]:
        dry_run.run(
            out, aws, lambda read_for: _planned(read_for, held, functions, model, flags), flags
        )
        return
    project, plans = _planned(aws, held, functions, model, flags)
    if model is None and ways.by_stack(aws, project, functions):
        stacked.deploy_stack(options, aws, project, plans, flags)
        return
    done = []
    with out.progress() as progress:
        for plan in plans:
            facts, lines = _deploy(aws, plan, flags, progress)
            if model is not None:
                facts["url"] = model_function.ensure_url(aws, plan)
                lines.append(("url", facts["url"]))
            progress.clear()
            done.append(facts)
            if not out.as_json:
                out.result(facts, lines)
            for note in facts["notes"]:
                out.note(note)
        served = _put_gateways(aws, project, plans)
    not_deployed = ways.left_out(aws, project)
    for facts in served if not out.as_json else ():
        out.result({}, [("url", url) for url in facts["urls"].values()])
    if not_deployed:
        out.note("not deployed with functions that are named: " + ", ".join(not_deployed))
    if out.as_json:
        found = {"functions": done, "gateways": served, "not_deployed": not_deployed}
        out.result(found, [])
    _hints(out, plans[0], model)


def _planned(
    aws: Aws,
    held: ExitStack,
    functions: tuple[str, ...],
    model: str | None,
    flags: dict[str, Any],
) -> tuple[Project, list[FunctionPlan]]:
    """The template's functions, or the one that serves a model."""
    if model is None:
        return planned(aws, functions, flags)
    return planned_model(aws, held, model, functions, flags)


def _put_gateways(aws: Aws, project: Project, plans: list[FunctionPlan]) -> list[dict[str, Any]]:
    """The gateways that lead to what was deployed, on a server of one's own."""
    if aws.is_aws:
        return []
    deployed = {plan.name for plan in plans}
    return [
        gateways.put(aws, gateway.name, gateway.document)
        for gateway in project.gateways
        if deployed & gateway.functions
    ]


def _hints(out: Output, plan: FunctionPlan, model: str | None) -> None:
    """How to call it: with the project's event, or the model's own."""
    sample = plan.folder / "event.json" if model is None else Path(model, model_function.EVENT)
    shown = "event.json" if model is None else sample
    event = f" -d @{shown}" if sample.is_file() else ""
    out.hints(f"lambent invoke {plan.name}{event}", f"lambent logs {plan.name} -f")


def _deploy(
    aws: Aws, plan: FunctionPlan, flags: dict[str, Any], progress: Progress
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """One function, brought live; what to say about it."""
    begun = time.monotonic()
    trained = training.ensure_model(plan, progress)
    built = shipped(aws, plan, progress, fresh=flags["fresh"])
    uploaded = None
    if isinstance(built, package.Package):
        start = time.monotonic()
        uploaded = upload.if_large(
            aws,
            plan.extras.bucket,
            plan.name,
            built,
            lambda sent, total: progress.count("uploading", sent, total, time.monotonic() - start),
        )
    live = delivery.deploy(
        aws, plan, built, uploaded=uploaded, canary_percent=flags["canary"], progress=progress
    )
    card = training.card(plan)
    facts = {
        "function": live.function,
        "arn": live.arn,
        "version": live.version,
        "alias": live.alias,
        "weights": dict(live.weights),
        "created": live.created,
        "code_changed": live.code_changed,
        "changed": list(live.changed),
        **shipped_facts(built, uploaded),
        "model": {**card, "trained": trained} if card else None,
        "seconds": round(time.monotonic() - begun, 1),
        "notes": [*built.notes, *live.notes],
    }
    return facts, _lines(aws, facts, built, live)


def _shipped_line(built: delivery.Shipped) -> tuple[str, str]:
    if isinstance(built, ImageCode):
        size = f"  {built.built.size / 1e6:.1f} MB" if built.built else ""
        return "image", f"{built.uri}{size}"
    size = f"zip {len(built.data) / 1e6:.1f} MB, {built.files} files"
    if len(built.data) > built.direct_limit / 2:
        size += f"  (limits: {built.direct_limit / 1e6:.1f} MB directly, "
        size += f"{built.unzipped / 1e6:.0f} of 262 MB unzipped)"
    return "package", size


def _lines(
    aws: Aws, facts: dict[str, Any], built: delivery.Shipped, live: delivery.Deployment
) -> list[tuple[str, str]]:
    lines = [_shipped_line(built)]
    if model := facts["model"]:
        metrics = ", ".join(f"{key} {value}" for key, value in model.get("metrics", {}).items())
        parts = [model["file"], f"{model['bytes'] / 1e6:.2f} MB", model.get("estimator"), metrics]
        lines.append(("model", ", ".join(part for part in parts if part)))
    share = ""
    if len(live.weights) > 1:
        share = "  " + ", ".join(f"{v} {w:.0%}" for v, w in live.weights.items())
    what = "new version" if live.code_changed or live.changed else "unchanged"
    where = aws.endpoint_url or aws.region_name
    lines.append(("live", f"{live.function}:{live.version} (alias {live.alias}{share})  {where}"))
    lines.append(("took", f"{facts['seconds']} s, {'created' if live.created else what}"))
    return lines
