"""X-Ray in one environment: the daemon's port, and the segments that Lambda makes itself.

The SDK inside sends its subsegments to a UDP port of the sandbox's loopback; `Tracer` reads them
there and makes the two segments of an invoke: `AWS::Lambda` for the service and
`AWS::Lambda::Function` with Initialization, Invocation and Overhead. Where tracing is Active, every
call is sampled unless its caller decided otherwise; where it is PassThrough, those whose caller
sampled them are, and the port is opened when the first of them comes. (AWS Lambda developer guide,
"Visualize Lambda function invocations using AWS X-Ray".)
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Final

import structlog

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine.call import Call
from lambent.errors import LambentError
from lambent.observe.told_calls import ToldCalls
from lambent.observe.trace_header import TraceHeader
from lambent.observe.traces import OWN_BYTES, Document, Traces, parse
from lambent.sandbox.spec import Sandbox

log = structlog.get_logger()

PORT: Final = 2000
DATAGRAM: Final = 64 * 1024
MOST_READS: Final = 64
"""Per turn of the loop: a function that sends without end must not hold us."""
BUFFER: Final = 1024 * 1024


ADDRESS: Final = f"127.0.0.1:{PORT}"
"""Where functions send in a network of their own, whether anybody listens yet or not."""


class Tracer:
    """The X-Ray daemon of one environment, as far as its function can see."""

    __slots__ = (
        "_clock", "_function_id", "_open", "_parent", "_root", "_scope", "_socket", "_target",
        "_told_calls", "_traces", "_tried", "active",
    )  # fmt: skip

    def __init__(
        self, target: VersionTarget, traces: Traces, told_calls: ToldCalls, clock: Clock
    ) -> None:
        self._target = target
        self._told_calls = told_calls
        self.active = target.tracing_mode == "Active"
        """Calls are traced although their callers do not ask for it."""
        self._tried = False
        self._scope = target.account, target.region
        self._traces = traces
        self._clock = clock
        self._socket: socket.socket | None = None
        self._function_id = ""
        """The running invoke's function segment; empty when it is not sampled."""
        self._parent = ""
        self._root = ""
        self._open: Document | None = None
        """The last invoke's function segment, until its overhead is known."""

    async def open(self, sandbox: Sandbox) -> str:
        """Listen; what AWS_XRAY_DAEMON_ADDRESS is to say."""
        self.close()
        self._tried = True
        made = await sandbox.open_socket("udp", PORT)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._read)
        return f"127.0.0.1:{made.getsockname()[1]}"

    async def open_late(self, sandbox: Sandbox) -> None:
        """`open`, before the first sampled call; a port that the function holds itself is its own."""
        try:
            await self.open(sandbox)
        except (LambentError, OSError) as error:
            log.warning("xray.not_listening", function=self._target.arn, why=str(error))

    @property
    def wants_socket(self) -> bool:
        """A sampled call is about to be delivered, and nobody listens for what it sends."""
        return not self._tried and bool(self._function_id)

    def close(self) -> None:
        made, self._socket = self._socket, None
        segment, self._open = self._open, None
        if segment is not None:  # it ended without rest
            self._export(segment)
        if made is not None:
            asyncio.get_running_loop().remove_reader(made.fileno())
            made.close()

    def _read(self) -> None:
        if self._socket is None:
            return
        for _ in range(MOST_READS):
            try:
                datagram = self._socket.recv(DATAGRAM)
            except OSError:
                return
            document = parse(datagram)
            if document is not None:
                self._traces.add(self._scope, document, len(datagram))
                self._export(document, len(datagram))
                self._told_calls.note(self._scope, self._target.function_name, document)

    def _export(self, document: Document, size: int = OWN_BYTES) -> None:
        self._traces.export(self._scope, self._target.function_name, document, size)

    def begin(self, call: Call) -> bool:
        """Before delivery: the function's segment is its parent in the header that it sees.

        False where the call is not sampled.
        """
        header = TraceHeader.parse(call.trace)
        own = not call.invocation.trace_header or header.root.endswith(
            call.invocation.request_id.replace("-", "")[:24]
        )
        self._function_id = ""
        if not header.root or not (header.sampled or (own and self.active)):
            return False
        self._root, self._parent = header.root, "" if own else header.parent
        self._function_id = secrets.token_hex(8)
        rest = [
            part
            for part in call.trace.split(";")
            if part.partition("=")[0].strip() not in {"Root", "Parent", "Sampled"}
        ]
        call.trace = ";".join(
            (f"Root={header.root}", f"Parent={self._function_id}", "Sampled=1", *rest)
        )
        return True

    def end(
        self,
        call: Call,
        ended: float,
        function_error: str | None,
        before: tuple[str, float, float] | None,
    ) -> None:
        """After a sampled call's answer.

        `before`: of the first call, what had come before it (`Initialization`, `Restore`), from
        when to when.
        """
        self._read()
        wall = self._clock.time_ms() / 1000 - self._clock.monotonic()
        target, service = self._target, secrets.token_hex(8)
        start = (before[1] if before else call.started) + wall
        state = {"fault": True} if function_error else {}
        parts = [_part("Invocation", call.started + wall, ended + wall) | state]
        if before:
            parts.insert(0, _part(before[0], before[1] + wall, before[2] + wall))
        common = {
            "name": target.function_name,
            "trace_id": self._root,
            "end_time": ended + wall,
            "aws": {"request_id": call.invocation.request_id, "function_arn": target.function_arn},
        }
        of_service = (
            common
            | {"id": service, "start_time": call.admitted + wall, "origin": "AWS::Lambda",
               "resource_arn": call.arn, "http": {"response": {"status": 200}}}
            | ({"parent_id": self._parent} if self._parent else {})
            | state
        )  # fmt: skip
        self._traces.add(self._scope, of_service)
        self._export(of_service)
        self._open = (
            common
            | {"id": self._function_id, "parent_id": service, "start_time": start,
               "origin": "AWS::Lambda::Function", "subsegments": parts}
            | state
        )  # fmt: skip
        self._traces.add(self._scope, self._open)
        self._traces.name_request(self._scope, call.invocation.request_id, self._root)

    def rest(self) -> None:
        """The environment is free again: what came after the answer was overhead."""
        segment, self._open = self._open, None
        if segment is None:
            return
        now = self._clock.time_ms() / 1000
        segment["subsegments"].append(_part("Overhead", min(segment["end_time"], now), now))
        segment["end_time"] = max(segment["end_time"], now)
        self._export(segment)


def _part(name: str, start_time: float, end_time: float) -> Document:
    return {
        "id": secrets.token_hex(8),
        "name": name,
        "start_time": start_time,
        "end_time": max(start_time, end_time),
    }
