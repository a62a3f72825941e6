"""Roles: create, get, list, change, tag, delete, and their inline and attached policies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.control.iam.made import MadeIdentities, MadeRole, check_trust, permissions
from lambent.errors import IamError


class Tag(msgspec.Struct, frozen=True, rename="pascal"):
    key: str
    value: str = ""


class Named(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    role_name: str


class CreateRole(Named, frozen=True, kw_only=True, rename="pascal"):
    assume_role_policy_document: str
    path: str = "/"
    description: str = ""
    max_session_duration: int = 3600
    permissions_boundary: str = ""
    tags: list[Tag] = []


class UpdateTrust(Named, frozen=True, kw_only=True, rename="pascal"):
    policy_document: str


class UpdateRole(Named, frozen=True, kw_only=True, rename="pascal"):
    description: str | None = None
    max_session_duration: int | None = None


class Inline(Named, frozen=True, kw_only=True, rename="pascal"):
    policy_name: str
    policy_document: str = ""


class Attached(Named, frozen=True, kw_only=True, rename="pascal"):
    policy_arn: str


class Tags(Named, frozen=True, kw_only=True, rename="pascal"):
    tags: list[Tag] = []
    tag_keys: list[str] = []


class ListRoles(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    path_prefix: str = "/"


def identities_of(ctx: Context) -> MadeIdentities:
    """Raises `IamError` where the settings name an IAM."""
    if ctx.services.identities is None:
        raise IamError(
            "InvalidAction",
            "This server's settings name an IAM endpoint, so it keeps no roles itself: set "
            "AWS_ENDPOINT_URL_IAM to that endpoint, too",
            400,
        )
    return ctx.services.identities


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms // 1000, UTC)


async def create_role(ctx: Context, req: CreateRole) -> Answer:
    made = await identities_of(ctx).create(
        ctx.account,
        req.role_name,
        req.path,
        req.assume_role_policy_document,
        description=req.description,
        longest_session_s=req.max_session_duration,
        boundary=req.permissions_boundary,
        tags={one.key: one.value for one in req.tags},
    )
    return {"Role": shown(made)}


async def get_role(ctx: Context, req: Named) -> Answer:
    return {"Role": shown(identities_of(ctx).get(ctx.account, req.role_name))}


async def list_roles(ctx: Context, req: ListRoles) -> Answer:
    found = identities_of(ctx).roles(ctx.account)
    kept = [shown(one) for one in found if one.path.startswith(req.path_prefix)]
    return {"Roles": kept, "IsTruncated": False}


async def update_assume_role_policy(ctx: Context, req: UpdateTrust) -> Answer:
    text = check_trust(req.policy_document)
    await _change(ctx, req.role_name, trust=text)
    return None


async def update_role(ctx: Context, req: UpdateRole) -> Answer:
    given: dict[str, Any] = {
        "description": req.description,
        "longest_session_s": req.max_session_duration,
    }
    await _change(ctx, req.role_name, **{k: v for k, v in given.items() if v is not None})
    return {}


async def delete_role(ctx: Context, req: Named) -> Answer:
    def gone(role: MadeRole) -> None:
        if role.attached:
            raise IamError(
                "DeleteConflict", "Cannot delete entity, must detach all policies first.", 409
            )
        if role.inline:
            raise IamError(
                "DeleteConflict", "Cannot delete entity, must delete policies first.", 409
            )

    await identities_of(ctx).change(ctx.account, req.role_name, gone)
    return None


async def put_role_policy(ctx: Context, req: Inline) -> Answer:
    permissions(req.policy_document)
    inline = {req.policy_name: req.policy_document}
    await identities_of(ctx).change(
        ctx.account,
        req.role_name,
        lambda role: msgspec.structs.replace(role, inline=role.inline | inline),
    )
    return None


async def get_role_policy(ctx: Context, req: Inline) -> Answer:
    role = identities_of(ctx).get(ctx.account, req.role_name)
    text = role.inline.get(req.policy_name)
    if text is None:
        raise _no_policy(req.policy_name)
    return {
        "RoleName": role.name,
        "PolicyName": req.policy_name,
        "PolicyDocument": quote(text, safe=""),
    }


async def delete_role_policy(ctx: Context, req: Inline) -> Answer:
    def without(role: MadeRole) -> MadeRole:
        if req.policy_name not in role.inline:
            raise _no_policy(req.policy_name)
        left = {key: text for key, text in role.inline.items() if key != req.policy_name}
        return msgspec.structs.replace(role, inline=left)

    await identities_of(ctx).change(ctx.account, req.role_name, without)
    return None


async def list_role_policies(ctx: Context, req: Named) -> Answer:
    role = identities_of(ctx).get(ctx.account, req.role_name)
    return {"PolicyNames": sorted(role.inline), "IsTruncated": False}


async def attach_role_policy(ctx: Context, req: Attached) -> Answer:
    identities = identities_of(ctx)
    identities.check_attachable(ctx.account, req.policy_arn)
    await identities.change(
        ctx.account,
        req.role_name,
        lambda role: msgspec.structs.replace(
            role, attached=sorted({*role.attached, req.policy_arn})
        ),
    )
    return None


async def detach_role_policy(ctx: Context, req: Attached) -> Answer:
    def without(role: MadeRole) -> MadeRole:
        if req.policy_arn not in role.attached:
            raise IamError("NoSuchEntity", f"Policy {req.policy_arn} was not found.", 404)
        left = [one for one in role.attached if one != req.policy_arn]
        return msgspec.structs.replace(role, attached=left)

    await identities_of(ctx).change(ctx.account, req.role_name, without)
    return None


async def list_attached_role_policies(ctx: Context, req: Named) -> Answer:
    role = identities_of(ctx).get(ctx.account, req.role_name)
    found = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in role.attached]
    return {"AttachedPolicies": found, "IsTruncated": False}


async def tag_role(ctx: Context, req: Tags) -> Answer:
    tags = {one.key: one.value for one in req.tags}
    await identities_of(ctx).change(
        ctx.account,
        req.role_name,
        lambda role: msgspec.structs.replace(role, tags=role.tags | tags),
    )
    return None


async def untag_role(ctx: Context, req: Tags) -> Answer:
    await identities_of(ctx).change(
        ctx.account,
        req.role_name,
        lambda role: msgspec.structs.replace(
            role, tags={k: v for k, v in role.tags.items() if k not in req.tag_keys}
        ),
    )
    return None


async def list_role_tags(ctx: Context, req: Named) -> Answer:
    role = identities_of(ctx).get(ctx.account, req.role_name)
    return {"Tags": _tags(role), "IsTruncated": False}


async def list_instance_profiles_for_role(ctx: Context, req: Named) -> Answer:
    """There are none; Terraform asks before it deletes a role."""
    identities_of(ctx).get(ctx.account, req.role_name)
    return {"InstanceProfiles": [], "IsTruncated": False}


async def _change(ctx: Context, name: str, **members: Any) -> None:
    await identities_of(ctx).change(
        ctx.account, name, lambda role: msgspec.structs.replace(role, **members)
    )


def shown(role: MadeRole) -> dict[str, Any]:
    """As GetRole answers; documents travel percent-encoded."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": moment(role.created_ms),
        "AssumeRolePolicyDocument": quote(role.trust, safe=""),
        "Description": role.description or None,
        "MaxSessionDuration": role.longest_session_s,
        "Tags": _tags(role) or None,
    }


def _tags(role: MadeRole) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in role.tags.items()]


def _no_policy(name: str) -> IamError:
    return IamError("NoSuchEntity", f"The role policy with name {name} cannot be found.", 404)


OPERATIONS = (
    Operation("CreateRole", CreateRole, create_role),
    Operation("GetRole", Named, get_role),
    Operation("ListRoles", ListRoles, list_roles),
    Operation("UpdateAssumeRolePolicy", UpdateTrust, update_assume_role_policy),
    Operation("UpdateRole", UpdateRole, update_role),
    Operation("DeleteRole", Named, delete_role),
    Operation("PutRolePolicy", Inline, put_role_policy),
    Operation("GetRolePolicy", Inline, get_role_policy),
    Operation("DeleteRolePolicy", Inline, delete_role_policy),
    Operation("ListRolePolicies", Named, list_role_policies),
    Operation("AttachRolePolicy", Attached, attach_role_policy),
    Operation("DetachRolePolicy", Attached, detach_role_policy),
    Operation("ListAttachedRolePolicies", Named, list_attached_role_policies),
    Operation("TagRole", Tags, tag_role),
    Operation("UntagRole", Tags, untag_role),
    Operation("ListRoleTags", Named, list_role_tags),
    Operation("ListInstanceProfilesForRole", Named, list_instance_profiles_for_role),
)
