"""Payloads that are signed chunk by chunk: `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`.

Each chunk's signature covers the one before it, and the first the request's own, so that none can
be changed, left out or put elsewhere. (Amazon S3 API reference, "Signature calculations: transferring
payload in multiple chunks".)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Final

from lambent.errors import S3Error

STREAMING: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
UNSIGNED_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
"""Chunks without signatures, and a checksum behind them."""
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,8})(?:;[^\r\n]*)?\r\n")
_HEAD: Final = re.compile(rb"([0-9a-fA-F]{1,8});chunk-signature=([0-9a-f]{64})\r\n")
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


class BrokenChunks(ValueError):  # noqa: N818  says what it is
    """The framing is wrong, or a signature is."""


def decode(body: bytes, key: bytes, timestamp: str, scope: str, seed: str) -> bytes:
    """The payload; raises `BrokenChunks`. `seed` is the request's own signature."""
    at, before = 0, seed
    parts: list[bytes] = []
    while True:
        head = _HEAD.match(body, at)
        if head is None:
            raise BrokenChunks("no chunk where one must be")
        start = head.end()
        end = start + int(head[1], 16)
        chunk = body[start:end]
        if len(chunk) != end - start or body[end : end + 2] != b"\r\n":
            raise BrokenChunks("a chunk is cut off")
        before = _signature(key, timestamp, scope, before, chunk)
        if not hmac.compare_digest(before.encode(), head[2]):
            raise BrokenChunks("a chunk's signature is wrong")
        at = end + 2
        if not chunk:
            break
        parts.append(chunk)
    if at != len(body):
        raise BrokenChunks("something follows the last chunk")
    return b"".join(parts)


def unframed(body: bytes, header: Callable[[bytes], bytes | None]) -> bytes:
    """The payload of a body that may still be in chunks; what is behind the last is let go.

    `verify` has taken those apart whose signatures count. Raises `S3Error`.
    """
    declared = header(b"x-amz-content-sha256") or b""
    told = header(b"x-amz-decoded-content-length")
    if not declared.startswith(b"STREAMING-") or told == str(len(body)).encode():
        return body
    at = 0
    parts: list[bytes] = []
    while head := _SIZE.match(body, at):
        start = head.end()
        end = start + int(head[1], 16)
        if end == start:
            found = b"".join(parts)
            if told is None or told == str(len(found)).encode():
                return found
            break
        if body[end : end + 2] != b"\r\n":
            break
        parts.append(body[start:end])
        at = end + 2
    raise S3Error("IncompleteBody", "The request body terminated unexpectedly", 400)


def _signature(key: bytes, timestamp: str, scope: str, before: str, chunk: bytes) -> str:
    digest = hashlib.sha256(chunk).hexdigest()
    text = f"AWS4-HMAC-SHA256-PAYLOAD\n{timestamp}\n{scope}\n{before}\n{_EMPTY}\n{digest}"
    return hmac.new(key, text.encode(), "sha256").hexdigest()
