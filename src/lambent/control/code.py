"""From what a client names as code to a stored package, and from a package to a download link.

Code comes in the request (`ZipFile`) or from S3, through the AWS settings of the server. Storing
unpacks it, so a broken package is refused before anything refers to it. Refusals carry AWS's text
(LAMBDA.md 21, 24, 26).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from lambent.clock import Clock
from lambent.control.names import Scope
from lambent.control.registry import Registry
from lambent.control.requests import FunctionCode
from lambent.errors import InvalidParameterValue, RequestEntityTooLarge
from lambent.store.artifacts import Artifacts, Package
from lambent.store.unpack import UNZIPPED_LIMIT, EmptyZipError, TooLargeError
from lambent.store.zip_directory import BadZipError

log = structlog.get_logger("lambent.control")

LINK_S: Final = 600
"""How long a download link is good, as AWS's presigned ones."""


class ObjectSource(Protocol):
    """Where S3 objects come from; `s3.S3Source` on a server."""

    async def fetch(
        self, scope: Scope, bucket: str, key: str, version: str | None, target: Path, limit: int
    ) -> None:
        """Write the object to `target`; raises `InvalidParameterValue` with S3's own error."""
        ...


class CodeStore:
    """Packages in, links out."""

    def __init__(
        self, artifacts: Artifacts, objects: ObjectSource, registry: Registry, zipped_limit: int
    ) -> None:
        self._artifacts = artifacts
        self._objects = objects
        self._registry = registry
        self._zipped_limit = zipped_limit
        """Bytes of a zip in a request."""

    async def store(self, scope: Scope, code: FunctionCode) -> Package:
        """Keep and unpack what the request names; the caller is inside `Registry.storing`."""
        kept = await self._put(await self._source(scope, code))
        self._registry.touch(kept.sha256)
        return kept

    async def _source(self, scope: Scope, code: FunctionCode) -> bytes | Path:
        if code.zip_file is not None:
            _check_inline(code, code.zip_file, self._zipped_limit)
            return code.zip_file
        if code.s3_bucket is None or code.s3_key is None:
            raise InvalidParameterValue("Please provide a source for function code.")
        if code.s3_object_storage_mode == "REFERENCE":
            raise InvalidParameterValue(
                "S3ObjectStorageMode REFERENCE is not available in lambent: the package is always "
                "copied, so that it outlives the object. Please use COPY."
            )
        target = self._artifacts.incoming()
        try:
            await self._objects.fetch(
                scope, code.s3_bucket, code.s3_key, code.s3_object_version, target, UNZIPPED_LIMIT
            )
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target

    async def _put(self, package: bytes | Path) -> Package:
        try:
            return await self._artifacts.put(package)
        except EmptyZipError:
            raise InvalidParameterValue("Uploaded file must be a non-empty zip") from None
        except TooLargeError:
            raise InvalidParameterValue(
                f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes"
            ) from None
        except BadZipError as error:
            log.info("package.refused", reason=str(error))
            raise InvalidParameterValue(
                "Could not unzip uploaded file. Please check your file, then try to upload again."
            ) from None


class CodeLinks:
    """Download links that nobody can guess and that end by themselves; nothing to store or clean."""

    def __init__(self, find: Callable[[str], Path], clock: Clock, secret: bytes) -> None:
        self._find = find
        self._clock = clock
        self._secret = secret

    def link(self, base_url: str, sha256: str) -> str:
        expires_s = self._clock.time_ms() // 1000 + LINK_S
        claim = f"{expires_s:x}.{sha256}"
        return f"{base_url}/_code/{claim}.{self._seal(claim)}"

    def open(self, token: str) -> Path | None:
        """The zip behind a link's token; None for a forged or expired one, or when it is gone."""
        claim, _, seal = token.rpartition(".")
        if not token.isascii() or not hmac.compare_digest(seal, self._seal(claim)):
            return None
        expires_s, _, sha256 = claim.partition(".")
        if int(expires_s, 16) <= self._clock.time_ms() // 1000:
            return None
        path = self._find(sha256)
        return path if path.exists() else None

    def _seal(self, claim: str) -> str:
        return hmac.new(self._secret, claim.encode(), hashlib.sha256).hexdigest()


def _check_inline(code: FunctionCode, zip_file: bytes, limit: int) -> None:
    if code.s3_bucket or code.s3_key or code.s3_object_version:
        raise InvalidParameterValue(
            "Please do not provide other FunctionCode parameters when providing a ZipFile."
        )
    if len(zip_file) >= limit:
        raise RequestEntityTooLarge(f"Zipped size must be smaller than {limit} bytes")
