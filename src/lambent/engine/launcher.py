"""The cold path: from a version to a runtime process in a sandbox, with its transport and log pipe.

`place` makes the sandbox, `launch` starts a runtime in it (again after a reset). How a runtime is
started is the runtimes room's knowledge, what isolates it the sandbox room's; here they meet.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from typing import Final

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine import xray
from lambent.engine.channel import Channel
from lambent.engine.credentials import Credentials, CredentialsSource, Unverified
from lambent.engine.door import refuse
from lambent.engine.extensions import Extensions, may_have, names
from lambent.engine.file_systems import FileSystems
from lambent.engine.log_pipe import LogPipe
from lambent.engine.runtime import LOG_FD, RUNTIME_API_PORT, LogSink, Runtime, start_process
from lambent.engine.runtime_api import RuntimeApi
from lambent.engine.shared_host import SharedHosts
from lambent.engine.shared_seat import Seat
from lambent.errors import InvalidRuntime
from lambent.http.exchange import Exchange
from lambent.observe.logs import LogStore
from lambent.runtimes import processor
from lambent.runtimes.frames import CHANNEL_FD
from lambent.runtimes.launch import Facts, LaunchPlan, Planner
from lambent.sandbox.spec import Egress, Sandbox, SandboxHost, SandboxSpec, Template

PIDS_MAX: Final = 1024


class Launcher:
    """Makes sandboxes and starts runtimes for the environments of one server."""

    def __init__(
        self,
        host: SandboxHost,
        planner: Planner,
        logs: LogStore,
        clock: Clock,
        egress: Egress,
        credentials: CredentialsSource | None = None,
        file_systems: FileSystems | None = None,
        aws_endpoint_url: str | None = None,
        new_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._host = host
        self._planner = planner
        self._egress: Egress = egress
        self._shared = SharedHosts(self)
        self._credentials = credentials or Unverified()
        self._aws_endpoint_url = aws_endpoint_url
        self._file_systems = file_systems or FileSystems(None)
        self.own_api: Callable[[Exchange, VersionTarget], None] | None = None
        """What answers the AWS calls of functions to this server; set once it can."""
        self.logs = logs
        self.clock = clock
        self.new_id = new_id

    def unforkable(self, target: VersionTarget) -> str:
        """Why no environment of this version can be forked from another here; empty if it can.

        Blocking: lays out the interpreter on first use.
        """
        ground = self._planner.ground(target)
        reasons = (
            (self._host.kind != "namespaces", "this machine's sandbox does not isolate"),
            (
                self._egress == "host",
                "environments that share the host's network cannot be forked",
            ),
            (
                not ground.python,
                f"the runtime {target.runtime or 'of the image'} cannot be forked",
            ),
            (bool(target.max_concurrency), "its environments take several invokes at once"),
            (
                bool(target.environment.get("AWS_LAMBDA_EXEC_WRAPPER")),
                "its AWS_LAMBDA_EXEC_WRAPPER starts the runtime",
            ),
        )
        why = next((reason for holds, reason in reasons if holds), "")
        if not why:
            processor.check(target)
        return why

    def traces(self, target: VersionTarget) -> bool:
        """Whether environments of this version can take part in traces.

        Where the network is the host's, the daemon's port is another for each environment, and has
        to be known before the runtime starts: then only for functions whose tracing is Active.
        """
        if target.max_concurrency:  # several calls at once, and who sent what cannot be told
            return False
        return self._own_network or target.tracing_mode == "Active"

    @property
    def _own_network(self) -> bool:
        return self._host.kind == "namespaces" and self._egress != "host"

    @property
    def _xray_daemon(self) -> str:
        """What every runtime is told, if somebody may listen there later."""
        return xray.ADDRESS if self._own_network else ""

    def call_api(self, target: VersionTarget, exchange: Exchange) -> None:
        """A request to AWS Lambda from inside an environment of `target`."""
        if self.own_api is None:
            refuse(exchange, 404, "NotFound", f"no such path: {exchange.path}")
        else:
            self.own_api(exchange, target)

    async def credentials(self, target: VersionTarget) -> Credentials:
        return await self._credentials.issue(target)

    async def place(self, target: VersionTarget, *, template: Template | None = None) -> Sandbox:
        """A sandbox for one environment; raises `SandboxError` or `InvalidRuntime`.

        `template`: what it will be forked from. Where an environment takes several invokes at once, a seat in one that several share.
        """
        processor.check(target)
        if target.image_uri:
            self._check_image(target)
        if template is not None:  # whose ground it stands on
            return await self.create(target, template=template)
        ground = await asyncio.to_thread(self._planner.ground, target)
        if target.max_concurrency:
            return await self._shared.seat(target, ground.transport)
        return await self.create(target)

    def _check_image(self, target: VersionTarget) -> None:
        if self._host.kind != "namespaces":
            raise InvalidRuntime(
                f"{target.function_name} is a container image, which needs a sandbox that isolates: "
                "see lambent doctor."
            )
        if target.max_concurrency:
            raise InvalidRuntime("A container image takes one invoke at a time here.")
        if not (target.code_path / "rootfs").is_dir():
            reason = target.state_reason or "it has not been fetched"
            raise InvalidRuntime(f"{target.function_name} is a container image: {reason}")

    async def create(
        self, target: VersionTarget, *, forkable: bool = False, template: Template | None = None
    ) -> Sandbox:
        """A whole sandbox of its own; `forkable` for what others are forked from."""
        ground = self._planner.ground(target)
        systems = self._file_systems
        mounts = await asyncio.to_thread(systems.mounts, target) if target.file_systems else ()
        return await self._host.create(
            SandboxSpec(
                id=self.new_id(),
                owner=target.function_arn,
                task_dir=self._planner.task_dir(target),
                root_dir=target.code_path / "rootfs" if target.image_uri else None,
                layer_dirs=target.layer_paths,
                lang_dir=ground.lang_dir,
                runtime_dir=ground.runtime_dir,
                mounts=mounts,
                memory_mb=target.memory_mb,
                reserved_mb=ground.reserved_mb,
                ephemeral_mb=target.ephemeral_mb,
                pids_max=PIDS_MAX + target.max_concurrency * 2,
                egress=self._egress,
                ports=(RUNTIME_API_PORT,),
                forkable=forkable,
                template=template,
            )
        )

    async def launch(
        self,
        sandbox: Sandbox,
        target: VersionTarget,
        events: LogSink,
        log_stream: str,
        initialization: str,
        extensions: Extensions | None,
        xray_daemon: str = "",
    ) -> Runtime | None:
        """Start extensions, then a runtime process; what it says goes to `events`.

        None when an extension failed, of which the environment has heard.
        """
        if isinstance(sandbox, Seat) or extensions is None:
            assert isinstance(sandbox, Seat)
            return await sandbox.launch(events, log_stream)
        plan, lifetime_s = await self.plan(sandbox, target, log_stream, initialization, xray_daemon)
        external = await asyncio.to_thread(names, target) if may_have(target) else ()
        if plan.transport == "http" or external:
            await extensions.door.open()
        else:
            extensions.door.watch()
        if external and not await extensions.start(sandbox, external, plan.env):
            return None
        loop = asyncio.get_running_loop()
        pipe = LogPipe(events.on_message, loop)
        transport: Channel | RuntimeApi
        fds = {}
        if plan.transport == "channel":
            transport = channel = Channel(events, loop)
            fds[CHANNEL_FD] = channel.runtime_end.fileno()
        else:
            transport = RuntimeApi(events, extensions.door)
        try:
            process = await start_process(sandbox, plan, pipe, fds)
        except BaseException:
            await transport.close()
            pipe.close()
            raise
        if isinstance(transport, Channel):
            transport.runtime_end.close()
        return Runtime(process, transport, pipe, lifetime_s)

    async def plan(
        self,
        sandbox: Sandbox,
        target: VersionTarget,
        log_stream: str,
        initialization: str,
        xray_daemon: str = "",
    ) -> tuple[LaunchPlan, float | None]:
        """How a process is started in this sandbox, and how long its credentials are good."""
        listener = sandbox.listeners.get(RUNTIME_API_PORT)
        credentials = await self._credentials.issue(target)
        plan = self._planner.plan(
            target,
            Facts(
                log_stream=log_stream,
                runtime_api=f"127.0.0.1:{listener.getsockname()[1]}" if listener else "",
                access_key_id=credentials.access_key_id,
                secret_access_key=credentials.secret_access_key,
                session_token=credentials.session_token,
                endpoint_url=self._aws_endpoint_url,
                lambda_url="" if target.max_concurrency else _own_url(listener),
                log_fd=LOG_FD,
                initialization_type=initialization,
                xray_daemon=xray_daemon or self._xray_daemon,
            ),
        )
        return plan, credentials.lifetime_s

    def plan_template(
        self, target: VersionTarget, log_stream: str, credentials_url: str, credentials_token: str
    ) -> LaunchPlan:
        """How a snapshot's template is started: without credentials, which it can fetch."""
        return self._planner.plan(
            target,
            Facts(
                log_stream=log_stream,
                credentials_url=credentials_url,
                credentials_token=credentials_token,
                endpoint_url=self._aws_endpoint_url,
                lambda_url=f"http://127.0.0.1:{RUNTIME_API_PORT}",
                log_fd=LOG_FD,
                initialization_type="snap-start",
                xray_daemon=self._xray_daemon,
            ),
        )


def _own_url(listener: socket.socket | None) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}" if listener else ""
