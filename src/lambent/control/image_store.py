"""The images that functions name: their digests, and each unpacked once, beside the packages.

`resolve` is asked while a function is created or updated, `prepare` while it is Pending or its
update InProgress. Both block on registries and disks, so they run in threads of their own.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from lambent.control.targets import Prepared
from lambent.errors import InvalidParameterValue
from lambent.images import rootfs, source
from lambent.images.problem import ImageError
from lambent.settings import Settings
from lambent.store.artifacts import Artifacts
from lambent.store.records import Code

T = TypeVar("T")

log = structlog.get_logger("lambent.control")


class ImageStore:
    """One per server."""

    def __init__(self, artifacts: Artifacts, settings: Settings) -> None:
        self._artifacts = artifacts
        self._registry = settings.image_registry
        self._local = settings.loopback
        self._resolving = ThreadPoolExecutor(4, thread_name_prefix="lambent-image-name")
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="lambent-image")
        self._making: dict[str, threading.Lock] = {}

    def close(self) -> None:
        self._resolving.shutdown(cancel_futures=True)
        self._threads.shutdown(cancel_futures=True)

    async def resolve(self, uri: str) -> str:
        """The digest that a reference has now; AWS's refusal where there is no such image."""
        try:
            return await self._run(self._resolving, lambda: source.resolve(self._locate(uri)))
        except ImageError as error:
            raise InvalidParameterValue(
                f"Source image {uri} does not exist. Provide a valid source image. ({error})"
            ) from None

    async def prepare(self, code: Code) -> Prepared:
        """Fetch and unpack what is not there yet."""
        try:
            await self._run(self._threads, lambda: self._make(code))
        except ImageError as error:
            log.warning("image.failed", image=code.image_uri, code=error.code, reason=str(error))
            return Prepared(failed=str(error), code=error.code)
        except OSError as error:
            log.error("image.failed", image=code.image_uri, reason=str(error))
            return Prepared(failed=f"the image cannot be kept: {error}", code="InternalError")
        except Exception as error:
            # Somebody else has made it: whatever it breaks, its function must not stay Pending.
            log.exception("image.failed", image=code.image_uri)
            return Prepared(failed=f"the image cannot be read: {error!r}", code="InvalidImage")
        return Prepared()

    def _locate(self, uri: str) -> source.Source:
        return source.locate(uri, registry=self._registry, local=self._local)

    def _make(self, code: Code) -> None:
        def fill(tree: Path) -> None:
            # Beside the tree, so that the download goes with it if the server is killed.
            with tempfile.TemporaryDirectory(dir=tree) as scratch:
                found = source.fetch(
                    self._locate(code.image_uri), code.sha256, code.architecture, Path(scratch)
                )
                rootfs.prepare(found, tree)

        with self._making.setdefault(code.sha256, threading.Lock()):
            self._artifacts.fill_tree(code.sha256, fill)

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
