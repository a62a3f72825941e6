"""What an operation gets besides its request: who asks, the clock, and the services.

`Services` is made once by the composition root; `Context` once per request by `app`. Operations
reach the rules through `ctx.services` and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lambent.clock import Clock
from lambent.control.account import AccountSettings
from lambent.control.aliases import Aliases
from lambent.control.buckets import Buckets
from lambent.control.capacity_providers import CapacityProviders
from lambent.control.code_signing import CodeSigningConfigs
from lambent.control.concurrency import Concurrency
from lambent.control.event_invoke import EventInvokes
from lambent.control.event_source_mappings import EventSourceMappings
from lambent.control.function_urls import FunctionUrls
from lambent.control.functions import Functions
from lambent.control.iam.made import MadeIdentities
from lambent.control.layers import Layers
from lambent.control.permissions import Permissions
from lambent.control.provisioned import ProvisionedConcurrency
from lambent.control.recursion import Recursion
from lambent.control.resource_policies import ResourcePolicies
from lambent.control.runtime_management import RuntimeManagements
from lambent.control.scaling import FunctionScaling
from lambent.control.tags import Tags
from lambent.control.targets import VersionTarget
from lambent.control.versions import Versions
from lambent.engine.invocation import Invocation
from lambent.observe.log_streams import LogStreams
from lambent.settings import Settings
from lambent.stacks.rooms import StackRooms


class Engine(Protocol):
    """What the API needs of `engine.dispatcher.Dispatcher`; tests bring a small one of their own."""

    def invoke(self, invocation: Invocation) -> None:
        """Run it; raises an `AwsError` at once, or makes exactly one callback later."""
        ...

    def resolve(
        self, account: str, region: str, name: str, qualifier: str | None, tenant_id: str = ""
    ) -> VersionTarget:
        """The version that a call would run; raises `ResourceNotFound` with AWS's text."""
        ...


class EventIntake(Protocol):
    """What the API needs of `events`: the durable queue of asynchronous invokes."""

    async def accept(
        self,
        *,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        request_id: str,
        trace_header: str,
        tenant_id: str = "",
    ) -> None:
        """Returns once the event is on disk."""
        ...


@dataclass(slots=True, kw_only=True)
class Services:
    """Everything an operation may call. One per server."""

    dispatcher: Engine
    events: EventIntake
    functions: Functions
    versions: Versions
    aliases: Aliases
    concurrency: Concurrency
    provisioned: ProvisionedConcurrency
    capacity_providers: CapacityProviders
    scaling: FunctionScaling
    account_settings: AccountSettings
    layers: Layers
    permissions: Permissions
    resource_policies: ResourcePolicies
    code_signing: CodeSigningConfigs
    tags: Tags
    recursion: Recursion
    runtime_managements: RuntimeManagements
    event_invokes: EventInvokes
    function_urls: FunctionUrls
    event_source_mappings: EventSourceMappings
    logs: LogStreams
    stacks: StackRooms | None = None
    """CloudFormation's; None where a test has none."""
    identities: MadeIdentities | None = None
    """Roles that were made through IAM's API; None where the settings name an IAM."""
    buckets: Buckets | None = None
    """Where deployment tools upload to; None where the settings name an S3."""
    code_download: Callable[[str], Awaitable[Path | None]] | None = None
    """Token of a `/_code/<token>` link → the zip's file, or None when there is none."""


@dataclass(slots=True, kw_only=True)
class Context:
    """One request's surroundings."""

    account: str
    region: str
    access_key: str
    """Whose signature it is, or says it is; empty without one."""
    caller_arn: str
    """Who that is, where signatures are verified; else empty."""
    request_id: str
    """Lower-case UUID; the answer's x-amzn-RequestId."""
    settings: Settings
    clock: Clock
    base_url: str
    """How the client reached us, `http://127.0.0.1:9000`, for links in answers; no final slash."""
    services: Services
