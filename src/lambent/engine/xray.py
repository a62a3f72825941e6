"""X-Ray in one environment of a function whose tracing is Active: the daemon's port, own segments.

Only such environments have one. The SDK inside sends its subsegments to a UDP port of the sandbox's
loopback; `Tracer` reads them there and makes the two segments that Lambda makes of an invoke:
`AWS::Lambda` for the service and `AWS::Lambda::Function` with Initialization, Invocation and Overhead.
Every call is sampled unless its caller decided otherwise. (AWS Lambda developer guide, "Visualize
Lambda function invocations using AWS X-Ray".)
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Final

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine.call import Call
from lambent.observe.trace_header import TraceHeader
from lambent.observe.traces import Document, Traces, parse
from lambent.sandbox.spec import Sandbox

PORT: Final = 2000
DATAGRAM: Final = 64 * 1024
MOST_READS: Final = 64
"""Per turn of the loop: a function that sends without end must not hold us."""
BUFFER: Final = 1024 * 1024


class Tracer:
    """The X-Ray daemon of one environment, as far as its function can see."""

    def __init__(self, target: VersionTarget, traces: Traces, clock: Clock) -> None:
        self._target = target
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
        made = await sandbox.open_socket("udp", PORT)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket = made
        asyncio.get_running_loop().add_reader(made.fileno(), self._read)
        return f"127.0.0.1:{made.getsockname()[1]}"

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
                self._export(document)

    def _export(self, document: Document) -> None:
        self._traces.export(self._scope, self._target.function_name, document)

    def begin(self, call: Call) -> None:
        """Before delivery: the function's segment is its parent in the header that it sees."""
        header = TraceHeader.parse(call.trace)
        own = not call.invocation.trace_header or header.root.endswith(
            call.invocation.request_id.replace("-", "")[:24]
        )
        self._function_id = ""
        if not header.root or not (header.sampled or own):
            return
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

    def end(
        self, call: Call, ended: float, function_error: str | None, init: tuple[float, float] | None
    ) -> None:
        """After the answer; `init`: when Init began and was over, on the first invoke after it."""
        if not self._function_id:
            return
        self._read()
        wall = self._clock.time_ms() / 1000 - self._clock.monotonic()
        target, service = self._target, secrets.token_hex(8)
        start = (init[0] if init else call.started) + wall
        state = {"fault": True} if function_error else {}
        parts = [_part("Invocation", call.started + wall, ended + wall) | state]
        if init:
            parts.insert(0, _part("Initialization", init[0] + wall, init[1] + wall))
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
