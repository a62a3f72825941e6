"""Which way a project is deployed: by calls to Lambda alone, or as a CloudFormation stack.

One question decides, and only here: would the direct calls leave something of the template out? A
project of plain functions goes directly, because that takes a fraction of a second and no bucket,
where a change set takes several calls, an upload and their waiting. Whatever else a template holds
(roles, queues, mappings, URLs, layers, an API on AWS) needs CloudFormation's order, references and
rollback, and goes as a stack, here and on AWS alike. A project whose stack exists stays with it, so
that what is taken out of the template goes. Functions that are named are deployed directly, alone.
"""

from __future__ import annotations

from lambent.delivery import stacks
from lambent.delivery.aws import Aws
from lambent.delivery.template import Project


def left_out(aws: Aws, project: Project) -> list[str]:
    """What the direct calls would not deploy."""
    apis = [gateway.name for gateway in project.gateways] if aws.is_aws else []
    return [*project.not_deployed, *apis]


def by_stack(aws: Aws, project: Project, functions: tuple[str, ...]) -> bool:
    """Whether the project goes as a stack; `functions` are those that the caller has named."""
    if project.file is None or functions:
        return False
    return bool(left_out(aws, project)) or stacks.exists(aws, project.stack)
