"""What functions' own traces tell of calls to AWS services: for `lambent iam policy-for`.

The X-Ray SDK and Powertools' tracer put each call of the AWS SDK into a subsegment of namespace
`aws`, with the service, the operation and the name of what it touched. From these come actions and
ARNs as IAM has them. It is the function's word: nobody checks it, so names are taken only as far as
they cannot be a wildcard, and whoever reads the policy is told where a statement comes from.
(AWS X-Ray developer guide, "X-Ray segment documents: AWS resource data".)
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from lambent.observe.traces import Document, Scope

FUNCTIONS_MAX: Final = 1_000
CALLS_MAX: Final = 500
"""Pairs of action and resource of one function."""
DEEPEST: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9_./#=@+:-]{1,256}")
_OPERATION: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,63}")
_PREFIXES: Final = {
    "monitoring": "cloudwatch", "email": "ses", "streams.dynamodb": "dynamodb",
    "runtime.sagemaker": "sagemaker", "sagemakerruntime": "sagemaker", "cloudwatchlogs": "logs",
    "eventbridge": "events", "sfn": "states", "stepfunctions": "states",
}  # fmt: skip
"""Names of services in subsegments that IAM calls something else."""
_SERVICE: Final = re.compile(r"[a-z0-9-]{2,40}")
_ACTIONS: Final = {
    "lambda:Invoke": ("InvokeFunction",),
    "lambda:InvokeWithResponseStream": ("InvokeFunction",),
    "s3:ListObjects": ("ListBucket",),
    "s3:ListObjectsV2": ("ListBucket",),
    "s3:HeadBucket": ("ListBucket",),
    "s3:ListBuckets": ("ListAllMyBuckets",),
    "s3:HeadObject": ("GetObject",),
    "s3:DeleteObjects": ("DeleteObject",),
    "s3:CopyObject": ("GetObject", "PutObject"),
    "s3:CreateMultipartUpload": ("PutObject",),
    "s3:UploadPart": ("PutObject",),
    "s3:CompleteMultipartUpload": ("PutObject",),
    "sqs:SendMessageBatch": ("SendMessage",),
    "sqs:DeleteMessageBatch": ("DeleteMessage",),
    "sqs:ChangeMessageVisibilityBatch": ("ChangeMessageVisibility",),
    "sns:PublishBatch": ("Publish",),
    "dynamodb:TransactGetItems": ("GetItem",),
    "dynamodb:TransactWriteItems": ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"),
}
"""Operations that are other actions to IAM; the rest have the operation's name."""

Call = tuple[str, str]
"""Action, and the ARN of what it touched or `*`."""


class ToldCalls:
    """By function, in memory; the functions that told something longest ago go first."""

    def __init__(self) -> None:
        self._by_function: OrderedDict[tuple[Scope, str], set[Call]] = OrderedDict()

    def note(self, scope: Scope, function: str, document: Document) -> None:
        found = list(calls(document, scope))
        if not found:
            return
        key = scope, function
        known = self._by_function.setdefault(key, set())
        self._by_function.move_to_end(key)
        known.update(found[: CALLS_MAX - len(known)])
        if len(self._by_function) > FUNCTIONS_MAX:
            self._by_function.popitem(last=False)

    def of(self, account: str, function: str) -> set[Call]:
        """In whatever region: a role has none."""
        return {
            call
            for ((owner, _), name), known in self._by_function.items()
            if (owner, name) == (account, function)
            for call in known
        }


def calls(document: Document, scope: Scope, depth: int = 0) -> Iterator[Call]:
    """All that a document and what is in it tell."""
    if document.get("namespace") == "aws":
        yield from _calls(document, scope)
    inner = document.get("subsegments")
    for one in inner if isinstance(inner, list) and depth < DEEPEST else ():
        if isinstance(one, dict):
            yield from calls(one, scope, depth + 1)


def _calls(document: Document, scope: Scope) -> Iterator[Call]:
    told = document.get("aws")
    name = re.sub(r"\s", "", str(document.get("name", ""))).lower()
    service = _PREFIXES.get(name, name)
    if not isinstance(told, dict) or not _SERVICE.fullmatch(service):
        return
    operation = str(told.get("operation", ""))
    if not _OPERATION.fullmatch(operation):
        return
    account, region = scope
    region = _named(told, "region") or region
    for action in _ACTIONS.get(f"{service}:{operation}", (operation,)):
        touched = list(_RESOURCES.get(service, _any)(told, action, f"{region}:{account}"))
        for resource in touched or ["*"]:
            yield f"{service}:{action}", resource


def _named(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""


def _any(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001  as its kin
    return iter(())


def _dynamodb(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001
    several = told.get("table_names")
    listed = [told.get("table_name"), *(several if isinstance(several, list) else ())]
    for name in listed:
        if isinstance(name, str) and _NAME.fullmatch(name):
            yield name if name.startswith("arn:") else f"arn:aws:dynamodb:{place}:table/{name}"


def _s3(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001
    bucket = _named(told, "bucket_name") or _named(told, "bucket")
    if bucket:
        of_objects = action.endswith("Object") or "Object" in action
        yield f"arn:aws:s3:::{bucket}/*" if of_objects else f"arn:aws:s3:::{bucket}"


def _sqs(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001
    parts = _named(told, "queue_url").split("/")
    region = place.partition(":")[0]
    if len(parts) > 4 and parts[-2].isdigit():
        yield f"arn:aws:sqs:{region}:{parts[-2]}:{parts[-1]}"


def _sns(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001
    if (arn := _named(told, "topic_arn")).startswith("arn:"):
        yield arn


def _lambda(told: Mapping[str, Any], action: str, place: str) -> Iterator[str]:  # noqa: ARG001
    if name := _named(told, "function_name"):
        yield name if name.startswith("arn:") else f"arn:aws:lambda:{place}:function:{name}"


_RESOURCES: Final[Mapping[str, Callable[[Mapping[str, Any], str, str], Iterator[str]]]] = {
    "dynamodb": _dynamodb, "s3": _s3, "sqs": _sqs, "sns": _sns, "lambda": _lambda,
}  # fmt: skip
