"""`lambent diff`: what a deploy would change. Nothing is changed, and the exit code is 0 either way.

Values of environment variables may be secrets, so they are shown with `--values` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import click

from lambent.cli import stacked
from lambent.cli.options import Options, Verb
from lambent.cli.output import Output
from lambent.cli.plans import plan_options, planned, shipped
from lambent.delivery import ways
from lambent.delivery.aws import Aws
from lambent.delivery.deploy import Change
from lambent.delivery.difference import Difference, difference
from lambent.delivery.template import FunctionPlan

_SHOWN: Final = 20


@click.command(cls=Verb)
@click.argument("functions", nargs=-1)
@plan_options
@click.option("--values", is_flag=True, help="Show the values of environment variables.")
@click.pass_obj
def command(
    options: Options,
    /,
    functions: tuple[str, ...],
    values: bool,  # noqa: FBT001  click passes by name
    **flags: Any,
) -> None:
    """Show what a deploy of FUNCTIONS of template.yaml (all by default) would change."""
    aws = options.target()
    out = Output(options)
    project, plans = planned(aws, functions, flags)
    if ways.by_stack(aws, project, functions):
        stacked.diff_stack(options, aws, project, plans, flags)
        return
    found = []
    with out.progress() as progress:
        for plan in plans:
            built = shipped(aws, plan, progress, fresh=flags["fresh"], send=False)
            progress("comparing with what is live")
            one = difference(aws, plan, built)
            progress.clear()
            found.append(_facts(plan, one, values=values))
            if not out.as_json:
                _show(out, aws, one, found[-1])
            for note in (*built.notes, *found[-1]["notes"]):
                out.note(note)
    if project.not_deployed:
        out.note(
            "not looked at beside functions that are named: " + ", ".join(project.not_deployed)
        )
    if out.as_json:
        out.result({"functions": found, "not_deployed": list(project.not_deployed)}, [])
    if any(facts["changes"] for facts in found):
        out.hints("lambent deploy" + "".join(f" {name}" for name in functions))


def _facts(plan: FunctionPlan, found: Difference, *, values: bool) -> dict[str, Any]:
    notes = list(found.notes)
    extras = plan.extras
    if extras.model and not (plan.folder / extras.model).exists():
        notes.append(f"{extras.model} is missing: a deploy would train it first, and ship it")
    files = found.files
    return {
        "function": found.function,
        "exists": found.exists,
        "changes": not found.nothing,
        "code": {
            "changed": found.code_changes,
            "before": found.sha256_before,
            "after": found.sha256_after,
            "files": None
            if files is None
            else {
                "added": list(files.added),
                "changed": list(files.changed),
                "removed": list(files.removed),
            },
        },
        "configuration": [
            {"field": field, "before": before, "after": after}
            for change in found.configuration
            for field, before, after in _unfolded(change, values=values)
        ],
        "alias": {
            "name": found.alias,
            "before": found.version,
            "after": found.target,
            "weights": dict(found.weights),
        },
        "notes": notes,
    }


def _unfolded(change: Change, *, values: bool) -> list[tuple[str, Any, Any]]:
    """Environment variables one by one; the rest as it is."""
    if change.field != "Environment":
        return [(change.field, change.before, change.after)]
    before, after = change.before["Variables"], change.after["Variables"]

    def shown(variables: dict[str, str], name: str) -> str | None:
        if name not in variables:
            return None
        return variables[name] if values else "(hidden)"

    return [
        (f"Environment.{name}", shown(before, name), shown(after, name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _show(out: Output, aws: Aws, found: Difference, facts: dict[str, Any]) -> None:
    where = aws.endpoint_url or aws.region_name
    if found.nothing:
        out.result({}, [(found.function, f"no changes; {found.alias} is on {found.version}")])
        return
    print(f"  {out.style(found.function, 'bold')}  {where}{'' if found.exists else '  (new)'}")
    lines: list[tuple[str, str]] = []
    if found.code_changes:
        before = (found.sha256_before or "none")[:12]
        lines.append(("code", f"{before} → {found.sha256_after[:12]}"))
    if found.files is not None:
        lines += [("", line) for line in _listed("+", found.files.added, out, "green")]
        lines += [("", line) for line in _listed("~", found.files.changed, out, "yellow")]
        lines += [("", line) for line in _listed("-", found.files.removed, out, "red")]
    for change in facts["configuration"]:
        before, after = _value(change["before"]), _value(change["after"])
        lines.append(("config", f"{change['field']}  {before} → {after}"))
    before = "none" if found.version is None else found.version
    if len(found.weights) > 1:
        before = ", ".join(f"{v} {w * 100:.4g} %" for v, w in found.weights.items())
    lines.append(("alias", f"{found.alias}  {before} → {found.target or 'a new version'}"))
    out.result({}, lines)


def _listed(sign: str, names: Sequence[str], out: Output, colour: str) -> list[str]:
    lines = [out.style(f"{sign} {name}", colour) for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        lines.append(f"{sign} {len(names) - _SHOWN} more (--json has them all)")
    return lines


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value.values())))
    return str(value) if value != "" else "''"
