"""AWS::IAM::Role and policies: at the configured IAM, or, where there is none, at this server's own.

(AWS CloudFormation template reference, AWS::IAM.)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lambent.stacks.errors import ResourceError
from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, picked, required, tags_of


def _text(document: Any) -> str:
    return document if isinstance(document, str) else msgspec.json.encode(document).decode()


class Role:
    name = "AWS::IAM::Role"
    replaced_by = frozenset({"RoleName", "Path"})

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "AssumeRolePolicyDocument")
        name = str(properties.get("RoleName") or self.generated(world, logical_id))
        client = world.client("iam")
        tags = [{"Key": k, "Value": v} for k, v in tags_of(world, properties).items()]
        call(
            client, "create_role", RoleName=name, Path=properties.get("Path", "/"),
            AssumeRolePolicyDocument=_text(properties["AssumeRolePolicyDocument"]),
            **picked(properties, "Description", "MaxSessionDuration", "PermissionsBoundary"),
            **({"Tags": tags} if tags else {}),
        )  # fmt: skip
        try:
            self._grant(client, name, {}, properties)
        except ResourceError:
            self.delete(world, name, properties)
            raise
        return self._done(client, name)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        client = world.client("iam")
        call(
            client, "update_assume_role_policy", RoleName=physical_id,
            PolicyDocument=_text(new["AssumeRolePolicyDocument"]),
        )  # fmt: skip
        described = picked(new, "Description", "MaxSessionDuration")
        if described != picked(old, "Description", "MaxSessionDuration"):
            call(client, "update_role", RoleName=physical_id, **described)
        self._grant(client, physical_id, old, new)
        return self._done(client, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        client = world.client("iam")
        self._grant(client, physical_id, properties or self._granted(client, physical_id), {})
        delete(client, "delete_role", RoleName=physical_id)

    @staticmethod
    def _granted(client: Any, name: str) -> dict[str, Any]:
        """What a role has, where only its name is known."""
        attached = call(client, "list_attached_role_policies", RoleName=name)["AttachedPolicies"]
        inline = call(client, "list_role_policies", RoleName=name)["PolicyNames"]
        return {
            "ManagedPolicyArns": [one["PolicyArn"] for one in attached],
            "Policies": [{"PolicyName": one, "PolicyDocument": {}} for one in inline],
        }

    @staticmethod
    def _grant(client: Any, name: str, old: Properties, new: Properties) -> None:
        """Attached and inline policies, from what they were to what they shall be."""
        before, after = old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or []
        for arn in before:
            if arn not in after:
                delete(client, "detach_role_policy", RoleName=name, PolicyArn=arn)
        for arn in after:
            if arn not in before:
                call(client, "attach_role_policy", RoleName=name, PolicyArn=arn)
        inline = {one["PolicyName"]: one["PolicyDocument"] for one in new.get("Policies") or []}
        for one in old.get("Policies") or []:
            if one["PolicyName"] not in inline:
                delete(client, "delete_role_policy", RoleName=name, PolicyName=one["PolicyName"])
        for policy, document in inline.items():
            call(
                client, "put_role_policy", RoleName=name, PolicyName=policy,
                PolicyDocument=_text(document),
            )  # fmt: skip

    @staticmethod
    def _done(client: Any, name: str) -> Done:
        found = call(client, "get_role", RoleName=name)["Role"]
        return Done(name, {"Arn": found["Arn"], "RoleId": found["RoleId"]})


class Policy:
    """Inline policy of roles, AWS::IAM::Policy."""

    name = "AWS::IAM::Policy"
    replaced_by = frozenset({"PolicyName"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "PolicyDocument", "PolicyName")
        self._put(world, {}, properties)
        return Done(world.name(logical_id), {"Id": properties["PolicyName"]})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        self._put(world, old, new)
        return Done(physical_id, {"Id": new["PolicyName"]})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        self._put(world, properties, {})

    @staticmethod
    def _put(world: World, old: Properties, new: Properties) -> None:
        client = world.client("iam")
        wanted = new.get("Roles") or []
        for role in old.get("Roles") or []:
            if role not in wanted:
                delete(client, "delete_role_policy", RoleName=role, PolicyName=old["PolicyName"])
        for role in wanted:
            call(
                client, "put_role_policy", RoleName=role, PolicyName=new["PolicyName"],
                PolicyDocument=_text(new["PolicyDocument"]),
            )  # fmt: skip


class ManagedPolicy:
    name = "AWS::IAM::ManagedPolicy"
    replaced_by = frozenset({"ManagedPolicyName", "Path", "PolicyDocument", "Description"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "PolicyDocument")
        name = str(properties.get("ManagedPolicyName") or world.name(logical_id))
        found = call(
            world.client("iam"), "create_policy", PolicyName=name,
            Path=properties.get("Path", "/"), PolicyDocument=_text(properties["PolicyDocument"]),
            **picked(properties, "Description"),
        )  # fmt: skip
        arn = found["Policy"]["Arn"]
        self._attach(world, arn, {}, properties)
        return Done(arn, {"PolicyArn": arn, "PolicyId": found["Policy"]["PolicyId"]})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        self._attach(world, physical_id, old, new)
        return Done(physical_id, {"PolicyArn": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        self._attach(world, physical_id, properties, {})
        delete(world.client("iam"), "delete_policy", PolicyArn=physical_id)

    @staticmethod
    def _attach(world: World, arn: str, old: Properties, new: Properties) -> None:
        client = world.client("iam")
        before, after = old.get("Roles") or [], new.get("Roles") or []
        for role in before:
            if role not in after:
                delete(client, "detach_role_policy", RoleName=role, PolicyArn=arn)
        for role in after:
            if role not in before:
                call(client, "attach_role_policy", RoleName=role, PolicyArn=arn)


KINDS: Final[tuple[Kind, ...]] = (Role(), Policy(), ManagedPolicy())
