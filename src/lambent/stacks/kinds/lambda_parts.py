"""What belongs to a Lambda function: versions, aliases, permissions, URLs, layers, mappings.

(AWS CloudFormation template reference, AWS::Lambda.)
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from lambent.stacks.errors import ResourceError
from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, picked, required


class Version:
    """A published version; a new one needs a new resource, as SAM's AutoPublishAlias makes."""

    name = "AWS::Lambda::Version"
    replaced_by = frozenset({"FunctionName", "CodeSha256", "Description", "RuntimePolicy"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, "FunctionName")
        client = world.client("lambda")
        parameters = picked(properties, "FunctionName", "CodeSha256", "Description")
        found = call(client, "publish_version", **parameters)
        arn = f"{found['FunctionArn'].removesuffix(':' + found['Version'])}:{found['Version']}"
        self._wait(client, arn)
        _provision(client, properties, found["Version"], {})
        return Done(arn, {"Version": found["Version"], "FunctionArn": arn})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        version = physical_id.rpartition(":")[2]
        _provision(world.client("lambda"), new, version, old)
        return Done(physical_id, {"Version": version, "FunctionArn": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        name, _, version = physical_id.rpartition(":")
        delete(world.client("lambda"), "delete_function", FunctionName=name, Qualifier=version)

    @staticmethod
    def _wait(client: Any, arn: str) -> None:
        """A version with SnapStart is Pending until its snapshot has proved itself."""
        from botocore.exceptions import WaiterError

        try:
            client.get_waiter("published_version_active").wait(
                FunctionName=arn, WaiterConfig={"Delay": 0.25, "MaxAttempts": 3600}
            )
        except WaiterError as error:
            raise ResourceError(str(error.last_response.get("StateReason") or error)) from error


class Alias:
    name = "AWS::Lambda::Alias"
    replaced_by = frozenset({"FunctionName", "Name"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, "FunctionName", "Name", "FunctionVersion")
        client = world.client("lambda")
        found = call(client, "create_alias", **self._parameters(properties))
        _provision(client, properties, properties["Name"], {})
        return Done(found["AliasArn"], {"AliasArn": found["AliasArn"]})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        client = world.client("lambda")
        parameters = self._parameters(new)
        if "RoutingConfig" in old:
            parameters.setdefault("RoutingConfig", {"AdditionalVersionWeights": {}})
        call(client, "update_alias", **parameters)
        _provision(client, new, new["Name"], old)
        return Done(physical_id, {"AliasArn": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        name = properties.get("FunctionName") or physical_id.rpartition(":")[0]
        delete(
            world.client("lambda"), "delete_alias", FunctionName=name,
            Name=physical_id.rpartition(":")[2],
        )  # fmt: skip

    @staticmethod
    def _parameters(properties: Properties) -> dict[str, Any]:
        found = picked(properties, "FunctionName", "Name", "FunctionVersion", "Description")
        if routing := properties.get("RoutingConfig"):
            weights = routing.get("AdditionalVersionWeights") or []
            if isinstance(weights, list):
                weights = {str(w["FunctionVersion"]): float(w["FunctionWeight"]) for w in weights}
            found["RoutingConfig"] = {"AdditionalVersionWeights": weights}
        return found


def _provision(client: Any, new: Properties, qualifier: str, old: Properties) -> None:
    wanted = new.get("ProvisionedConcurrencyConfig")
    if wanted == old.get("ProvisionedConcurrencyConfig"):
        return
    where = {"FunctionName": new["FunctionName"], "Qualifier": qualifier}
    if not wanted:
        delete(client, "delete_provisioned_concurrency_config", **where)
        return
    count = wanted.get("ProvisionedConcurrentExecutions")
    call(
        client, "put_provisioned_concurrency_config", **where,
        ProvisionedConcurrentExecutions=count,
    )  # fmt: skip


class Permission:
    """A statement of a function's policy; every change is another statement."""

    name = "AWS::Lambda::Permission"
    replaced_by = frozenset(
        {
            "Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "Principal",
            "InvokedViaFunctionUrl", "PrincipalOrgID", "SourceAccount", "SourceArn",
        }
    )  # fmt: skip

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "Action", "FunctionName", "Principal")
        sid = world.name(logical_id, longest=100)
        name, qualifier = _qualified(str(properties["FunctionName"]))
        parameters = picked(properties, *(self.replaced_by - {"FunctionName"}))
        if qualifier:
            parameters["Qualifier"] = qualifier
        call(
            world.client("lambda"), "add_permission", FunctionName=name, StatementId=sid,
            **parameters,
        )  # fmt: skip
        return Done(sid, {"Id": sid})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(physical_id, {"Id": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        name, qualifier = _qualified(str(properties["FunctionName"]))
        where = {"Qualifier": qualifier} if qualifier else {}
        delete(
            world.client("lambda"), "remove_permission", FunctionName=name,
            StatementId=physical_id, **where,
        )  # fmt: skip


def _qualified(name: str) -> tuple[str, str]:
    """Function and qualifier of a name or ARN that may have one."""
    parts = name.split(":")
    if name.startswith("arn:"):
        return ":".join(parts[:7]), parts[7] if len(parts) > 7 else ""
    return parts[0], parts[1] if len(parts) > 1 else ""


class Url:
    name = "AWS::Lambda::Url"
    replaced_by = frozenset({"TargetFunctionArn", "Qualifier"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, "TargetFunctionArn", "AuthType")
        found = call(
            world.client("lambda"), "create_function_url_config", **self._parameters(properties)
        )
        return self._done(found)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        parameters = self._parameters(new)
        if "Cors" in old:
            parameters.setdefault("Cors", {})
        return self._done(call(world.client("lambda"), "update_function_url_config", **parameters))

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        where = picked(self._parameters(properties), "FunctionName", "Qualifier")
        delete(world.client("lambda"), "delete_function_url_config", **where)

    @staticmethod
    def _parameters(properties: Properties) -> dict[str, Any]:
        found = picked(properties, "AuthType", "Cors", "InvokeMode", "Qualifier")
        return {"FunctionName": properties["TargetFunctionArn"], **found}

    @staticmethod
    def _done(found: dict[str, Any]) -> Done:
        arn = found["FunctionArn"]
        return Done(arn, {"FunctionArn": arn, "FunctionUrl": found["FunctionUrl"]})


class EventSourceMapping:
    name = "AWS::Lambda::EventSourceMapping"
    replaced_by = frozenset(
        {
            "AmazonManagedKafkaEventSourceConfig", "EventSourceArn", "SelfManagedEventSource",
            "SelfManagedKafkaEventSourceConfig", "StartingPosition", "StartingPositionTimestamp",
        }
    )  # fmt: skip

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:  # noqa: ARG002
        required(properties, "FunctionName")
        parameters = {k: v for k, v in properties.items() if k not in ("Tags", "KmsKeyArn")}
        found = call(world.client("lambda"), "create_event_source_mapping", **parameters)
        return self._done(found)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        left_out = self.replaced_by | {"Tags", "KmsKeyArn"}
        parameters = {key: value for key, value in new.items() if key not in left_out}
        found = call(
            world.client("lambda"), "update_event_source_mapping", UUID=physical_id, **parameters
        )
        return self._done(found)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("lambda"), "delete_event_source_mapping", UUID=physical_id)

    @staticmethod
    def _done(found: dict[str, Any]) -> Done:
        arn = found.get("EventSourceMappingArn", "")
        return Done(found["UUID"], {"Id": found["UUID"], "EventSourceMappingArn": arn})


class LayerVersion:
    """A layer's version; every change publishes another."""

    name = "AWS::Lambda::LayerVersion"
    replaced_by = frozenset(
        {
            "CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description",
            "LayerName", "LicenseInfo",
        }
    )  # fmt: skip

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "Content")
        parameters = dict(properties) | {
            "LayerName": properties.get("LayerName") or world.name(logical_id)
        }
        found = call(world.client("lambda"), "publish_layer_version", **parameters)
        arn = found["LayerVersionArn"]
        return Done(arn, {"LayerVersionArn": arn})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(physical_id, {"LayerVersionArn": physical_id})

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        layer, _, version = physical_id.rpartition(":")
        delete(
            world.client("lambda"), "delete_layer_version", LayerName=layer,
            VersionNumber=int(version),
        )  # fmt: skip


class LayerVersionPermission:
    name = "AWS::Lambda::LayerVersionPermission"
    replaced_by = frozenset({"Action", "LayerVersionArn", "OrganizationId", "Principal"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "Action", "LayerVersionArn", "Principal")
        sid = world.name(logical_id, longest=100)
        parameters = picked(properties, "Action", "OrganizationId", "Principal")
        call(
            world.client("lambda"), "add_layer_version_permission", StatementId=sid,
            **self._where(properties), **parameters,
        )  # fmt: skip
        return Done(f"{properties['LayerVersionArn']}#{sid}", {"Id": sid})

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        return Done(physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:
        sid = physical_id.rpartition("#")[2]
        delete(
            world.client("lambda"), "remove_layer_version_permission", StatementId=sid,
            **self._where(properties),
        )  # fmt: skip

    @staticmethod
    def _where(properties: Properties) -> dict[str, Any]:
        layer, _, version = str(properties["LayerVersionArn"]).rpartition(":")
        return {"LayerName": layer, "VersionNumber": version}


class EventInvokeConfig:
    name = "AWS::Lambda::EventInvokeConfig"
    replaced_by = frozenset({"FunctionName", "Qualifier"})

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "FunctionName", "Qualifier")
        self._put(world, properties)
        return Done(world.name(logical_id))

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:  # noqa: ARG002
        self._put(world, new)
        return Done(physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        where = picked(properties, "FunctionName", "Qualifier")
        # Deleted with its function, if that went first.
        with contextlib.suppress(ResourceError):
            delete(world.client("lambda"), "delete_function_event_invoke_config", **where)

    @staticmethod
    def _put(world: World, properties: Properties) -> None:
        call(world.client("lambda"), "put_function_event_invoke_config", **properties)


KINDS: Final[tuple[Kind, ...]] = (
    Version(),
    Alias(),
    Permission(),
    Url(),
    EventSourceMapping(),
    LayerVersion(),
    LayerVersionPermission(),
    EventInvokeConfig(),
)
