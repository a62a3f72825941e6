"""Signature Version 4, the verifying side: canonical request, string to sign, signature.

Pure functions over what was received. Follows "Signature Version 4 signing process" of the AWS
General Reference: the path, percent-encoded as it was sent, is normalised and encoded once more,
for every service but S3, whose keys may hold anything. `auth` decides what a mismatch means.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from lambent.api.credentials import ALGORITHM, Scope

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

Pairs = Sequence[tuple[str, str]]


def canonical_request(
    method: str,
    path: str,
    query: str,
    headers: Pairs,
    signed: Sequence[str],
    payload_hash: str,
    *,
    as_sent: bool = False,
) -> str:
    """`headers` by lower-case names; `signed` as the client listed them; `as_sent` is S3's path."""
    values: dict[str, list[str]] = {name: [] for name in signed}
    for name, value in headers:
        if name in values:
            values[name].append(" ".join(value.split()))
    lines = "".join(f"{name}:{','.join(values[name])}\n" for name in signed)
    return "\n".join(
        (
            method,
            path if as_sent else canonical_path(path),
            canonical_query(query),
            lines,
            ";".join(signed),
            payload_hash,
        )
    )


@lru_cache(maxsize=256)
def canonical_path(path: str) -> str:
    """The path as it was sent, percent signs included, encoded once more."""
    return quote(normalised(path), safe="/~")


def normalised(path: str) -> str:
    """Without empty, `.` and `..` segments; a final slash stays."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment and segment != ".":
            kept.append(segment)
    final = "/" if path.endswith("/") and kept else ""
    return f"/{'/'.join(kept)}{final}"


@lru_cache(maxsize=256)
def canonical_query(query: str) -> str:
    """Sorted by encoded name and value; the signature of a presigned query is left out."""
    pairs = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        name, value = _reencoded(name), _reencoded(value)
        if name != "X-Amz-Signature":
            pairs.append((name, value))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def signature(secret: str, scope: Scope, timestamp: str, request: str) -> str:
    """The hex signature that the holder of `secret` makes for this canonical request."""
    digest = hashlib.sha256(request.encode("utf-8", "surrogateescape")).hexdigest()
    to_sign = f"{ALGORITHM}\n{timestamp}\n{scope.text}\n{digest}"
    return hmac.new(signing_key(secret, scope), to_sign.encode(), "sha256").hexdigest()


def signing_key(secret: str, scope: Scope) -> bytes:
    """What `secret` signs with on one day, in one region, for one service."""
    return _signing_key(secret, scope.date, scope.region, scope.service, scope.terminator)


def equal(ours: str, theirs: str) -> bool:
    """In constant time, whatever bytes the client sent."""
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))


@lru_cache(maxsize=64)
def _signing_key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key


def _reencoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def latin(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Headers as text, byte for byte as botocore signs them (UTF-8)."""
    return [
        (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
        for name, value in pairs
    ]
