"""Capacity providers as resources of a stack.

(AWS CloudFormation template reference, AWS::Lambda::CapacityProvider.)
"""

from __future__ import annotations

from typing import Any, Final

from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, picked, tags_of


class CapacityProvider:
    name = "AWS::Lambda::CapacityProvider"
    replaced_by = frozenset(
        {
            "CapacityProviderName", "InstanceRequirements", "KmsKeyArn", "PermissionsConfig",
            "VpcConfig",
        }
    )  # fmt: skip
    _CHANGED: Final = ("CapacityProviderScalingConfig", "PropagateTags", "TelemetryConfig")

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        name = str(properties.get("CapacityProviderName") or world.name(logical_id))
        tags = tags_of(world, properties)
        parameters = picked(properties, *(self.replaced_by - {"CapacityProviderName"}))
        found = call(
            world.client("lambda"), "create_capacity_provider", CapacityProviderName=name,
            **parameters, **picked(properties, *self._CHANGED), **({"Tags": tags} if tags else {}),
        )["CapacityProvider"]  # fmt: skip
        return self._done(name, found)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        found = call(
            world.client("lambda"), "update_capacity_provider", CapacityProviderName=physical_id,
            **picked(new, *self._CHANGED),
        )["CapacityProvider"]  # fmt: skip
        return self._done(physical_id, found)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("lambda"), "delete_capacity_provider", CapacityProviderName=physical_id)

    @staticmethod
    def _done(name: str, found: dict[str, Any]) -> Done:
        arn = found["CapacityProviderArn"]
        return Done(name, {"Arn": arn, "State": found.get("State", "Active")})


KINDS: Final[tuple[Kind, ...]] = (CapacityProvider(),)
