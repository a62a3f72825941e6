"""Code signing configs as resources of a stack."""

from __future__ import annotations

from typing import Final

from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, picked, required, tags_of

_MEMBERS: Final = ("AllowedPublishers", "CodeSigningPolicies", "Description")


class CodeSigningConfig:
    name = "AWS::Lambda::CodeSigningConfig"
    replaced_by: frozenset[str] = frozenset()

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, "AllowedPublishers")
        parameters = picked(properties, *_MEMBERS)
        if tags := tags_of(world, properties):
            parameters["Tags"] = tags
        made = call(world.client("lambda"), "create_code_signing_config", **parameters)
        config = made["CodeSigningConfig"]
        return Done(
            config["CodeSigningConfigArn"],
            {
                "CodeSigningConfigArn": config["CodeSigningConfigArn"],
                "CodeSigningConfigId": config["CodeSigningConfigId"],
            },
        )

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        client = world.client("lambda")
        parameters = picked(new, *_MEMBERS)
        if "Description" in old:
            parameters.setdefault("Description", "")
        if "CodeSigningPolicies" in old:
            default = {"UntrustedArtifactOnDeployment": "Warn"}
            parameters.setdefault("CodeSigningPolicies", default)
        call(client, "update_code_signing_config", CodeSigningConfigArn=physical_id, **parameters)
        identity = {
            "CodeSigningConfigArn": physical_id,
            "CodeSigningConfigId": physical_id.rpartition(":")[2],
        }
        return Done(physical_id, identity)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        client = world.client("lambda")
        delete(client, "delete_code_signing_config", CodeSigningConfigArn=physical_id)


KINDS: Final[tuple[Kind, ...]] = (CodeSigningConfig(),)
