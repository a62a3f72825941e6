"""GetTemplate, GetTemplateSummary, ValidateTemplate."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.api.cloudformation.wanted import stacks_of, template_text
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.stacks import document, graph
from lambent.stacks.document import Template
from lambent.stacks.wanted import EXPAND, required_capabilities


class GetTemplate(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str | None = None
    change_set_name: str | None = None
    template_stage: str = "Original"


class Given(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str | None = None
    template_body: str | None = None
    template_url: str | None = msgspec.field(default=None, name="TemplateURL")


async def get_template(ctx: Context, req: GetTemplate) -> Answer:
    """The text as it was given, or with `Processed` as the transform makes it."""
    stacks = stacks_of(ctx)
    if req.change_set_name is not None:
        _, change_set = stacks.change_sets.find(
            ctx.account, ctx.region, req.change_set_name, req.stack_name
        )
        text, values = change_set.template, change_set.parameters
    else:
        stack = stacks.book.find(ctx.account, ctx.region, req.stack_name or "")
        text, values = stack.template, stack.parameters
    if req.template_stage == "Processed":
        text = await stacks.workshop.run(lambda: document.processed(text, values, ctx.region))
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


async def get_template_summary(ctx: Context, req: Given) -> Answer:
    if req.stack_name is not None:
        text = stacks_of(ctx).book.find(ctx.account, ctx.region, req.stack_name).template
    else:
        text = await template_text(ctx, req, None)
    template = document.read(text)
    return {
        **_common(template),
        "Parameters": [_declaration(one) for one in template.parameters.values()],
        "ResourceTypes": sorted({one.kind for one in template.resources.values()}),
        "Metadata": msgspec.json.encode(template.metadata).decode() if template.metadata else None,
    }


async def validate_template(ctx: Context, req: Given) -> Answer:
    template = document.read(await template_text(ctx, req, None))
    graph.order(template)
    parameters: list[dict[str, Any]] = [
        {
            "ParameterKey": one.name,
            "DefaultValue": one.default,
            "NoEcho": one.no_echo,
            "Description": one.description or None,
        }
        for one in template.parameters.values()
    ]
    return {**_common(template), "Parameters": parameters}


def _common(template: Template) -> dict[str, Any]:
    iam = [one for one in template.resources.values() if one.kind.startswith("AWS::IAM::")]
    capabilities = required_capabilities(template)
    if template.transforms:
        capabilities.append(EXPAND)
    return {
        "Description": template.description or None,
        "Capabilities": capabilities,
        "CapabilitiesReason": (
            "The following resource(s) require capabilities: "
            f"[{', '.join(sorted({one.kind for one in iam}))}]"
            if iam
            else None
        ),
        "DeclaredTransforms": list(template.transforms),
    }


def _declaration(one: document.Parameter) -> dict[str, Any]:
    return {
        "ParameterKey": one.name,
        "DefaultValue": one.default,
        "ParameterType": one.kind,
        "NoEcho": one.no_echo,
        "Description": one.description or None,
        "ParameterConstraints": {"AllowedValues": list(one.allowed)} if one.allowed else {},
    }


OPERATIONS = (
    Operation("GetTemplate", GetTemplate, get_template),
    Operation("GetTemplateSummary", Given, get_template_summary),
    Operation("ValidateTemplate", Given, validate_template),
)
