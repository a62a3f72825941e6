"""Layers: what PublishLayerVersion and its kin do, and what a function may name.

Everything is in memory and in the store, as functions are (`registry`); the packages are kept and
unpacked where code packages are, once per content, and held as long as a layer version or a
function refers to them. A function keeps what it was made with (`LayerUse`), so that deleting a
layer version changes no function (LAMBDA.md 41–44).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import apsw
import msgspec

from lambent.clock import Clock
from lambent.control import layer_answers, policies
from lambent.control.code import CodeLinks, CodeStore
from lambent.control.layer_names import LayerRef, by_version_arn, denied, layer, own_layer
from lambent.control.layer_requests import (
    AddLayerVersionPermission,
    GetLayerVersionByArn,
    ListLayers,
    ListLayerVersions,
    OneLayerVersion,
    PublishLayerVersion,
    RemoveLayerVersionPermission,
)
from lambent.control.names import Scope
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import FunctionCode
from lambent.control.signatures import Signatures
from lambent.errors import CodeStorageExceeded, InvalidParameterValue, ResourceNotFound
from lambent.store import layers as rows
from lambent.store.database import Database
from lambent.store.layers import LayerVersion
from lambent.store.policies import Policy
from lambent.store.records import LayerUse
from lambent.store.unpack import UNZIPPED_LIMIT

T = TypeVar("T")

MAX_LAYERS: Final = 5
TOTAL_CODE_LIMIT: Final = 80_530_636_800
"""Bytes of all zips of an account's functions and layers."""
GETTER: Final = "GetLayerPolicy"
_UNKNOWN: Final = "The resource you requested does not exist."


class Layers:
    """The layers of all accounts and regions."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        code: CodeStore,
        links: CodeLinks,
        signatures: Signatures,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._database = database
        self._registry = registry
        self._code = code
        self._links = links
        self._signatures = signatures
        self._clock = clock
        self._new_id = new_id
        self._versions: dict[LayerRef, dict[int, LayerVersion]] = {}
        self._last: dict[LayerRef, int] = {}
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Load everything; before `Registry.open`, which deletes packages that nobody holds."""
        for *key, last in await self._database.read(_numbers):
            self._last[_ref(*key)] = last
        for *key, version in await self._database.read(_all):
            self._versions.setdefault(_ref(*key), {})[version.number] = version
            self._registry.hold(version.sha256)

    # ── versions ─────────────────────────────────────────────────────────────────────────────

    async def publish(
        self, scope: Scope, request: PublishLayerVersion, base_url: str
    ) -> layer_answers.LayerVersionAnswer:
        """PublishLayerVersion: always a new number, whatever the content."""
        ref = own_layer(scope, request.layer_name, "PublishLayerVersion")
        given = request.content
        source = FunctionCode(
            zip_file=given.zip_file,
            s3_bucket=given.s3_bucket,
            s3_key=given.s3_key,
            s3_object_version=given.s3_object_version,
            s3_object_storage_mode=given.s3_object_storage_mode,
        )
        async with self._registry.storing():
            package = await self._code.store(scope, source)
            signer = await self._signatures.signer(package.sha256)
            if self.storage_used(scope) + package.size > TOTAL_CODE_LIMIT:
                raise CodeStorageExceeded("Code storage limit exceeded.")

            def number_it() -> LayerVersion:
                return LayerVersion(
                    number=self._last.get(ref, 0) + 1,
                    sha256=package.sha256,
                    size=package.size,
                    unpacked=package.unpacked,
                    created_ms=self._clock.time_ms(),
                    description=request.description,
                    license_info=request.license_info,
                    runtimes=request.compatible_runtimes,
                    architectures=request.compatible_architectures,
                    signing_profile_version_arn=signer.profile_version_arn,
                    signing_job_arn=signer.job_arn,
                )

            kept = await self._change(ref, number_it)
        return self._whole(ref, kept, base_url)

    async def get(
        self, scope: Scope, request: OneLayerVersion, base_url: str
    ) -> layer_answers.LayerVersionAnswer:
        """GetLayerVersion: the caller's own, or one that a policy opens."""
        ref = layer(scope, request.layer_name)
        _check_number(request.version_number)
        return self._whole(ref, self._readable(scope, ref, request.version_number), base_url)

    async def get_by_arn(
        self, scope: Scope, request: GetLayerVersionByArn, base_url: str
    ) -> layer_answers.LayerVersionAnswer:
        """GetLayerVersionByArn."""
        found = by_version_arn(request.arn)
        if found is None:
            raise ResourceNotFound(_UNKNOWN)
        ref, number = layer(scope, found[0].arn), found[1]
        return self._whole(ref, self._readable(scope, ref, number), base_url)

    async def delete(self, scope: Scope, request: OneLayerVersion) -> None:
        """DeleteLayerVersion: what does not exist is as good as deleted."""
        ref = own_layer(scope, request.layer_name, "DeleteLayerVersion")
        _check_number(request.version_number)
        await self._change(ref, lambda: None, gone=request.version_number)

    async def list_versions(
        self, scope: Scope, request: ListLayerVersions
    ) -> layer_answers.LayerVersionList:
        """ListLayerVersions: the newest first; none for a layer that does not exist."""
        ref = own_layer(scope, request.layer_name, "ListLayerVersions")
        found = self._matching(ref, request)
        shown, marker = page(found, lambda v: [-v.number], request.marker, request.max_items)
        return layer_answers.LayerVersionList(
            layer_versions=[layer_answers.listed(ref, kept) for kept in shown], next_marker=marker
        )

    async def list_layers(self, scope: Scope, request: ListLayers) -> layer_answers.LayerList:
        """ListLayers: each with its newest version that fits."""
        found: list[tuple[LayerRef, LayerVersion]] = []
        for ref in self._versions:
            matching = self._matching(ref, request) if ref.scope == scope else []
            if matching:
                found.append((ref, max(matching, key=lambda v: v.number)))
        shown, marker = page(found, lambda pair: [pair[0].name], request.marker, request.max_items)
        return layer_answers.LayerList(
            layers=[layer_answers.layer(*pair) for pair in shown], next_marker=marker
        )

    def storage_used(self, scope: Scope) -> int:
        """What functions and layers of an account take, as GetAccountSettings counts it."""
        functions = sum(
            version.code.size
            for bundle in self._registry.all(scope)
            for version in bundle.versions.values()
        )
        return functions + sum(
            kept.size
            for ref, versions in self._versions.items()
            if ref.scope == scope
            for kept in versions.values()
        )

    # ── permissions ──────────────────────────────────────────────────────────────────────────

    async def add_permission(
        self, scope: Scope, request: AddLayerVersionPermission
    ) -> layer_answers.LayerPermission:
        """AddLayerVersionPermission: lets other accounts use one version."""
        ref = own_layer(scope, request.layer_name, "AddLayerVersionPermission")
        number = request.version_number
        organization = request.organization_id
        if organization is not None and request.principal != "*":
            raise InvalidParameterValue("OrganizationId can only be given when Principal is *.")
        statement = policies.statement(
            request.statement_id,
            policies.principal(scope, request.principal),
            request.action,
            ref.version_arn(number),
            {"StringEquals": {"aws:PrincipalOrgID": organization}} if organization else None,
        )

        def add(policy: Policy | None) -> Policy:
            return policies.added(
                policy, statement, self._new_id, revision_id=request.revision_id, getter=GETTER
            )

        kept = await self._change_policy(ref, number, add)
        assert kept.policy is not None
        return layer_answers.LayerPermission(
            statement=policies.text(statement), revision_id=kept.policy.revision_id
        )

    async def remove_permission(self, scope: Scope, request: RemoveLayerVersionPermission) -> None:
        """RemoveLayerVersionPermission: with its last statement the policy is gone."""
        ref = own_layer(scope, request.layer_name, "RemoveLayerVersionPermission")

        def remove(policy: Policy | None) -> Policy | None:
            return policies.removed(
                policy,
                request.statement_id,
                self._new_id,
                revision_id=request.revision_id,
                getter=GETTER,
            )

        await self._change_policy(ref, request.version_number, remove)

    async def get_policy(self, scope: Scope, request: OneLayerVersion) -> layer_answers.LayerPolicy:
        """GetLayerVersionPolicy."""
        ref = own_layer(scope, request.layer_name, "GetLayerVersionPolicy")
        policy = self._existing(ref, request.version_number).policy
        if policy is None:
            raise ResourceNotFound(policies.NO_POLICY)
        return layer_answers.LayerPolicy(
            policy=policies.document(policy), revision_id=policy.revision_id
        )

    # ── what a function names ────────────────────────────────────────────────────────────────

    def uses(self, scope: Scope, arns: Sequence[str]) -> tuple[LayerUse, ...]:
        """What a function is to keep of the layers that it names; raises what AWS refuses."""
        if len(arns) > MAX_LAYERS:
            raise InvalidParameterValue(f"Cannot reference more than {MAX_LAYERS} layers.")
        seen: dict[str, str] = {}
        for arn in arns:
            if arn.split(":")[3] not in {scope.region, ""}:  # AWS's own layers name no region
                raise InvalidParameterValue(
                    "Layers are not in the same region as the function. "
                    f"Layers are expected to be in region {scope.region}."
                )
            of = arn.rpartition(":")[0]
            if of in seen:
                raise InvalidParameterValue(
                    "Two different versions of the same layer are not allowed to be referenced in "
                    f"the same function. {seen[of]} and {arn} are versions of the same layer."
                )
            seen[of] = arn
        return tuple(self._use(scope, arn) for arn in arns)

    def _use(self, scope: Scope, arn: str) -> LayerUse:
        found = by_version_arn(arn)
        kept = self._version(*found) if found is not None else None
        if found is None or (kept is None and found[0].scope == scope):
            raise InvalidParameterValue(f"Layer version {arn} does not exist.")
        if not _is_open(scope, found[0], kept):
            raise denied(scope, arn, "GetLayerVersion")
        assert kept is not None
        return LayerUse(
            arn=arn,
            sha256=kept.sha256,
            size=kept.size,
            unpacked=kept.unpacked,
            signing_profile_version_arn=kept.signing_profile_version_arn,
            signing_job_arn=kept.signing_job_arn,
        )

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _version(self, ref: LayerRef, number: int) -> LayerVersion | None:
        return self._versions.get(ref, {}).get(number)

    def _readable(self, scope: Scope, ref: LayerRef, number: int) -> LayerVersion:
        kept = self._version(ref, number)
        if not _is_open(scope, ref, kept):
            raise denied(scope, ref.version_arn(number), "GetLayerVersion")
        if kept is None:
            raise ResourceNotFound(_UNKNOWN)
        return kept

    def _existing(self, ref: LayerRef, number: int) -> LayerVersion:
        kept = self._version(ref, number)
        if kept is None:
            raise ResourceNotFound(f"Layer version {ref.version_arn(number)} does not exist.")
        return kept

    def _matching(self, ref: LayerRef, request: ListLayers) -> list[LayerVersion]:
        runtime, architecture = request.compatible_runtime, request.compatible_architecture
        return [
            kept
            for kept in self._versions.get(ref, {}).values()
            if (runtime is None or runtime in (kept.runtimes or ()))
            and (architecture is None or architecture in (kept.architectures or ()))
        ]

    def _whole(
        self, ref: LayerRef, kept: LayerVersion, base_url: str
    ) -> layer_answers.LayerVersionAnswer:
        return layer_answers.whole(ref, kept, self._links.link(base_url, kept.sha256))

    async def _change_policy(
        self, ref: LayerRef, number: int, rule: Callable[[Policy | None], Policy | None]
    ) -> LayerVersion:
        def changed() -> LayerVersion:
            kept = self._existing(ref, number)
            return msgspec.structs.replace(kept, policy=rule(kept.policy))

        return await self._change(ref, changed)

    async def _change(self, ref: LayerRef, rule: Callable[[], T], gone: int | None = None) -> T:
        """Write what `rule` makes (or that version `gone` is), then make it what exists.

        A caller that is cancelled does not stop it half-way.
        """
        return await self._registry.finish(self._write(ref, rule, gone))

    async def _write(self, ref: LayerRef, rule: Callable[[], T], gone: int | None) -> T:
        async with self._lock:
            made = rule()
            versions = self._versions.setdefault(ref, {})
            if isinstance(made, LayerVersion):
                await self._database.write(partial(_put, ref, made))
                if made.number not in versions:
                    self._registry.hold(made.sha256)
                versions[made.number] = made
                self._last[ref] = max(self._last.get(ref, 0), made.number)
            elif gone in versions:
                await self._database.write(partial(_delete, ref, gone))
                self._registry.release(versions.pop(gone).sha256)
            if not versions:
                del self._versions[ref]
            return made


def check_unpacked(code: int, uses: Sequence[LayerUse]) -> None:
    """A function and its layers together may unpack to 250 MB."""
    layers = sum(use.unpacked for use in uses)
    if layers > UNZIPPED_LIMIT:
        raise InvalidParameterValue(
            f"Layers consume more than the available size of {UNZIPPED_LIMIT} bytes"
        )
    if uses and code + layers > UNZIPPED_LIMIT:
        raise InvalidParameterValue(
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{UNZIPPED_LIMIT} bytes. The actual size is {code + layers} bytes."
        )


def _is_open(scope: Scope, ref: LayerRef, kept: LayerVersion | None) -> bool:
    """An account's own versions always; another's only by policy, so that none can be guessed."""
    if ref.scope.account == scope.account:
        return True
    policy = None if kept is None else kept.policy
    return policies.lets_account(policy, scope.account, "lambda:GetLayerVersion")


def _check_number(number: int) -> None:
    if number < 1:
        raise InvalidParameterValue("Layer Version Cannot be less than 1")


def _ref(account: str, region: str, name: str) -> LayerRef:
    return LayerRef(Scope(account, region), name)


def _put(ref: LayerRef, version: LayerVersion, connection: apsw.Connection) -> None:
    rows.put(connection, *ref.scope, ref.name, version)


def _delete(ref: LayerRef, number: int, connection: apsw.Connection) -> None:
    rows.delete(connection, *ref.scope, ref.name, number)


def _all(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    return list(rows.load(connection))


def _numbers(connection: apsw.Connection) -> Iterator[tuple[Any, ...]]:
    return iter([(*key, last) for key, last in rows.load_numbers(connection).items()])
