"""`lambent deploy`: train when a model is missing, package, upload, publish, move the alias.

The functions come from template.yaml; flags override it, and do without it. Everything goes over
boto3, so that the endpoint is the whole difference between here and AWS.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from lambent.cli.options import Options, Verb
from lambent.cli.output import Output, Progress
from lambent.delivery import deploy as delivery
from lambent.delivery import package, template, training, upload
from lambent.delivery.aws import Aws
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.template import Extras, FunctionPlan, Project

_LIMIT_MB = package.ZIPPED_LIMIT / 1e6


@click.command(cls=Verb)
@click.argument("functions", nargs=-1)
@click.option("-t", "--template", "file", type=click.Path(path_type=Path), help="template.yaml")
@click.option("--parameter", multiple=True, metavar="K=V", help="A parameter of the template.")
@click.option("--name", help="The function's name.")
@click.option("--source", type=click.Path(path_type=Path), help="The folder to package.")
@click.option("--handler", help="Such as handler.handler.")
@click.option("--runtime", help="Such as python3.13.")
@click.option("--memory", type=int, metavar="MB")
@click.option("--timeout", type=int, metavar="SECONDS")
@click.option("--architecture", type=click.Choice(["x86_64", "arm64"]))
@click.option("-e", "--env", "variables", multiple=True, metavar="K=V", help="Its environment.")
@click.option("--role", help="ARN or name of its role; made on AWS by default.")
@click.option("--alias", help="The alias to move (production).")
@click.option(
    "--canary",
    type=click.FloatRange(0, 100, min_open=True, max_open=True),
    metavar="PERCENT",
    help="Give the new version this share of the alias and keep the old one.",
)
@click.option("--bucket", help="S3 bucket for packages over 50 MB; made when absent.")
@click.option("--allow-source", multiple=True, metavar="PACKAGE", help="Build it; it has no wheel.")
@click.option("--no-bytecode", is_flag=True, help="Package sources only.")
@click.option("--fresh", is_flag=True, help="Install dependencies again.")
@click.pass_obj
def command(options: Options, /, functions: tuple[str, ...], **flags: Any) -> None:
    """Deploy FUNCTIONS of template.yaml (all by default), or what the flags describe."""
    aws = options.target()
    out = Output(options)
    project = _project(aws, flags)
    plans = [_with_flags(plan, flags) for plan in _chosen(project, functions)]
    if len(plans) > 1 and (flags["name"] or flags["source"]):
        raise Problem(
            "USAGE", "--name and --source are for one function", fix="name it", exit_code=USAGE
        )
    done = []
    with out.progress() as progress:
        for plan in plans:
            facts, lines = _deploy(aws, plan, flags, progress)
            progress.clear()
            done.append(facts)
            if not out.as_json:
                out.result(facts, lines)
            for note in facts["notes"]:
                out.note(note)
    if project.not_deployed:
        out.note("not deployed by lambent: " + ", ".join(project.not_deployed))
    if out.as_json:
        out.result({"functions": done, "not_deployed": list(project.not_deployed)}, [])
    name = plans[0].name
    event = " -d @event.json" if (plans[0].folder / "event.json").is_file() else ""
    out.hints(f"lambent invoke {name}{event}", f"lambent logs {name} -f")


def _project(aws: Aws, flags: dict[str, Any]) -> Project:
    """What the template says, or one function that the flags describe whole."""
    path = flags["file"] or template.find(Path())
    if path is not None and path.is_dir():
        path = template.find(path) or path / template.NAMES[0]
    if path is not None:
        if not path.is_file():
            raise Problem("FILE", f"there is no {path}", fix="-t template.yaml", exit_code=USAGE)
        without = frozenset({"Role", "Policies"} if flags["role"] else ())
        return template.read(
            path,
            parameters=_pairs("--parameter", flags["parameter"]),
            region=aws.region_name,
            without=without,
        )
    missing = [name for name in ("name", "handler", "runtime") if not flags[name]]
    if missing:
        raise Problem(
            "TEMPLATE_MISSING",
            "there is no template.yaml here",
            why="without one, these say what to deploy: --name --handler --runtime",
            fix="lambent init NAME     or     add --" + " --".join(missing),
            exit_code=USAGE,
        )
    folder = flags["source"] or Path()
    return Project((FunctionPlan(flags["name"], folder, flags["handler"], flags["runtime"]),))


def _chosen(project: Project, functions: tuple[str, ...]) -> list[FunctionPlan]:
    known = {plan.name: plan for plan in project.functions}
    unknown = [name for name in functions if name not in known]
    if unknown:
        raise Problem(
            "FUNCTION_UNKNOWN",
            f"the template has no function {unknown[0]}",
            fix="functions: " + ", ".join(known),
            exit_code=USAGE,
        )
    return [known[name] for name in functions] if functions else list(known.values())


def _with_flags(plan: FunctionPlan, flags: dict[str, Any]) -> FunctionPlan:
    given = {
        "name": flags["name"],
        "folder": flags["source"].resolve() if flags["source"] else None,
        "handler": flags["handler"],
        "runtime": flags["runtime"],
        "memory_mb": flags["memory"],
        "timeout_s": flags["timeout"],
        "architecture": flags["architecture"],
        "role": flags["role"],
        "alias": flags["alias"],
    }
    extras: Extras = plan.extras
    if flags["bucket"]:
        extras = msgspec.structs.replace(extras, bucket=flags["bucket"])
    if flags["no_bytecode"]:
        extras = msgspec.structs.replace(extras, bytecode=False)
    if flags["allow_source"]:
        extras = msgspec.structs.replace(
            extras, allow_source=[*extras.allow_source, *flags["allow_source"]]
        )
    return replace(
        plan,
        environment={**plan.environment, **_pairs("-e", flags["variables"])},
        extras=extras,
        **{key: value for key, value in given.items() if value is not None},
    )


def _pairs(flag: str, items: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise Problem(
                "USAGE", f"{flag} {item}: not K=V", fix=f"{flag} KEY=VALUE", exit_code=USAGE
            )
        pairs[key] = value
    return pairs


def _deploy(
    aws: Aws, plan: FunctionPlan, flags: dict[str, Any], progress: Progress
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """One function, brought live; what to say about it."""
    begun = time.monotonic()
    trained = training.ensure_model(plan, progress)
    bucket = plan.extras.bucket
    built = package.build(
        package.Recipe(
            plan.folder,
            plan.runtime,
            plan.architecture,
            bytecode=plan.extras.bytecode,
            allow_source=tuple(plan.extras.allow_source),
            bucket_at_hand=bucket is not None or aws.is_aws,
            fresh=flags["fresh"],
        ),
        progress,
    )
    uploaded = None
    if not built.direct:
        start = time.monotonic()
        uploaded = upload.upload(
            aws,
            bucket or upload.default_bucket(aws),
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
        "package": {
            "zipped": len(built.data),
            "unzipped": built.unzipped,
            "files": built.files,
            "bytecode": built.bytecode,
            "sha256": built.sha256,
            "s3": f"s3://{uploaded.bucket}/{uploaded.key}" if uploaded else None,
        },
        "model": {**card, "trained": trained} if card else None,
        "seconds": round(time.monotonic() - begun, 1),
        "notes": [*built.notes, *live.notes],
    }
    return facts, _lines(aws, facts, built, live)


def _lines(
    aws: Aws, facts: dict[str, Any], built: package.Package, live: delivery.Deployment
) -> list[tuple[str, str]]:
    size = f"zip {len(built.data) / 1e6:.1f} MB, {built.files} files"
    if len(built.data) > package.ZIPPED_LIMIT / 2:
        size += f"  (limits: {_LIMIT_MB:.1f} MB directly, "
        size += f"{built.unzipped / 1e6:.0f} of 262 MB unzipped)"
    lines = [("package", size)]
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
