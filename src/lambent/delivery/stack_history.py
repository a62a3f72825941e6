"""The templates that a project's stack has had, in its bucket: what `lambent rollback` goes back to.

CloudFormation keeps only the template that is live. Each deployment that succeeded leaves its own
beside the packages, which stay there too, so that going back is one more change of the same stack.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambent.delivery.aws import Aws
from lambent.delivery.problem import Problem
from lambent.delivery.stacks import Template


@dataclass(frozen=True, slots=True)
class Entry:
    """One deployment."""

    key: str
    deployed: str
    """When, in UTC."""
    template: Template


def record(aws: Aws, bucket: str, stack: str, template: Template) -> None:
    """Remember what is live from now on."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    key = f"{_prefix(stack)}{stamp}.{time.time_ns() % 1_000_000_000:09}.json"
    body = {"deployed": stamp, "template": template.text, "parameters": dict(template.parameters)}
    aws.client("s3").put_object(
        Bucket=bucket, Key=key, Body=json.dumps(body).encode(), ContentType="application/json"
    )


def before(aws: Aws, bucket: str, stack: str) -> Entry:
    """What was live before what is; raises `Problem` when there is none."""
    live = _parsed(
        aws.client("cloudformation").get_template(StackName=stack, TemplateStage="Original")[
            "TemplateBody"
        ]
    )
    past = None
    entries = _entries(aws, bucket, stack)
    # The newest entry of the live template; what is newer was gone back from.
    at = next((i for i, one in enumerate(entries) if _parsed(one.template.text) == live), -1)
    for one in entries[at + 1 :]:
        if _parsed(one.template.text) != live:
            past = one
            break
    if past is None:
        raise Problem(
            "NOTHING_TO_ROLL_BACK",
            f"no template of the stack {stack} is known from before",
            why=f"s3://{bucket}/{_prefix(stack)} has the ones that lambent deployed",
            fix="deploy the sources of then: git checkout … && lambent deploy",
        )
    return past


def _entries(aws: Aws, bucket: str, stack: str) -> list[Entry]:
    """Newest first."""
    s3 = aws.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_prefix(stack))
    keys = sorted((one["Key"] for page in pages for one in page.get("Contents", ())), reverse=True)
    found = []
    for key in keys[:50]:
        facts = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        template = Template(facts["template"], facts["parameters"])
        found.append(Entry(key, facts["deployed"], template))
    return found


def _parsed(template: str | Mapping[str, Any]) -> Any:
    """boto3 gives a JSON template as what it says."""
    return json.loads(template) if isinstance(template, str) else json.loads(json.dumps(template))


def _prefix(stack: str) -> str:
    return f"stacks/{stack}/"
