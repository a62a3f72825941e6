"""CreateFunction, GetFunction, UpdateFunctionCode and their kin.

Each method reads like its AWS page: check what was asked, then one rule from the old bundle to
the new one, applied by `registry`. Code is stored before the rule runs, outside of any lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lambent.clock import Clock
from lambent.control import answers, configuration, function_rules, images, revisions, state
from lambent.control.bundle import Bundle
from lambent.control.capacity_providers import CapacityProviders
from lambent.control.code import CodeLinks, CodeStore
from lambent.control.code_signing import CodeSigningConfigs
from lambent.control.companions import Companions
from lambent.control.envelopes import Owner
from lambent.control.layers import TOTAL_CODE_LIMIT, Layers, check_unpacked
from lambent.control.names import (
    Scope,
    latest_only,
    not_found_text,
    resolve,
    version_name,
    version_number,
)
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import (
    CreateFunction,
    FunctionCode,
    ListFunctions,
    QualifiedFunction,
    UpdateFunctionCode,
    UpdateFunctionConfiguration,
)
from lambent.control.runtime_rules import Runtimes, check
from lambent.control.signatures import Signatures
from lambent.control.versions import published
from lambent.errors import (
    CodeStorageExceeded,
    InvalidParameterValue,
    ResourceConflict,
    ResourceNotFound,
)
from lambent.store.records import LATEST, Architecture, Code, Configuration, Function, Version


class Functions:
    """What can be done to a function and to its `$LATEST`."""

    def __init__(
        self,
        registry: Registry,
        code: CodeStore,
        links: CodeLinks,
        runtimes: Runtimes,
        companions: Companions,
        found_images: images.Images,
        layers: Layers,
        code_signing: CodeSigningConfigs,
        signatures: Signatures,
        providers: CapacityProviders,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._code = code
        self._links = links
        self._runtimes = runtimes
        self._companions = companions
        self._images = found_images
        self._layers = layers
        self._code_signing = code_signing
        self._signatures = signatures
        self._providers = providers
        self._clock = clock
        self._new_id = new_id

    async def create(self, scope: Scope, request: CreateFunction) -> answers.FunctionConfiguration:
        """CreateFunction: Pending at first, Active once it can serve."""
        name = resolve(scope, request.function_name, operation="CreateFunction").name
        self._check_create(scope, request)
        kept = self._configuration(scope, request)
        if self._registry.get(scope, name) is not None:
            raise ResourceConflict(f"Function already exist: {name}")
        kept = configuration.in_vpc(kept, await self._companions.check(scope, request))
        await self._have_key(scope, name, kept)
        async with self._registry.storing():
            architecture = (request.architectures or ("x86_64",))[0]
            code = await self._stored(scope, request.code, architecture)
            await self._code_signing.check(
                scope,
                request.code_signing_config_arn or "",
                name,
                function_rules.packages(kept, code),
            )
            check_unpacked(code.unpacked, kept.layers)

            def rule(old: Bundle | None) -> tuple[Bundle, answers.FunctionConfiguration]:
                if old is not None:
                    raise ResourceConflict(f"Function already exist: {name}")
                self._check_storage(scope, code.size * (2 if request.publish else 1))
                if kept.capacity is not None:
                    self._providers.check(scope, kept.capacity.provider_arn)
                function = Function(
                    account=scope.account,
                    region=scope.region,
                    name=name,
                    tags=request.tags or {},
                    last_version=self._registry.last_number(scope, name),
                    code_signing_config_arn=request.code_signing_config_arn or "",
                )
                bundle = Bundle(function, {LATEST: self._first(kept, code)})
                if not request.publish:
                    return bundle, answers.configuration(function, bundle.latest, None)
                bundle, version = published(
                    bundle,
                    self._clock.time_ms(),
                    self._new_id,
                    to_latest=request.publish_to is not None,
                )
                # The ARN of the new version is shown without its number, unlike anywhere else.
                return bundle, answers.configuration(bundle.function, version, None)

            return await self._registry.change(scope, name, rule)

    async def _have_key(self, scope: Scope, name: str, kept: Configuration) -> None:
        """Before variables are kept that KMS seals."""
        envelopes = self._registry.envelopes
        if envelopes is not None and kept.environment:
            await envelopes.prepare(Owner(scope, name), kept.kms_key_arn)

    async def get(
        self, scope: Scope, request: QualifiedFunction, base_url: str
    ) -> answers.FunctionAnswer:
        """GetFunction: the configuration, where to download the code, tags and reservation."""
        bundle, qualifier = self._find(scope, request, "GetFunction")
        version = bundle.find(qualifier)
        function = bundle.function
        return answers.FunctionAnswer(
            configuration=answers.configuration(function, version, qualifier),
            code=self._location(version.code, base_url),
            tags=function.tags or msgspec.UNSET,
            concurrency=(
                msgspec.UNSET
                if function.reserved_concurrency is None
                else answers.concurrency(function.reserved_concurrency)
            ),
        )

    async def get_configuration(
        self, scope: Scope, request: QualifiedFunction
    ) -> answers.FunctionConfiguration:
        """GetFunctionConfiguration."""
        bundle, qualifier = self._find(scope, request, "GetFunctionConfiguration")
        return answers.configuration(bundle.function, bundle.find(qualifier), qualifier)

    async def update_configuration(
        self, scope: Scope, request: UpdateFunctionConfiguration
    ) -> answers.FunctionConfiguration:
        """UpdateFunctionConfiguration: only what is named changes; redundant updates count too."""
        name = latest_only(scope, request.function_name, operation="UpdateFunctionConfiguration")
        present = self._updatable(scope, name, self._registry.get(scope, name), request.revision_id)
        images.check_kind(request, image=bool(present.latest.code.image_uri))
        wanted = self._configuration(scope, request, present.latest)
        signing = present.function.code_signing_config_arn
        if request.layers:
            await self._code_signing.check(scope, signing, name, function_rules.packages(wanted))
        vpc_id = await self._companions.check(scope, request)
        await self._have_key(scope, name, wanted)

        def rule(old: Bundle | None) -> tuple[Bundle, answers.FunctionConfiguration]:
            bundle = self._updatable(scope, name, old, request.revision_id)
            images.check_kind(request, image=bool(bundle.latest.code.image_uri))
            kept = self._configuration(scope, request, bundle.latest)
            kept = configuration.in_vpc(kept, vpc_id)
            if request.layers:
                function_rules.check_signing_is(bundle, signing)
            check_unpacked(bundle.latest.code.unpacked, kept.layers)
            return self._updated(bundle, configuration=kept)

        return await self._registry.change(scope, name, rule)

    async def update_code(
        self, scope: Scope, request: UpdateFunctionCode
    ) -> answers.FunctionConfiguration:
        """UpdateFunctionCode: new code for `$LATEST`, and with Publish a version of it at once."""
        name = latest_only(scope, request.function_name, operation="UpdateFunctionCode")
        present = self._updatable(scope, name, self._registry.get(scope, name), request.revision_id)
        function_rules.check_code_kind(request, image=bool(present.latest.code.image_uri))
        if present.latest.configuration.runtime is not None:
            check(
                self._runtimes, present.latest.configuration.runtime, "update",
                self._clock.time_ms(),
            )  # fmt: skip
        async with self._registry.storing():
            fresh = await self._stored(scope, request, "x86_64")
            signing = present.function.code_signing_config_arn
            await self._code_signing.check(scope, signing, name, [fresh.sha256])

            def rule(
                old: Bundle | None,
            ) -> tuple[Bundle, answers.FunctionConfiguration]:
                bundle = self._updatable(scope, name, old, request.revision_id)
                function_rules.check_signing_is(bundle, signing)
                wanted = request.architectures or (bundle.latest.code.architecture,)
                code = msgspec.structs.replace(fresh, architecture=wanted[0])
                check_unpacked(code.unpacked, bundle.latest.configuration.layers)
                if request.dry_run:
                    would_be = msgspec.structs.replace(bundle.latest, code=code)
                    return bundle, answers.configuration(bundle.function, would_be, None)
                grows = code.size - bundle.latest.code.size
                self._check_storage(scope, grows + (code.size if request.publish else 0))
                if not request.publish:
                    return self._updated(bundle, code=code)
                bundle, _ = self._updated(bundle, code=code)
                bundle, version = published(
                    bundle,
                    self._clock.time_ms(),
                    self._new_id,
                    to_latest=request.publish_to is not None,
                )
                number = version_name(version.number)
                return bundle, answers.configuration(bundle.function, version, number)

            return await self._registry.change(scope, name, rule)

    async def delete(self, scope: Scope, request: QualifiedFunction) -> None:
        """DeleteFunction: all of it, or one version; whatever state it is in."""
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation="DeleteFunction"
        )

        def rule(old: Bundle | None) -> tuple[Bundle | None, None]:
            if old is None:
                number = version_number(qualifier)
                shown = qualifier if number else None
                raise ResourceNotFound(not_found_text(scope, name, shown))
            return (
                None if qualifier is None else function_rules.without_version(old, qualifier)
            ), None

        await self._registry.change(scope, name, rule)

    async def list(self, scope: Scope, request: ListFunctions) -> answers.FunctionList:
        """ListFunctions: every `$LATEST`, or with FunctionVersion=ALL every version."""
        every = request.function_version == "ALL"
        if request.master_region is not None and not every:
            raise InvalidParameterValue("FunctionVersion must be ALL when MasterRegion is given.")
        found = [
            (bundle, version)
            # Replicas of Lambda@Edge, which MasterRegion asks for, do not exist here.
            for bundle in (() if request.master_region else self._registry.all(scope))
            for version in (bundle.versions.values() if every else (bundle.latest,))
        ]
        shown, marker = page(found, _name_and_number, request.marker, request.max_items)
        return answers.FunctionList(
            functions=[
                answers.configuration(
                    bundle.function,
                    version,
                    version_name(version.number) if every else None,
                    listed=True,
                )
                for bundle, version in shown
            ],
            next_marker=marker,
        )

    def _find(
        self, scope: Scope, request: QualifiedFunction, operation: str
    ) -> tuple[Bundle, str | None]:
        name, qualifier = resolve(
            scope, request.function_name, request.qualifier, operation=operation
        )
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name, qualifier))
        return bundle, qualifier

    def _configuration(
        self,
        scope: Scope,
        request: CreateFunction | UpdateFunctionConfiguration,
        latest: Version | None = None,
    ) -> Configuration:
        kept = configuration.apply(
            configuration.EMPTY if latest is None else latest.configuration,
            request,
            scope=scope,
            runtimes=self._runtimes,
            layers=self._layers,
            time_ms=self._clock.time_ms(),
            change="create" if latest is None else "update",
        )
        if kept.capacity is not None and request.capacity_provider_config is not None:
            self._providers.check(scope, kept.capacity.provider_arn)
        return kept

    def _check_create(self, scope: Scope, request: CreateFunction) -> None:
        function_rules.check_package_type(request)
        if request.code_signing_config_arn is not None:
            self._code_signing.require(scope, request.code_signing_config_arn)
        function_rules.check_mandatory(request)

    async def _stored(
        self, scope: Scope, request: FunctionCode, architecture: Architecture
    ) -> Code:
        """A package, kept and unpacked, or an image, found; inside `Registry.storing`."""
        if request.image_uri is not None:
            return await self._images.code(scope, request.image_uri, architecture)
        package = await self._code.store(scope, request)
        signer = await self._signatures.signer(package.sha256)
        return Code(
            sha256=package.sha256,
            size=package.size,
            unpacked=package.unpacked,
            architecture=architecture,
            source_kms_key_arn=request.source_kms_key_arn or "",
            signing_profile_version_arn=signer.profile_version_arn,
            signing_job_arn=signer.job_arn,
        )

    def _location(self, code: Code, base_url: str) -> dict[str, str]:
        if code.image_uri:
            return {
                "RepositoryType": "ECR",
                "ImageUri": code.image_uri,
                "ResolvedImageUri": images.resolved(code),
            }
        link = self._links.link(base_url, code.sha256)
        return {"RepositoryType": "S3", "Location": link, **function_rules.source_key(code)}

    def _check_storage(self, scope: Scope, grows: int) -> None:
        if grows > 0 and self._layers.storage_used(scope) + grows > TOTAL_CODE_LIMIT:
            raise CodeStorageExceeded("Code storage limit exceeded.")

    def _first(self, kept: Configuration, code: Code) -> Version:
        return state.pending(
            Version(
                number=LATEST,
                configuration=kept,
                code=code,
                revision_id=self._new_id(),
                generation=self._new_id(),
                modified_ms=self._clock.time_ms(),
                state="Pending",
            )
        )

    def _updatable(
        self, scope: Scope, name: str, bundle: Bundle | None, revision_id: str | None
    ) -> Bundle:
        """The bundle, when its `$LATEST` may be changed now by who knows this revision."""
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        state.advance(bundle.latest, state.Event.UPDATE, bundle.arn)
        revisions.check(revision_id, bundle.latest.revision_id)
        return bundle

    def _updated(
        self, bundle: Bundle, **changes: Any
    ) -> tuple[Bundle, answers.FunctionConfiguration]:
        """`$LATEST` with an update in progress, and the answer that shows it."""
        latest = msgspec.structs.replace(
            state.updating(bundle.latest, bundle.arn),
            revision_id=self._new_id(),
            generation=self._new_id(),
            modified_ms=self._clock.time_ms(),
            served_code=_served(bundle.latest),
            **changes,
        )
        return bundle.with_version(latest), answers.configuration(bundle.function, latest, None)


def _served(latest: Version) -> Code | None:
    """What serves until an update is ready, and on if it fails: an image is fetched after the answer."""
    if not latest.code.image_uri or latest.state != "Active":
        return None
    return latest.served_code if latest.update_status == "Failed" else latest.code


def _name_and_number(found: tuple[Bundle, Version]) -> list[Any]:
    return [found[0].function.name, found[1].number]
