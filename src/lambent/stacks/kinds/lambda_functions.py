"""AWS::Lambda::Function: code inline, in S3 or an image; everything else is configuration.

(AWS CloudFormation template reference, AWS::Lambda::Function.)
"""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from lambent.stacks.errors import ResourceError
from lambent.stacks.kinds.calling import call, delete
from lambent.stacks.kinds.kind import Done, Kind, Properties, World, only, picked, required, tags_of

_CONFIGURATION: Final = (
    "AcceleratorConfig", "CapacityProviderConfig", "DeadLetterConfig", "Description",
    "DurableConfig", "Environment", "EphemeralStorage", "FileSystemConfigs", "Handler",
    "ImageConfig", "Layers", "LoggingConfig", "MemorySize", "Role", "Runtime", "RuntimeConfig",
    "SnapStart", "Timeout", "TracingConfig", "VpcConfig",
)  # fmt: skip
_AT_CREATION: Final = ("Architectures", "PackageType", "TenancyConfig")
_KNOWN: Final = frozenset(
    {
        *_CONFIGURATION, *_AT_CREATION, "Code", "CodeSigningConfigArn", "FunctionName", "KmsKeyArn",
        "RecursiveLoop", "ReservedConcurrentExecutions", "RuntimeManagementConfig", "Tags",
    }
)  # fmt: skip
_SUFFIXES: Final = {"python": "py", "nodejs": "js"}


class Function:
    """A function; published versions and aliases are resources of their own."""

    name = "AWS::Lambda::Function"
    replaced_by = frozenset({"FunctionName", "PackageType", "TenancyConfig"})

    def generated(self, world: World, logical_id: str) -> str:
        return world.name(logical_id)

    def create(self, world: World, logical_id: str, properties: Properties) -> Done:
        required(properties, "Code", "Role")
        only(properties, self.name, _KNOWN)
        client = world.client("lambda")
        name = str(properties.get("FunctionName") or self.generated(world, logical_id))
        parameters = picked(properties, *_CONFIGURATION, *_AT_CREATION)
        if key := properties.get("KmsKeyArn"):
            parameters["KMSKeyArn"] = key
        if signing := properties.get("CodeSigningConfigArn"):
            parameters["CodeSigningConfigArn"] = signing
        if tags := tags_of(world, properties):
            parameters["Tags"] = tags
        code = _code(properties)
        call(client, "create_function", FunctionName=name, Code=code, **parameters)
        _settle(client, name, "function_active_v2")
        try:
            self._extras(client, name, {}, properties)
        except ResourceError:
            delete(client, "delete_function", FunctionName=name)
            raise
        return self._done(client, name)

    def update(self, world: World, physical_id: str, old: Properties, new: Properties) -> Done:
        only(new, self.name, _KNOWN)
        client = world.client("lambda")
        self._sign(client, physical_id, old, new)
        if old.get("Code") != new.get("Code") or old.get("Architectures") != new.get(
            "Architectures"
        ):
            code = _code(new) | picked(new, "Architectures")
            call(client, "update_function_code", FunctionName=physical_id, **code)
            _settle(client, physical_id, "function_updated_v2")
        changed = {n: new[n] for n in _CONFIGURATION if n in new and old.get(n) != new[n]}
        changed |= {n: _REMOVED[n] for n in _REMOVED if n in old and n not in new}
        if old.get("KmsKeyArn") != new.get("KmsKeyArn"):
            changed["KMSKeyArn"] = new.get("KmsKeyArn") or ""
        if changed:
            call(client, "update_function_configuration", FunctionName=physical_id, **changed)
            _settle(client, physical_id, "function_updated_v2")
        self._extras(client, physical_id, old, new)
        self._retag(world, client, physical_id, old, new)
        return self._done(client, physical_id)

    def delete(self, world: World, physical_id: str, properties: Properties) -> None:  # noqa: ARG002
        delete(world.client("lambda"), "delete_function", FunctionName=physical_id)

    @staticmethod
    def _sign(client: Any, name: str, old: Properties, new: Properties) -> None:
        """Before its code: what signs it is another question when the config is another."""
        config = new.get("CodeSigningConfigArn")
        if config == old.get("CodeSigningConfigArn"):
            return
        if config is None:
            delete(client, "delete_function_code_signing_config", FunctionName=name)
        else:
            call(
                client, "put_function_code_signing_config", FunctionName=name,
                CodeSigningConfigArn=config,
            )  # fmt: skip

    def _extras(self, client: Any, name: str, old: Properties, new: Properties) -> None:
        """What has operations of its own."""
        reserved = new.get("ReservedConcurrentExecutions")
        if reserved != old.get("ReservedConcurrentExecutions"):
            if reserved is None:
                delete(client, "delete_function_concurrency", FunctionName=name)
            else:
                call(
                    client, "put_function_concurrency", FunctionName=name,
                    ReservedConcurrentExecutions=reserved,
                )  # fmt: skip
        loop = new.get("RecursiveLoop")
        if loop != old.get("RecursiveLoop"):
            loop = loop or "Terminate"
            call(client, "put_function_recursion_config", FunctionName=name, RecursiveLoop=loop)
        management = new.get("RuntimeManagementConfig")
        if management and management != old.get("RuntimeManagementConfig"):
            call(client, "put_runtime_management_config", FunctionName=name, **management)

    def _retag(
        self, world: World, client: Any, name: str, old: Properties, new: Properties
    ) -> None:
        before, after = tags_of(world, old), tags_of(world, new)
        if before == after:
            return
        arn = self._done(client, name).attributes["Arn"]
        if gone := [key for key in before if key not in after]:
            call(client, "untag_resource", Resource=arn, TagKeys=gone)
        if after:
            call(client, "tag_resource", Resource=arn, Tags=after)

    @staticmethod
    def _done(client: Any, name: str) -> Done:
        found = call(client, "get_function_configuration", FunctionName=name)
        snap = found.get("SnapStart", {})
        attributes = {f"SnapStartResponse.{key}": value for key, value in snap.items()}
        return Done(name, {"Arn": found["FunctionArn"], **attributes})


_REMOVED: Final[dict[str, Any]] = {
    "Description": "",
    "Environment": {},
    "Layers": [],
    "DeadLetterConfig": {},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "FileSystemConfigs": [],
    "ImageConfig": {},
    "MemorySize": 128,
    "Timeout": 3,
    "EphemeralStorage": {"Size": 512},
    "TracingConfig": {"Mode": "PassThrough"},
    "SnapStart": {"ApplyOn": "None"},
}
"""A property that the template no longer has goes back to its default."""


def _code(properties: Properties) -> dict[str, Any]:
    """For the API: an inline text is the only file of a zip, named for the runtime."""
    code = properties["Code"]
    if "ZipFile" not in code:
        return {key: value for key, value in code.items() if key != "SourceKMSKeyArn"}
    runtime = str(properties.get("Runtime", ""))
    suffix = next((s for start, s in _SUFFIXES.items() if runtime.startswith(start)), None)
    if suffix is None:
        raise ResourceError(
            f"ZipFile can only be used when Runtime is set to Node.js or Python, not {runtime}"
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        entry = zipfile.ZipInfo(f"index.{suffix}")
        entry.external_attr = 0o644 << 16
        package.writestr(entry, code["ZipFile"])
    return {"ZipFile": buffer.getvalue()}


def _settle(client: Any, name: str, waiter: str) -> None:
    """Until the function is neither Pending nor being updated."""
    from botocore.exceptions import WaiterError

    try:
        client.get_waiter(waiter).wait(
            FunctionName=name, WaiterConfig={"Delay": 0.25, "MaxAttempts": 3600}
        )
    except WaiterError as error:
        last: Any = error.last_response
        found = last.get("Configuration", last)
        reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or str(error)
        raise ResourceError(str(reason)) from error


KINDS: Final[tuple[Kind, ...]] = (Function(),)
