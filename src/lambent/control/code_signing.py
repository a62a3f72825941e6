"""Code signing configs: whose signatures functions take, and what happens without one.

All ten operations (LAMBDA.md 66; AWS Lambda developer guide, "Using code signing to verify code
integrity with Lambda"). A config that functions use cannot be deleted.
`functions` asks `check` before it takes new code or layers.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog

from lambent.clock import Clock, iso8601
from lambent.control.attachments import changed
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, not_found_text, partition, unqualified
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import Request
from lambent.control.shelf import Shelf
from lambent.control.signatures import Signatures
from lambent.errors import (
    CodeSigningConfigNotFound,
    CodeVerificationFailed,
    InvalidCodeSignature,
    InvalidParameterValue,
    ResourceConflict,
    ResourceNotFound,
    UntypedResourceNotFound,
)
from lambent.signing.judging import Finding
from lambent.store.records import CodeSigningConfig

log = structlog.get_logger("lambent.control")

_ALPHABET: Final = string.ascii_lowercase + string.digits


class AllowedPublishers(Request, frozen=True, kw_only=True):
    signing_profile_version_arns: tuple[str, ...]


class Policies(Request, frozen=True, kw_only=True):
    untrusted_artifact_on_deployment: Any = None


class CreateCodeSigningConfig(Request, frozen=True, kw_only=True):
    allowed_publishers: AllowedPublishers
    description: str | None = None
    code_signing_policies: Policies | None = None
    tags: dict[str, str] | None = None


class NamedConfig(Request, frozen=True, kw_only=True):
    """GetCodeSigningConfig, DeleteCodeSigningConfig."""

    code_signing_config_arn: str


class UpdateCodeSigningConfig(Request, frozen=True, kw_only=True):
    code_signing_config_arn: str
    description: str | None = None
    allowed_publishers: AllowedPublishers | None = None
    code_signing_policies: Policies | None = None


class ListConfigs(Request, frozen=True, kw_only=True):
    marker: str | None = None
    max_items: int | None = None


class ListFunctionsByConfig(ListConfigs, frozen=True, kw_only=True):
    code_signing_config_arn: str


class PutFunctionConfig(Request, frozen=True, kw_only=True):
    function_name: str
    code_signing_config_arn: str


class FunctionConfig(Request, frozen=True, kw_only=True):
    """GetFunctionCodeSigningConfig, DeleteFunctionCodeSigningConfig."""

    function_name: str


class CodeSigningConfigs:
    """The configs, and which function has which."""

    def __init__(
        self,
        shelf: Shelf[CodeSigningConfig],
        registry: Registry,
        signatures: Signatures,
        clock: Clock,
        on_distrust: Callable[[], None],
    ) -> None:
        """`on_distrust` is called when a package fails a check, but for integrity."""
        self.shelf = shelf
        self._signatures = signatures
        self._on_distrust = on_distrust
        self._registry = registry
        self._clock = clock

    async def create(self, scope: Scope, request: CreateCodeSigningConfig) -> dict[str, Any]:
        config = CodeSigningConfig(
            config_id="csc-" + "".join(secrets.choice(_ALPHABET) for _ in range(17)),
            publishers=request.allowed_publishers.signing_profile_version_arns,
            untrusted=_untrusted(request.code_signing_policies) or "Warn",
            description=request.description or "",
            modified_ms=self._clock.time_ms(),
            tags=request.tags or {},
        )
        await self.shelf.change(scope, config.config_id, lambda _: (config, None))
        return {"CodeSigningConfig": _shown(scope, config)}

    async def get(self, scope: Scope, request: NamedConfig) -> dict[str, Any]:
        return {
            "CodeSigningConfig": _shown(scope, self._find(scope, request.code_signing_config_arn))
        }

    async def update(self, scope: Scope, request: UpdateCodeSigningConfig) -> dict[str, Any]:
        arn = request.code_signing_config_arn

        def rule(old: CodeSigningConfig | None) -> tuple[CodeSigningConfig, dict[str, Any]]:
            if old is None:
                raise _unknown(arn)
            values: dict[str, Any] = {"modified_ms": self._clock.time_ms()}
            if request.description is not None:
                values["description"] = request.description
            if request.allowed_publishers is not None:
                values["publishers"] = request.allowed_publishers.signing_profile_version_arns
            if untrusted := _untrusted(request.code_signing_policies):
                values["untrusted"] = untrusted
            new = msgspec.structs.replace(old, **values)
            return new, {"CodeSigningConfig": _shown(scope, new)}

        return await self.shelf.change(scope, _id(scope, arn), rule)

    async def delete(self, scope: Scope, request: NamedConfig) -> dict[str, Any]:
        arn = request.code_signing_config_arn

        def rule(old: CodeSigningConfig | None) -> tuple[None, dict[str, Any]]:
            if old is None:
                raise _unknown(arn)
            if self._users(scope, arn):
                raise ResourceConflict(
                    "Cannot delete the code signing configuration because it's being used."
                )
            return None, {}

        return await self.shelf.change(scope, _id(scope, arn), rule)

    async def list(self, scope: Scope, request: ListConfigs) -> dict[str, Any]:
        shown, marker = page(
            self.shelf.all(scope), lambda c: [c.config_id], request.marker, request.max_items
        )
        return _page("CodeSigningConfigs", [_shown(scope, config) for config in shown], marker)

    async def list_functions(self, scope: Scope, request: ListFunctionsByConfig) -> dict[str, Any]:
        arn = request.code_signing_config_arn
        self._find(scope, arn)
        shown, marker = page(
            self._users(scope, arn), lambda a: [a], request.marker, request.max_items
        )
        return _page("FunctionArns", shown, marker)

    async def put_function(self, scope: Scope, request: PutFunctionConfig) -> dict[str, str]:
        arn = request.code_signing_config_arn
        self.require(scope, arn)
        name = unqualified(scope, request.function_name, operation="PutFunctionCodeSigningConfig")

        def rule(old: Bundle | None) -> tuple[Bundle, dict[str, str]]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            refuse_image(old)
            self.require(scope, arn)
            shown = {"CodeSigningConfigArn": arn, "FunctionName": name}
            return changed(old, code_signing_config_arn=arn), shown

        return await self._registry.change(scope, name, rule)

    async def get_function(self, scope: Scope, request: FunctionConfig) -> dict[str, str]:
        """Without a config: 200 and nothing."""
        name = unqualified(scope, request.function_name, operation="GetFunctionCodeSigningConfig")
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        refuse_image(bundle)
        arn = bundle.function.code_signing_config_arn
        return {"CodeSigningConfigArn": arn, "FunctionName": name} if arn else {}

    async def delete_function(self, scope: Scope, request: FunctionConfig) -> None:
        name = unqualified(
            scope, request.function_name, operation="DeleteFunctionCodeSigningConfig"
        )

        def rule(old: Bundle | None) -> tuple[Bundle, None]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            refuse_image(old)
            return changed(old, code_signing_config_arn=""), None

        await self._registry.change(scope, name, rule)

    def require(self, scope: Scope, arn: str) -> CodeSigningConfig:
        """For a function that shall have it; raises what AWS answers there."""
        config = self.shelf.get(scope, _id(scope, arn))
        if config is None:
            raise CodeSigningConfigNotFound(
                "The code signing configuration cannot be found. Check that the provided "
                f"configuration is not deleted: {arn}."
            )
        return config

    async def check(self, scope: Scope, arn: str, function: str, packages: Iterable[str]) -> None:
        """For packages (code or layers, by digest) that a function with this config shall have.

        A package that is not what was signed never passes. Of the rest Enforce refuses what no
        allowed publisher's valid signature covers, and Warn lets it through; both are counted
        (`SignatureValidationErrors`) and written down.
        """
        if not arn:
            return
        config = self.require(scope, arn)
        for sha256 in packages:
            finding = await self._signatures.judge(sha256)
            if finding.kind == "broken":
                raise InvalidCodeSignature(
                    "The code signature failed the integrity check. Check the provided signature "
                    f"for {function}."
                )
            why = self._distrust(config, finding)
            if why is None:
                continue
            self._on_distrust()
            log.warning(
                "code_signing.untrusted", function=function, config=arn, package=sha256, why=why
            )
            if config.untrusted == "Enforce":
                raise CodeVerificationFailed(
                    "Lambda cannot deploy the function. The function or layer might be signed "
                    "using a signature that the client is not configured to accept. Check the "
                    f"provided signature for {function}."
                )

    def _distrust(self, config: CodeSigningConfig, finding: Finding) -> str | None:
        """Which of AWS's checks a whole package fails."""
        said = finding.statement
        if finding.kind != "signed" or said is None or finding.expires_at is None:
            return "unsigned" if said is None else "mismatch"
        if said.profile_version_arn not in config.publishers:
            return "mismatch"
        if finding.expires_at.timestamp() * 1000 <= self._clock.time_ms():
            return "expired"
        return "revoked" if finding.revoked else None

    def _find(self, scope: Scope, arn: str) -> CodeSigningConfig:
        config = self.shelf.get(scope, _id(scope, arn))
        if config is None:
            raise _unknown(arn)
        return config

    def _users(self, scope: Scope, arn: str) -> Sequence[str]:
        return [
            b.arn for b in self._registry.all(scope) if b.function.code_signing_config_arn == arn
        ]


IMAGES_ARE_NOT_SIGNED: Final = (
    "Code signing is not supported for functions created with container images."
)


def refuse_image(bundle: Bundle) -> None:
    if bundle.latest.code.image_uri:
        raise InvalidParameterValue(IMAGES_ARE_NOT_SIGNED)


def config_arn(scope: Scope, config_id: str) -> str:
    return (
        f"arn:{partition(scope.region)}:lambda:{scope.region}:{scope.account}"
        f":code-signing-config:{config_id}"
    )


def _id(scope: Scope, arn: str) -> str:
    """The id in an ARN; nothing of another account or region is found."""
    config_id = arn.rpartition(":")[2]
    return config_id if arn == config_arn(scope, config_id) else ""


def _unknown(arn: str) -> ResourceNotFound:
    return UntypedResourceNotFound(f"The Lambda code signing configuration {arn} can not be found.")


def _untrusted(policies: Policies | None) -> Any:
    return None if policies is None else policies.untrusted_artifact_on_deployment


def _shown(scope: Scope, config: CodeSigningConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": config_arn(scope, config.config_id),
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted},
        "LastModified": iso8601(config.modified_ms, offset="Z"),
    }
    if config.description:
        shown["Description"] = config.description
    return shown


def _page(member: str, shown: Any, marker: Any) -> dict[str, Any]:
    answer = {member: shown}
    return answer if marker is msgspec.UNSET else {**answer, "NextMarker": marker}
