"""The room's front: puts the resources together, opens and closes them.

`Control` is made once by the composition root. The API calls its resources, the front door asks
`open_code` for downloads, and the engine hears of everything through the `TargetListener`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lambent.clock import Clock, new_uuid
from lambent.control.account import AccountSettings
from lambent.control.aliases import Aliases
from lambent.control.aws_clients import AwsClients
from lambent.control.buckets import Buckets
from lambent.control.bundle import Bundle
from lambent.control.capacity_providers import CapacityProviders
from lambent.control.code import CodeLinks, CodeStore
from lambent.control.code_signing import CodeSigningConfigs, config_arn
from lambent.control.companions import Companions
from lambent.control.concurrency import Concurrency
from lambent.control.envelopes import Envelopes
from lambent.control.event_invoke import EventInvokes
from lambent.control.event_source_mappings import EventSourceMappings, mapping_arn
from lambent.control.function_urls import Address, FunctionUrls, aws_address
from lambent.control.functions import Functions
from lambent.control.idle_images import IdleImages, SinceCall
from lambent.control.image_store import ImageStore
from lambent.control.images import Images
from lambent.control.layers import Layers
from lambent.control.names import Scope
from lambent.control.permissions import Permissions
from lambent.control.provisioned import ProvisionedConcurrency
from lambent.control.recursion import Recursion
from lambent.control.registry import Registry
from lambent.control.resource_policies import ResourcePolicies
from lambent.control.runtime_management import RuntimeManagements
from lambent.control.runtime_rules import Runtimes
from lambent.control.s3 import S3Source
from lambent.control.scaling import FunctionScaling
from lambent.control.shelf import Shelf
from lambent.control.signatures import Signatures
from lambent.control.source_lookup import SourceLookup
from lambent.control.tags import Tagged, Tags, of_shelf
from lambent.control.targets import Allocator, Preparer, TargetListener, VersionTarget
from lambent.control.versions import Versions
from lambent.errors import ResourceNotFound, ServiceException
from lambent.settings import Settings
from lambent.signing.profiles import default_dir
from lambent.store.artifacts import Artifacts
from lambent.store.database import Database
from lambent.store.records import CodeSigningConfig, EventSourceMapping


class Control:
    """What exists. The database must be open before `open` and closed after `close`."""

    def __init__(
        self,
        *,
        database: Database,
        artifacts: Artifacts,
        listener: TargetListener,
        allocator: Allocator,
        runtimes: Runtimes,
        settings: Settings,
        clock: Clock,
        new_id: Callable[[], str] = new_uuid,
        secret: bytes | None = None,
        clients: AwsClients | None = None,
        buckets: Buckets | None = None,
        preparer: Preparer | None = None,
        images: ImageStore | None = None,
        url_address: Address = aws_address,
        on_distrust: Callable[[], None] = lambda: None,
    ) -> None:
        self._artifacts = artifacts
        self._clock = clock
        self._image_idle_days = settings.image_idle_days
        self.clients = clients or AwsClients(settings)
        self._links = CodeLinks(artifacts.package, clock, secret or os.urandom(32))
        self._registry = registry = Registry(
            database,
            artifacts,
            listener,
            clock,
            new_id,
            settings.state_delay_s,
            preparer,
            settings.snapshots,
            settings.snapshot_creations,
            images,
            Envelopes(self.clients),
        )
        code = CodeStore(
            artifacts, S3Source(self.clients, buckets), registry, settings.zipped_limit_mb << 20
        )
        companions = Companions(self.clients)
        signatures = Signatures(artifacts, settings.signing_dir or default_dir())
        self.layers = Layers(database, registry, code, self._links, signatures, clock, new_id)
        self.code_signing = CodeSigningConfigs(
            Shelf(database, "code-signing-config", CodeSigningConfig),
            registry,
            signatures,
            clock,
            on_distrust,
        )
        self.capacity_providers = CapacityProviders(
            database, registry, clock, settings.state_delay_s
        )
        self.functions = Functions(
            registry,
            code,
            self._links,
            runtimes,
            companions,
            Images(self.clients, images),
            self.layers,
            self.code_signing,
            signatures,
            self.capacity_providers,
            clock,
            new_id,
        )
        self.scaling = FunctionScaling(registry)
        self.versions = Versions(registry, clock, new_id)
        self.aliases = Aliases(registry, new_id)
        self.concurrency = Concurrency(registry, settings.concurrency_limit)
        self.provisioned = ProvisionedConcurrency(
            registry, allocator, clock, settings.concurrency_limit
        )
        self.permissions = Permissions(registry, new_id)
        self.resource_policies = ResourcePolicies(registry, new_id)
        self.recursion = Recursion(registry)
        self.runtime_managements = RuntimeManagements(registry)
        self.event_invokes = EventInvokes(registry, clock)
        self.function_urls = FunctionUrls(registry, clock, url_address)
        self.event_source_mappings = EventSourceMappings(
            Shelf(database, "event-source-mapping", EventSourceMapping),
            registry,
            SourceLookup(self.clients),
            clock,
            new_id,
            settings.state_delay_s,
        )
        self.tags = Tags(
            registry,
            {
                "capacity-provider": Tagged(
                    self.capacity_providers.read_tags, self.capacity_providers.change_tags
                ),
                "code-signing-config": of_shelf(self.code_signing.shelf, _no_config),
                "event-source-mapping": of_shelf(self.event_source_mappings.shelf, _no_mapping),
            },
            new_id,
        )
        self._open = False
        self.account_settings = AccountSettings(
            registry, self.layers, settings.concurrency_limit, settings.zipped_limit_mb << 20
        )

    def wake(self, target: VersionTarget) -> None:
        """An Inactive version was called."""
        self._registry.wake(target.account, target.region, target.function_name, target.version)

    def idle_images(self, since_call: SinceCall) -> IdleImages:
        """Who looks for images that nobody has called for long; its `run` is to be a task."""
        return IdleImages(
            self._registry, self._artifacts, self._clock, since_call, self._image_idle_days
        )

    async def open(self) -> None:
        """Load what exists, complete what was interrupted, push all targets to the listener."""
        await self._artifacts.open()
        await self.layers.open()
        await self.capacity_providers.open()
        await self._registry.open()
        await self.code_signing.shelf.open()
        await self.event_source_mappings.shelf.open()
        await self.event_source_mappings.open()
        self._open = True

    async def close(self) -> None:
        """Finish the changes under way; waiting transitions are completed by the next `open`."""
        self._open = False
        await self.event_source_mappings.close()
        await self.event_source_mappings.shelf.close()
        await self.code_signing.shelf.close()
        await self._registry.close()
        await self.clients.close()
        await self._artifacts.close()

    def find(self, scope: Scope, name: str) -> Bundle | None:
        """A function as it is now, for rooms that act on it."""
        return self._registry.get(scope, name)

    async def check(self) -> None:
        """Returns when functions can be changed; raises `ServiceException` otherwise."""
        if not self._open:
            raise ServiceException("what exists is not loaded")

    async def open_code(self, token: str) -> Path | None:
        """The zip behind `/_code/<token>`; None when the link is forged, expired or dead."""
        return self._links.open(token)


def _no_config(scope: Scope, config_id: str) -> ResourceNotFound:
    arn = config_arn(scope, config_id)
    return ResourceNotFound(f"The Lambda code signing configuration {arn} can not be found.")


def _no_mapping(scope: Scope, uuid: str) -> ResourceNotFound:
    return ResourceNotFound(f"Event source mapping not found: {mapping_arn(scope, uuid)}")
