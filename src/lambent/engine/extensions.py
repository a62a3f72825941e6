"""The extensions of one environment, from a launch to the end of its processes.

External ones are the executables in `/opt/extensions`, started before the runtime, which waits for
their registration; internal ones register from inside the runtime process. Each goes through the
table below; the environment is ready, or free for another invoke, when every one of them waits for
its next event. `ExtensionApi` translates their requests, and the environment (`Home`) hears what
concerns it. (AWS Lambda developer guide, "Using the Lambda Extensions API".)
"""

from __future__ import annotations

import asyncio
import enum
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import msgspec

from lambent.clock import Clock, new_uuid
from lambent.control.targets import VersionTarget
from lambent.engine.door import Door
from lambent.engine.faults import Fault, ended_by
from lambent.engine.log_pipe import LogPipe
from lambent.http.exchange import Exchange
from lambent.images import inside
from lambent.sandbox.spec import Exit, Process, ProcessSpec

MOST: Final = 10
FOLDER: Final = "/opt/extensions"
EXTERNAL_S: Final = 2.0
INTERNAL_S: Final = 0.5
"""Lambda's Shutdown phase with external extensions, and with internal ones alone."""
RUNTIME_S: Final = 0.3
"""How much of it the runtime has for itself before the external ones are told."""
INVOKE: Final = "INVOKE"
SHUTDOWN: Final = "SHUTDOWN"

NOT_FOR_EXTENSIONS: Final = frozenset({
    "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT", "_AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_PORT", "_HANDLER",
    "_LAMBDA_TELEMETRY_LOG_FD", "_LAMBENT_OPT_DIRS", "PYTHONPATH", "NODE_PATH", "RUBYLIB",
})  # fmt: skip
"""What of a runtime's environment an external extension does not get."""


class Phase(enum.Enum):
    """Where an extension is in its life; the values are what EXTENSION lines say."""

    STARTED = "Started"
    REGISTERED = "Registered"
    READY = "Ready"
    """It waits for its next event."""
    RUNNING = "Running"
    """It has an event."""
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"
    EXITED = "Exited"


class Act(enum.Enum):
    """What happens to an extension."""

    REGISTER = "register"
    NEXT = "event/next"
    EVENT = "event"
    INIT_ERROR = "init/error"
    EXIT_ERROR = "exit/error"
    EXIT = "exit"


NEXT: Final[dict[tuple[Phase, Act], Phase]] = {
    (Phase.STARTED, Act.REGISTER): Phase.REGISTERED,
    (Phase.REGISTERED, Act.NEXT): Phase.READY,
    (Phase.REGISTERED, Act.INIT_ERROR): Phase.INIT_ERROR,
    (Phase.READY, Act.EVENT): Phase.RUNNING,
    (Phase.RUNNING, Act.NEXT): Phase.READY,
    **{
        (phase, Act.EXIT_ERROR): Phase.EXIT_ERROR
        for phase in (Phase.REGISTERED, Phase.READY, Phase.RUNNING)
    },
    **{
        (phase, Act.EXIT): Phase.EXITED
        for phase in (Phase.STARTED, Phase.REGISTERED, Phase.READY, Phase.RUNNING)
    },
}
_AWAITED: Final = frozenset({Phase.STARTED, Phase.REGISTERED, Phase.RUNNING})


class Forbidden(Exception):  # noqa: N818  what the Extensions API answers with 403
    """A call that its extension's state does not allow; `kind` is AWS's error type."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Extension:
    """One of them."""

    def __init__(self, name: str, *, external: bool) -> None:
        self.name = name
        self.external = external
        self.id = ""
        self.events: tuple[str, ...] = ()
        self.phase = Phase.STARTED
        self.process: Process | None = None
        self.pipe: LogPipe | None = None
        self._waiting: Exchange | None = None
        self._kept: bytes | None = None

    def advance(self, act: Act) -> None:
        """Raises `Forbidden` where the table has no such step."""
        try:
            self.phase = NEXT[self.phase, act]
        except KeyError:
            raise Forbidden(
                "Extension.InvalidExtensionState",
                f"{act.value} is not allowed when {self.phase.value}",
            ) from None

    def wait(self, exchange: Exchange) -> None:
        """Its call for the next event."""
        if self._waiting is not None:
            raise Forbidden("Extension.InvalidExtensionState", "another call for next is waiting")
        if self.phase is not Phase.READY:
            self.advance(Act.NEXT)
        self._waiting = exchange
        exchange.on_gone = self._left
        if self._kept is not None:
            event, self._kept = self._kept, None
            self.send(event)

    def _left(self) -> None:
        """It hung up; what comes meanwhile is kept for when it asks again."""
        self._waiting = None

    def send(self, event: bytes) -> None:
        """Give it an event, or keep it until it asks for one."""
        exchange, self._waiting = self._waiting, None
        if exchange is None:
            self._kept = event
            return
        self.advance(Act.EVENT)
        exchange.on_gone = None
        headers = [
            (b"content-type", b"application/json"),
            (b"Lambda-Extension-Event-Identifier", self.id.encode()),
        ]
        exchange.respond(200, headers, event)


class Home(Protocol):
    """The environment that they are part of."""

    def extensions_settled(self) -> None:
        """All of them wait for their next event."""
        ...

    def on_extension_fault(self, fault: Fault) -> None:
        """One of them failed, which ends the environment's processes."""
        ...

    def on_extension_message(self, time_us: int | None, message: bytes) -> None:
        """What one of them printed."""
        ...


class Starts(Protocol):
    """A place that programs can be started in: a sandbox, or what forks into one."""

    async def start(self, process: ProcessSpec) -> Process: ...


class Extensions:
    """All extensions of one launch."""

    def __init__(
        self,
        target: VersionTarget,
        home: Home,
        clock: Clock,
        door: Door,
        new_id: Callable[[], str] = new_uuid,
    ) -> None:
        self.target = target
        self.door = door
        self.members: dict[str, Extension] = {}
        """By name."""
        self.open_for_registration = True
        self._home = home
        self._clock = clock
        self._new_id = new_id
        self._registered: asyncio.Future[bool] | None = None
        self._ending = False

    @property
    def settled(self) -> bool:
        """Whether nothing is to be waited for."""
        return all(member.phase not in _AWAITED for member in self.members.values())

    # ── Init ─────────────────────────────────────────────────────────────────────────────────

    async def start(self, place: Starts, names: Iterable[str], env: Mapping[str, str]) -> bool:
        """Start the external ones and wait until all have registered; False when one failed."""
        allowed = {key: value for key, value in env.items() if key not in NOT_FOR_EXTENSIONS}
        loop = asyncio.get_running_loop()
        self._registered = loop.create_future()
        for name in names:
            self.members[name] = Extension(name, external=True)
        for member in list(self.members.values()):
            await self._start_one(place, member, allowed)
        return await self._registered

    async def _start_one(self, place: Starts, member: Extension, env: Mapping[str, str]) -> None:
        member.pipe = pipe = LogPipe(self._home.on_extension_message, asyncio.get_running_loop())
        program = f"{FOLDER}/{member.name}"
        fds = {1: pipe.write_end, 2: pipe.write_end}
        try:
            member.process = await place.start(
                ProcessSpec(argv=(program,), env=env, cwd="/", fds=fds)
            )
        finally:
            pipe.release_write_end()
        member.process.exited.add_done_callback(lambda done: self._exited(member, done))

    def register(self, name: str, events: tuple[str, ...]) -> Extension:
        """Raises `Forbidden` with AWS's error type."""
        if not name:
            raise Forbidden("Extension.InvalidExtensionName", "Empty extension name")
        member = self.members.get(name)
        if member is None:
            self.check_open("Extension.RegistrationClosed")
            if SHUTDOWN in events:
                raise Forbidden(
                    "ShutdownEventNotSupportedForInternalExtension",
                    "SHUTDOWN event not supported for internal extensions",
                )
            if len(self.members) >= MOST:
                raise Forbidden("Extension.TooManyExtensions", f"at most {MOST} extensions")
            member = Extension(name, external=False)
            self.members[name] = member
        member.advance(Act.REGISTER)
        member.events = events
        member.id = self._new_id()
        if all(other.phase is not Phase.STARTED for other in self.members.values()):
            self._have_registered(True)
        return member

    def check_open(self, kind: str) -> None:
        """Raises `Forbidden` once Init is over."""
        if not self.open_for_registration:
            raise Forbidden(kind, "Init is over")

    def by_id(self, given: str) -> Extension:
        found = next((m for m in self.members.values() if m.id and m.id == given), None)
        if found is None:
            raise Forbidden("Extension.UnknownExtensionIdentifier", "Unknown extension")
        return found

    def _have_registered(self, well: bool) -> None:  # noqa: FBT001  the future's result
        if self._registered is not None and not self._registered.done():
            self._registered.set_result(well)

    # ── events ───────────────────────────────────────────────────────────────────────────────

    def next(self, member: Extension, exchange: Exchange) -> None:
        member.wait(exchange)
        if self.settled and not self._ending:
            self._home.extensions_settled()

    def invoke(self, request_id: str, deadline_ms: int, arn: str, trace: str) -> None:
        """Tell those that want to know of an invoke."""
        event = {
            "eventType": INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": request_id,
            "invokedFunctionArn": arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace},
        }
        for member in self.members.values():
            if INVOKE in member.events and member.phase is Phase.READY:
                member.send(msgspec.json.encode(event))

    def failed(self, member: Extension, act: Act, reason: str) -> None:
        """It says itself that it cannot go on."""
        member.advance(act)
        kind = "Extension.InitError" if act is Act.INIT_ERROR else "Extension.ExitError"
        self._fault(Fault(kind, reason))

    def _exited(self, member: Extension, done: asyncio.Future[Exit]) -> None:
        if member.pipe is not None:
            member.pipe.drain(partial=True)
        if done.cancelled() or (member.phase, Act.EXIT) not in NEXT:
            return
        member.advance(Act.EXIT)
        exit_ = done.result()
        if member.id == "" and exit_.code in {126, 127}:
            self._fault(Fault("Extension.LaunchError", f"fork/exec {FOLDER}/{member.name}: failed"))
        else:
            self._fault(Fault("Extension.Crash", ended_by(exit_)))

    def _fault(self, fault: Fault) -> None:
        self._have_registered(False)
        if not self._ending:
            self._home.on_extension_fault(fault)

    # ── Shutdown ─────────────────────────────────────────────────────────────────────────────

    async def shut_down(self, reason: str, runtime: Process | None) -> None:
        """Lambda's Shutdown phase: the runtime first, then SHUTDOWN to the external ones."""
        self._ending = True
        external = [m for m in self.members.values() if m.external and m.process is not None]
        limit_s = EXTERNAL_S if external else INTERNAL_S
        end = self._clock.monotonic() + limit_s
        if runtime is not None and not runtime.exited.done():
            how = signal.SIGTERM if reason == "spindown" else signal.SIGKILL
            with suppress(OSError):
                os.kill(runtime.pid, how)
            await asyncio.wait([runtime.exited], timeout=RUNTIME_S if external else limit_s)
        deadline_ms = self._clock.time_ms() + int((end - self._clock.monotonic()) * 1000)
        event = {"eventType": SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms}
        for member in external:
            if SHUTDOWN in member.events:
                member.send(msgspec.json.encode(event))
        going = [m.process.exited for m in external if SHUTDOWN in m.events and m.process]
        if going:
            await asyncio.wait(going, timeout=max(0.0, end - self._clock.monotonic()))

    async def close(self) -> None:
        """Their processes are gone, or will be at once."""
        self._ending = True
        self._have_registered(False)
        await self.door.close()
        for member in self.members.values():
            if member.pipe is not None:
                member.pipe.close()
                member.pipe = None  # its exit may be heard of later


def may_have(target: VersionTarget) -> bool:
    """Whether it is worth while to look for them."""
    return bool(target.layer_paths or target.image_uri)


def names(target: VersionTarget) -> tuple[str, ...]:
    """A version's external extensions: files in `extensions/` of its layers or image. Blocking."""
    folders = [Path(layer, "extensions") for layer in target.layer_paths]
    if target.image_uri and (own := inside.find(target.code_path / "rootfs", FOLDER)):
        folders.append(own)
    found: set[str] = set()
    for folder in folders:
        with suppress(OSError):
            found.update(entry.name for entry in folder.iterdir() if entry.is_file())
    return tuple(sorted(found))
