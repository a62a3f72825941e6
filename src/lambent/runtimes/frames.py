"""The channel: the frames between the engine and our managed runtimes.

A Unix stream socket pair, one per runtime process; the runtime finds its end at descriptor 3
(`CHANNEL_FD`). A frame is a 4-byte big-endian length of what follows, a 1-byte kind, a body:

    server → runtime
      INVOKE   2-byte big-endian header length, header, payload (JSON, as the caller sent it).
               header: UTF-8 fields joined by newlines, in this order:
               request id, deadline (ms since the epoch), invoked function ARN, trace header,
               tenant id, client context (JSON or empty), Cognito identity (JSON or empty)
    server → runtime that forks workers (multi-concurrency); it never gets an INVOKE
      FORK     worker's number (4 bytes, big-endian), its log stream; two descriptors travel with
               it, the worker's end of its own channel and of its log pipe
      SIGNAL   worker's number and a signal's, 4 bytes each
    server → a snapshot's template, over datagrams, and its forks
      SEAL     first of all: the highest capability (1 byte), the final seccomp filter
      BEAR     fork into a place: the kinds of its namespaces (4 bytes each); with them travel their
               descriptors, a channel's end and a log pipe's end
      RESTORE  to the fork, on its own channel: environment variables (a JSON object)
      EXEC     instead: become a program, an extension (JSON: argv, env, cwd)
    runtime → server
      FORKED       a template has forked: its pid in the template's namespace (4 bytes), with a pidfd
      FORK_FAILED  it could not: why
      READY        Init is over, the handler is loaded; empty body (a template's is a JSON object:
                   what it found that cannot be forked)
      RESTORE_NEXT with SnapStart, from a process that was started, not forked: all that comes before
                   a snapshot is done; what follows until READY counts as its restore
      INIT_ERROR   Init failed: the error document (JSON); the runtime then exits with status 1
      RESPONSE     the handler's return value as JSON
      ERROR        the handler failed: the error document (JSON)
      FATAL        as ERROR, and the runtime ends itself now: no invoke may follow
      STREAM       the answer comes in parts: its content type, or empty
      CHUNK        a part of it, any bytes
      EXITED   from one that forks: worker's number and its wait status, 4 bytes each
      STREAM_END   the end of it; or the error document (JSON) of what broke it off

Logs do not travel here. Descriptors 1 and 2 are one pipe (so the order is kept); a log record with
several lines is one message there if framed as `LOG_MAGIC`, 4-byte big-endian length, 8-byte
big-endian microseconds since the epoch, text. This is what AWS's own runtime client writes to the
descriptor in `_LAMBDA_TELEMETRY_LOG_FD`, which we give the same pipe. Anything else is split at
newlines. The runtime flushes before RESPONSE, ERROR, STREAM_END and INIT_ERROR, so that the server, which
drains the pipe when it reads those, has all of an invoke's output before its END line.
"""

from __future__ import annotations

import struct
from typing import Final

CHANNEL_FD: Final = 3

INVOKE: Final = 1
FORK: Final = 2
SIGNAL: Final = 3
RESTORE: Final = 4
SEAL: Final = 5
BEAR: Final = 6
EXEC: Final = 7
READY: Final = 16
INIT_ERROR: Final = 17
RESPONSE: Final = 18
ERROR: Final = 19
STREAM: Final = 20
CHUNK: Final = 21
STREAM_END: Final = 22
FATAL: Final = 23
EXITED: Final = 24
FORKED: Final = 25
FORK_FAILED: Final = 26
RESTORE_NEXT: Final = 27

CHUNK_BYTES: Final = 65_536
"""A runtime cuts what it streams into parts of this size; the server stops reading the channel while
the client of a stream is slow, so this and the socket's buffer bound what is under way."""

LOG_MAGIC: Final = b"\xa5\x5a\x00\x03"

_PREFIX = struct.Struct(">IBH")


def encode(kind: int, body: bytes) -> bytes:
    """Any other frame."""
    return (len(body) + 1).to_bytes(4, "big") + bytes((kind,)) + body


def encode_invoke(header: bytes, payload: bytes) -> bytes:
    """One INVOKE frame; `header` is the newline-joined fields."""
    return _PREFIX.pack(3 + len(header) + len(payload), INVOKE, len(header)) + header + payload


def encode_order(kind: int, number: int, rest: bytes) -> bytes:
    """A FORK or SIGNAL frame."""
    return struct.pack(">IBI", 5 + len(rest), kind, number) + rest
