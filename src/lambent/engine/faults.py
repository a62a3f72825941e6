"""What a caller reads when the platform, not the handler, ended an invoke.

The documents and texts are Lambda's (LAMBDA.md 77–80); `Exit` comes from the sandbox.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from lambent.sandbox.spec import Exit

PAYLOAD_LIMIT = 6_291_556
"""Bytes of a synchronous answer."""

# Lambda's runtime supervisor is a Go program, and prints Go's names of signals.
SIGNAL_TEXT = {
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGQUIT: "quit",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGSYS: "bad system call",
    signal.SIGTERM: "terminated",
    signal.SIGTRAP: "trace/breakpoint trap",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an invoke or an Init ended without the runtime's own answer."""

    error_type: str
    message: str
    status: Literal["error", "timeout"] = "error"
    """As REPORT says it."""

    def document(self, request_id: str) -> bytes:
        """The error document that the caller gets."""
        text = f"RequestId: {request_id} Error: {self.message}" if request_id else self.message
        return msgspec.json.encode({"errorType": self.error_type, "errorMessage": text})


def timed_out(seconds: float) -> Fault:
    return Fault("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds", "timeout")


def exited(exit_: Exit) -> Fault:
    """The runtime ended in the middle of an invoke or of Init."""
    if exit_.oom:
        return Fault("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
    if exit_.signal is None and not exit_.code:
        return Fault("Runtime.ExitError", "Runtime exited without providing a reason")
    return Fault("Runtime.ExitError", f"Runtime exited with error: {ended_by(exit_)}")


def ended_by(exit_: Exit) -> str:
    """`exit status 1` or `signal: killed`, as Go writes it."""
    if exit_.signal is None:
        return f"exit status {exit_.code}"
    try:
        name = SIGNAL_TEXT.get(signal.Signals(exit_.signal), f"signal {exit_.signal}")
    except ValueError:  # a real-time signal
        name = f"signal {exit_.signal}"
    return f"signal: {name}"


def too_large(limit: int = PAYLOAD_LIMIT) -> bytes:
    """The error document for an answer over the limit; the environment stays usable."""
    return msgspec.json.encode(
        {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size "
            f"({limit} bytes).",
        }
    )


TRUNCATED = Fault("Runtime.TruncatedResponse", "Runtime closed the response stream before its end")
"""The connection of a streamed answer ended without its last chunk."""

PROTOCOL = Fault("Runtime.ExitError", "Runtime exited without providing a reason")
"""A runtime that breaks the protocol is ended, and looks to the caller like one that left."""


INIT_TIMEOUT = Fault("Sandbox.Timedout", "Init timed out", "timeout")
"""Init took more than its ten seconds; Lambda then tries again inside the first invoke."""


def named(fault: Fault, error_type: str) -> Fault:
    """`fault` under the runtime's own name for it, if it gave one."""
    return replace(fault, error_type=error_type) if error_type else fault


def error_type(document: bytes) -> str:
    """`errorType` of a runtime's error document, for REPORT; it may be anything at all."""
    try:
        found = msgspec.json.decode(document, type=_ErrorDocument).errorType
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found or ""


class _ErrorDocument(msgspec.Struct):
    errorType: str | None = None  # noqa: N815  AWS's name
