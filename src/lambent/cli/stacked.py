"""`deploy`, `diff` and `rollback` of a project that goes as a stack (`delivery.ways` decides which).

Packages are built as for a direct deploy and uploaded under their hash; the template that leads to
them becomes a change set. `diff` shows it and throws it away, `deploy` executes it and follows its
events, `rollback` makes one of the template before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from lambent.cli.options import Options
from lambent.cli.output import Output, Progress
from lambent.cli.pairs import pairs
from lambent.cli.plans import shipped, shipped_facts
from lambent.delivery import (
    aliases,
    deploy,
    layers,
    package,
    stack_history,
    stack_template,
    stacks,
    training,
    upload,
)
from lambent.delivery.aws import Aws
from lambent.delivery.deploy import Shipped
from lambent.delivery.images.code import ImageCode
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.stacks import Change, Template
from lambent.delivery.template import FunctionPlan, Project
from lambent.delivery.upload import Uploaded

_OF_ONE_FUNCTION: Final = (
    "name", "source", "handler", "runtime", "memory", "timeout", "architecture", "role", "alias",
)  # fmt: skip
_SIGNS: Final = {"Add": ("+", "green"), "Modify": ("~", "yellow"), "Remove": ("-", "red")}


@dataclass(slots=True)
class _Prepared:
    """A project as it is given to CloudFormation."""

    bucket: str
    document: dict[str, Any]
    shipped: dict[str, tuple[Shipped, Uploaded | None, bool]] = field(default_factory=dict)
    """By logical id; the last says whether the model was trained for it."""
    notes: list[str] = field(default_factory=list)


def deploy_stack(
    options: Options, aws: Aws, project: Project, plans: list[FunctionPlan], flags: dict[str, Any]
) -> None:
    """Bring the whole project live."""
    begun = time.monotonic()
    out = Output(options)
    with out.progress() as progress:
        made = _prepare(aws, project, plans, flags, progress)
        document = made.document
        parameters = pairs("--parameter", flags["parameter"])
        if flags["canary"] is not None:
            standing = _standing(aws, plans)
            document = stack_template.canary(
                document, parameters, aws.region_name, standing, flags["canary"]
            )
        template = _template(aws, made.bucket, project.stack, document, parameters)
        planned = stacks.plan(aws, project.stack, template, progress)
        if planned is None:
            stack = stacks.describe(aws, project.stack) or {}
            changes: tuple[Change, ...] = ()
        else:
            stack, changes = stacks.execute(aws, planned, progress), planned.changes
            stack_history.record(aws, made.bucket, project.stack, template)
    functions = [_function_facts(aws, plan, made, changes) for plan in plans]
    facts = {
        "functions": functions,
        "gateways": [],
        "not_deployed": [],
        "stack": {
            "name": project.stack,
            "status": stack.get("StackStatus"),
            "changes": [one.facts() for one in changes],
            "outputs": stacks.outputs(stack),
            "seconds": round(time.monotonic() - begun, 1),
        },
    }
    out.result(facts, _deployed_lines(out, aws, facts, changes))
    for note in made.notes:
        out.note(note)
    if plans:
        out.hints(
            f"lambent invoke {plans[0].name}", f"lambent logs {plans[0].name} -f", "lambent diff"
        )


def diff_stack(
    options: Options, aws: Aws, project: Project, plans: list[FunctionPlan], flags: dict[str, Any]
) -> None:
    """Show what a deploy would change; the change set is thrown away again."""
    out = Output(options)
    with out.progress() as progress:
        made = _prepare(aws, project, plans, flags, progress)
        parameters = pairs("--parameter", flags["parameter"])
        template = _template(aws, made.bucket, project.stack, made.document, parameters)
        planned = stacks.plan(aws, project.stack, template, progress)
        if planned is not None:
            stacks.discard(aws, planned)
    changes = () if planned is None else planned.changes
    facts = {
        "functions": [],
        "not_deployed": [],
        "stack": {"name": project.stack, "changes": [one.facts() for one in changes]},
    }
    lines = [("stack", project.stack)] + [("", _line(out, one)) for one in changes]
    if planned is None:
        lines = [("stack", f"{project.stack}: no changes")]
    elif not changes:
        lines.append(("", "outputs, tags or parameters only"))
    out.result(facts, lines)
    for note in made.notes:
        out.note(note)
    if planned is not None:
        out.hints("lambent deploy")


def rollback_stack(options: Options, aws: Aws, project: Project) -> None:
    """Back to the template before the one that is live."""
    out = Output(options)
    bucket = _bucket(aws, project)
    entry = stack_history.before(aws, bucket, project.stack)
    with out.progress() as progress:
        template = _stored(aws, bucket, project.stack, entry.template)
        planned = stacks.plan(aws, project.stack, template, progress)
        stack = stacks.execute(aws, planned, progress) if planned is not None else {}
    changes = planned.changes if planned is not None else ()
    facts = {
        "stack": project.stack,
        "deployed": entry.deployed,
        "status": stack.get("StackStatus"),
        "changes": [one.facts() for one in changes],
    }
    lines = [("stack", f"{project.stack} is back to what was deployed at {entry.deployed} UTC")]
    out.result(facts, lines + [("", _line(out, one)) for one in changes])
    out.hints("lambent deploy", "lambent diff")


def _prepare(
    aws: Aws, project: Project, plans: list[FunctionPlan], flags: dict[str, Any], progress: Progress
) -> _Prepared:
    """Packages built and uploaded, and the template that leads to them."""
    _refuse_flags(flags)
    assert project.file is not None
    document = stack_template.load(project.file)
    made = _Prepared(_bucket(aws, project, flags), document)
    places: dict[str, Uploaded | str] = {}
    for plan in plans:
        if plan.inline:
            continue
        trained = training.ensure_model(plan, progress)
        built = shipped(aws, plan, progress, fresh=flags["fresh"])
        place = None
        if isinstance(built, ImageCode):
            places[plan.logical_id] = built.uri
        else:
            place = places[plan.logical_id] = _upload(aws, made.bucket, plan.name, built, progress)
        made.shipped[plan.logical_id] = (built, place, trained)
        made.notes += built.notes
    for logical_id, folder in stack_template.layers(document, project.file.parent).items():
        content = layers.build(layers.Recipe(folder, ""))
        places[logical_id] = _upload(aws, made.bucket, logical_id, content, progress)
        made.notes += content.notes
    made.document = stack_template.prepared(document, plans, places)
    return made


def _upload(
    aws: Aws, bucket: str, name: str, built: package.Package, progress: Progress
) -> Uploaded:
    start = time.monotonic()
    return upload.upload(
        aws, bucket, name, built,
        lambda sent, total: progress.count("uploading", sent, total, time.monotonic() - start),
    )  # fmt: skip


def _refuse_flags(flags: dict[str, Any]) -> None:
    given = [name for name in _OF_ONE_FUNCTION if flags.get(name)]
    given += ["env"] if flags.get("variables") else []
    if given:
        raise Problem(
            "USAGE",
            f"--{given[0]} is for a function; this project is deployed as a stack, as its template "
            "says",
            why="it holds more than functions",
            fix=f"make it a parameter (--parameter K=V)     or     lambent deploy FUNCTION --{given[0]} …",
            exit_code=USAGE,
        )


def _bucket(aws: Aws, project: Project, flags: dict[str, Any] | None = None) -> str:
    named = flags["bucket"] if flags else None
    known = (plan.extras.bucket for plan in project.functions if plan.extras.bucket)
    return str(named or next(known, None) or upload.default_bucket(aws))


def _template(
    aws: Aws, bucket: str, stack: str, document: dict[str, Any], parameters: dict[str, str]
) -> Template:
    return _stored(aws, bucket, stack, Template(stack_template.text(document), parameters))


def _stored(aws: Aws, bucket: str, stack: str, template: Template) -> Template:
    """In S3, where it is too large for a request."""
    if len(template.text.encode()) <= stacks.BODY_LIMIT:
        return template
    url = upload.text(aws, bucket, f"templates/{stack}", template.text)
    return Template(template.text, template.parameters, url)


def _standing(aws: Aws, plans: list[FunctionPlan]) -> dict[str, str]:
    """By the alias's resource: the version that a canary leaves it on."""
    found = {}
    for plan in plans:
        if deploy.find(aws.functions, plan.name) is None:
            continue
        alias = aliases.find(aws, plan.name, plan.alias)
        if alias is not None:
            found[stack_template.alias_id(plan)] = alias.version
    return found


def _function_facts(
    aws: Aws, plan: FunctionPlan, made: _Prepared, changes: tuple[Change, ...]
) -> dict[str, Any]:
    """The same members as a direct deploy's."""
    configuration = aws.functions.get_function_configuration(FunctionName=plan.name)
    alias = aliases.find(aws, plan.name, plan.alias)
    mine = next((one for one in changes if one.logical_id == plan.logical_id), None)
    built = made.shipped.get(plan.logical_id)
    card = training.card(plan)
    return {
        "function": plan.name,
        "arn": configuration["FunctionArn"],
        "version": alias.version if alias else "$LATEST",
        "alias": alias.name if alias else None,
        "weights": dict(alias.weights) if alias else {},
        "created": mine is not None and mine.action == "Add",
        "code_changed": mine is not None and (mine.action == "Add" or "Code" in mine.properties),
        "changed": [] if mine is None else [one for one in mine.properties if one != "Code"],
        **(shipped_facts(*built[:2]) if built else {"package": None, "image": None}),
        "model": {**card, "trained": built[2]} if card and built else None,
        "notes": list(built[0].notes) if built else [],
    }


def _deployed_lines(
    out: Output, aws: Aws, facts: dict[str, Any], changes: tuple[Change, ...]
) -> list[tuple[str, str]]:
    stack = facts["stack"]
    where = aws.endpoint_url or aws.region_name
    lines = [("stack", f"{stack['name']}  {str(stack['status']).lower()}  {where}")]
    lines += [("", _line(out, one)) for one in changes]
    for one in facts["functions"]:
        share = ", ".join(f"{v} {w:.0%}" for v, w in one["weights"].items())
        shown = f"  {share}" if len(one["weights"]) > 1 else ""
        alias = f" (alias {one['alias']}{shown})" if one["alias"] else ""
        lines.append(("live", f"{one['function']}:{one['version']}{alias}"))
    lines += [("output", f"{key}  {value}") for key, value in stack["outputs"].items()]
    lines.append(("took", f"{stack['seconds']} s, {len(changes) or 'no'} changes"))
    return lines


def _line(out: Output, change: Change) -> str:
    sign, colour = _SIGNS.get(change.action, ("?", "dim"))
    replaced = {"True": "  replaced", "Conditional": "  perhaps replaced"}
    what = f"  {', '.join(change.properties)}" if change.properties else ""
    head = out.style(f"{sign} {change.logical_id}", colour)
    return f"{head}  {change.kind}{what}{replaced.get(change.replacement, '')}"
