"""What CreateStack, UpdateStack and CreateChangeSet have in common: template, parameters, tags."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from lambent.api.context import Context
from lambent.errors import StackError
from lambent.stacks.document import BODY_LIMIT, URL_LIMIT
from lambent.stacks.rooms import StackRooms
from lambent.stacks.stack import Stack
from lambent.stacks.wanted import Wanted


class Parameter(msgspec.Struct, frozen=True, rename="pascal"):
    parameter_key: str = ""
    parameter_value: str | None = None
    use_previous_value: bool = False


class Tag(msgspec.Struct, frozen=True, rename="pascal"):
    key: str
    value: str = ""


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members that those three operations share."""

    stack_name: str
    template_body: str | None = None
    template_url: str | None = msgspec.field(default=None, name="TemplateURL")
    use_previous_template: bool = False
    parameters: list[Parameter] = []
    tags: list[Tag] = []
    capabilities: list[str] = []
    role_arn: str = msgspec.field(default="", name="RoleARN")
    notification_arns: list[str] = msgspec.field(default_factory=list, name="NotificationARNs")


def stacks_of(ctx: Context) -> StackRooms:
    assert ctx.services.stacks is not None
    return ctx.services.stacks


async def wanted(ctx: Context, asked: Asked, current: Stack | None) -> Wanted:
    """What is asked for, with the template's text at hand; raises `StackError`."""
    text = await template_text(ctx, asked, current)
    return Wanted(
        template=text,
        parameters={
            one.parameter_key: one.parameter_value
            for one in asked.parameters
            if one.parameter_value is not None and not one.use_previous_value
        },
        keep=frozenset(one.parameter_key for one in asked.parameters if one.use_previous_value),
        tags={tag.key: tag.value for tag in asked.tags},
        capabilities=frozenset(asked.capabilities),
        role_arn=asked.role_arn,
        notifications=tuple(asked.notification_arns),
        access_key=ctx.access_key,
    )


async def template_text(ctx: Context, asked: Any, current: Stack | None) -> str:
    """Of a request with TemplateBody, TemplateURL or UsePreviousTemplate."""
    body, url = asked.template_body, asked.template_url
    if getattr(asked, "use_previous_template", False):
        if current is None:
            raise StackError("UsePreviousTemplate: there is no stack with a template yet")
        return current.template
    if (body is None) == (url is None):
        raise StackError("Either Template URL or Template Body must be specified.")
    if body is not None:
        if len(body.encode()) > BODY_LIMIT:
            raise StackError(
                "1 validation error detected: Value at 'templateBody' failed to satisfy "
                f"constraint: Member must have length less than or equal to {BODY_LIMIT}"
            )
        return str(body)
    assert url is not None
    return await _fetch(ctx, url)


async def _fetch(ctx: Context, url: str) -> str:
    """A template in S3, here or at the configured endpoint, as whoever asks may read it."""
    bucket, key = _place(url)
    from botocore.exceptions import BotoCoreError, ClientError

    buckets = ctx.services.buckets

    def get() -> bytes:
        here = buckets is not None and buckets.has(bucket)
        clients = stacks_of(ctx).clients
        client = (
            clients.client("s3", ctx.account, ctx.region, ctx.access_key)
            if here
            else clients.companion("s3", ctx.region)
        )
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            return bytes(body.read(URL_LIMIT + 1))

    try:
        text = await asyncio.get_running_loop().run_in_executor(None, get)
    except ClientError as error:
        raise StackError(f"S3 error: {error.response['Error'].get('Message', '')}") from None
    except BotoCoreError as error:
        raise StackError(f"S3 error: {error}") from None
    if len(text) > URL_LIMIT:
        raise StackError(f"Template size is larger than {URL_LIMIT} bytes")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise StackError("Template format error: the template is not text in UTF-8") from None


def _place(url: str) -> tuple[str, str]:
    """Bucket and key of `https://s3.region.amazonaws.com/b/k`, `https://b.s3.….com/k`, `…/b/k`."""
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path.lstrip("/"))
    first, _, rest = host.partition(".")
    if host.endswith(".amazonaws.com") and not first.startswith("s3") and rest.startswith("s3"):
        return first, path
    bucket, _, key = path.partition("/")
    if not bucket or not key or parts.scheme not in ("http", "https", "s3"):
        raise StackError("TemplateURL must be a supported URL.")
    return (host, path) if parts.scheme == "s3" else (bucket, key)
