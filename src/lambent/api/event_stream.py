"""`application/vnd.amazon.eventstream`: the frames in which a streamed answer travels.

A frame is: total length, headers' length, CRC of those two; headers; payload; CRC of all before
(big-endian, CRC-32). Every header here is a string (type 7). botocore's parser is the oracle.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"
_STRING: Final = 7
_PRELUDE: Final = struct.Struct("!II")
_CRC: Final = struct.Struct("!I")


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message."""
    coded = b"".join(_header(name, value) for name, value in headers.items())
    prelude = _PRELUDE.pack(16 + len(coded) + len(payload), len(coded))
    head = prelude + _CRC.pack(zlib.crc32(prelude))
    body = b"".join((head, coded, payload))
    return body + _CRC.pack(zlib.crc32(body))


def event(kind: str, members: Mapping[str, Any]) -> bytes:
    """An event of the answer's stream, as JSON."""
    return _json({":message-type": "event", ":event-type": kind}, members)


def blob_event(kind: str, payload: bytes) -> bytes:
    """An event whose payload is one blob, as it is."""
    headers = {
        ":message-type": "event",
        ":event-type": kind,
        ":content-type": "application/octet-stream",
    }
    return frame(headers, payload)


def exception(code: str, message: str) -> bytes:
    """The last message of a stream that fails."""
    headers = {":message-type": "exception", ":exception-type": code}
    return _json(headers, {"message": message})


def _json(headers: dict[str, str], members: Mapping[str, Any]) -> bytes:
    headers[":content-type"] = "application/json"
    return frame(headers, msgspec.json.encode(members))


def _header(name: str, value: str) -> bytes:
    coded_name, coded = name.encode(), value.encode()
    return struct.pack(
        f"!B{len(coded_name)}sBH{len(coded)}s",
        len(coded_name), coded_name, _STRING, len(coded), coded,
    )  # fmt: skip
