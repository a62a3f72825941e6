"""`lambent deploy --target aws --dry-run`: the commands, for the user's account, region and project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambent.cli.output import Output
from lambent.cli.plans import recipe
from lambent.delivery import aws_commands, package
from lambent.delivery.aws import Aws
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.template import FunctionPlan, Project

Planned = Callable[[Aws], tuple[Project, list[FunctionPlan]]]


def run(out: Output, aws: Aws, planned: Planned, flags: dict[str, Any]) -> None:
    """Print what a deployment to AWS would run; nothing is called but STS."""
    if not aws.is_aws:
        raise Problem(
            "USAGE",
            "--dry-run prints the commands for AWS",
            fix="--target aws --dry-run     or     lambent diff, for a server of your own",
            exit_code=USAGE,
        )
    # A template is read for a region, whether or not the user has one yet.
    reading = Aws(None, aws.profile, region(aws) or "us-east-1")
    project, plans = planned(reading)
    folder = flags["write"]
    for plan in plans if folder is not None else ():
        folder.mkdir(parents=True, exist_ok=True)
        built = package.build(recipe(reading, plan, fresh=flags["fresh"]))
        (folder / f"{plan.name}.zip").write_bytes(built.data)
    where = aws_commands.Where(
        account(aws) or aws_commands.ACCOUNT,
        region(aws) or aws_commands.REGION,
        flags["image"],
        folder or Path(),
    )
    _print(out, where, plans)
    for name in (*project.not_deployed, *(one.name for one in project.gateways)):
        out.note(f"not in these commands: {name}")
    if folder is None and not where.image:
        out.note("NAME.zip is written with --write FOLDER")


def region(aws: Aws) -> str | None:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = aws.region or boto3.Session(profile_name=aws.profile).region_name
    except BotoCoreError:
        return None
    return str(found) if found else None


def account(aws: Aws) -> str | None:
    """STS's answer where there are credentials; None where there are none, or it does not answer."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    # Looking for an instance's role takes seconds on a laptop.
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    try:
        session = boto3.Session(profile_name=aws.profile, region_name=region(aws) or "us-east-1")
        if session.get_credentials() is None:
            return None
        quick: Any = {
            "connect_timeout": 3,
            "read_timeout": 3,
            "retries": {"total_max_attempts": 1},
            # AWS itself, whatever server is used otherwise.
            "ignore_configured_endpoint_urls": True,
        }
        return str(session.client("sts", config=Config(**quick)).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError):
        return None


def _print(out: Output, where: aws_commands.Where, plans: list[FunctionPlan]) -> None:
    functions: list[dict[str, Any]] = []
    for plan in plans:
        found = aws_commands.steps(plan, where)
        told = [{"title": one.title, "commands": list(one.commands)} for one in found]
        functions.append({"function": plan.name, "steps": told})
        if not out.as_json:
            print(aws_commands.script(found) + "\n")
    said = aws_commands.notes(where)
    if out.as_json:
        facts = {"account": where.account, "region": where.region, "functions": functions}
        out.result({**facts, "notes": said}, [])
    for note in said:
        out.note(note)
