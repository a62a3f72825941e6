"""Managed policies of one's own; each has the one version v1."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from lambent.api.context import Context
from lambent.api.iam.roles import identities_of, moment
from lambent.api.operation import Answer, Operation
from lambent.control.iam.made import MadePolicy
from lambent.errors import IamError


class CreatePolicy(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    policy_name: str
    policy_document: str
    path: str = "/"
    description: str = ""


class Named(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    policy_arn: str
    version_id: str = "v1"


class ListPolicies(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    path_prefix: str = "/"


async def create_policy(ctx: Context, req: CreatePolicy) -> Answer:
    made = await identities_of(ctx).create_policy(
        ctx.account, req.policy_name, req.path, req.policy_document, req.description
    )
    return {"Policy": _shown(ctx, made)}


async def get_policy(ctx: Context, req: Named) -> Answer:
    return {"Policy": _shown(ctx, identities_of(ctx).policy(ctx.account, req.policy_arn))}


async def get_policy_version(ctx: Context, req: Named) -> Answer:
    found = identities_of(ctx).policy(ctx.account, req.policy_arn)
    if req.version_id != "v1":
        raise IamError(
            "NoSuchEntity", f"Policy {found.arn} version {req.version_id} does not exist.", 404
        )
    return {"PolicyVersion": _version(found) | {"Document": quote(found.text, safe="")}}


async def list_policy_versions(ctx: Context, req: Named) -> Answer:
    found = identities_of(ctx).policy(ctx.account, req.policy_arn)
    return {"Versions": [_version(found)], "IsTruncated": False}


async def list_policies(ctx: Context, req: ListPolicies) -> Answer:
    found = identities_of(ctx).policies(ctx.account)
    kept = [_shown(ctx, one) for one in found if one.path.startswith(req.path_prefix)]
    return {"Policies": kept, "IsTruncated": False}


async def delete_policy(ctx: Context, req: Named) -> Answer:
    await identities_of(ctx).delete_policy(ctx.account, req.policy_arn)
    return None


def _shown(ctx: Context, policy: MadePolicy) -> dict[str, Any]:
    roles = identities_of(ctx).roles(ctx.account)
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": "v1",
        "AttachmentCount": sum(policy.arn in one.attached for one in roles),
        "PermissionsBoundaryUsageCount": sum(policy.arn == one.boundary for one in roles),
        "IsAttachable": True,
        "Description": policy.description or None,
        "CreateDate": moment(policy.created_ms),
        "UpdateDate": moment(policy.created_ms),
    }


def _version(policy: MadePolicy) -> dict[str, Any]:
    return {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": moment(policy.created_ms)}


OPERATIONS = (
    Operation("CreatePolicy", CreatePolicy, create_policy),
    Operation("GetPolicy", Named, get_policy),
    Operation("GetPolicyVersion", Named, get_policy_version),
    Operation("ListPolicyVersions", Named, list_policy_versions),
    Operation("ListPolicies", ListPolicies, list_policies),
    Operation("DeletePolicy", Named, delete_policy),
)
