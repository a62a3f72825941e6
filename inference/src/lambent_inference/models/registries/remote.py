"""`https://` and `s3://`: an index, a manifest per version, and files fetched into the cache.

The manifest's checksums decide what is true; where the manifest itself comes from must be trusted
(TLS, or the bucket's policy). Small answers (index, manifests) are kept for a minute, and shared
through Redis where there is one. A URI that names an archive is a registry of one package.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urldefrag, urlsplit

from lambent_inference.errors import (
    BrokenPackage,
    InvalidModelConfiguration,
    NotFound,
    PlatformMalformed,
    PlatformTimeout,
    PlatformUnreachable,
)
from lambent_inference.models import archives, index, package
from lambent_inference.models.cache import Cache
from lambent_inference.models.download import PATIENT, Download, Headers, Patience, check, get
from lambent_inference.models.package import MANIFEST, File, Manifest, Package
from lambent_inference.models.registries.files import named
from lambent_inference.models.registries.shared import Shared
from lambent_inference.models.registries.source import Found
from lambent_inference.settings import Settings

if TYPE_CHECKING:
    from lambent_inference.transport import Answer

FRESH_S: Final = 60.0
"""How long an index or manifest is believed without asking again."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
Ask = Callable[[str, Headers, float], AbstractContextManager["Answer"]]


def opened(uri: str, cache: Cache, settings: Settings) -> Remote | RemoteArchive:
    base, pinned = urldefrag(uri)
    split = urlsplit(base)
    if split.scheme == "http" and split.hostname not in LOOPBACK:
        raise InvalidModelConfiguration(detail=f"MODEL_REGISTRY: {uri!r} must be https://")
    ask = _ask_s3 if split.scheme == "s3" else web(settings.model_registry_token)
    if archives.is_archive(base):
        return RemoteArchive(base, ask, cache, pinned.removeprefix("sha256=") or None)
    return Remote(base.rstrip("/"), ask, cache, Shared(settings))


def web(token: str | None) -> Ask:
    own: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}

    @contextlib.contextmanager
    def ask(url: str, headers: Headers, seconds: float) -> Iterator[Answer]:
        with get(url, {**headers, **own}, seconds) as answer:
            yield answer

    return ask


@contextlib.contextmanager
def _ask_s3(uri: str, headers: Headers, seconds: float) -> Iterator[Answer]:
    from lambent_inference.aws import AwsFailed, Storage

    try:
        with Storage().open("GET", uri, headers, seconds=seconds) as answer:
            yield answer
    except AwsFailed as error:
        if error.status:
            check(error.status, uri)
        raise PlatformUnreachable(
            "The registry cannot be reached.", detail=f"{uri}: {error}"
        ) from None


class Remote:
    """Many packages below one URI."""

    def __init__(
        self, uri: str, ask: Ask, cache: Cache, shared: Shared, patience: Patience = PATIENT
    ) -> None:
        self.uri = uri
        self._ask = ask
        self._cache = cache
        self._shared = shared
        self._patience = patience
        self._kept: dict[str, tuple[float, bytes | None]] = {}

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        del api_key
        resolved = self._resolved(model_id)
        if resolved is None:
            return None
        name = "/".join(resolved)
        data = self._small(f"{name}/{MANIFEST}", package.MANIFEST_MAX_BYTES)
        if data is None:
            return None
        manifest = package.parse(data)
        if manifest.model_id != name:
            raise BrokenPackage(detail=f"{self.uri}/{name} holds {manifest.model_id}")
        key = f"{self.uri}/{name}"
        return Found(
            name,
            lambda: self._held(key, manifest, data),
            sum(one.size for one in manifest.files.values()),
            lambda: self._cache.drop(key),
        )

    def _resolved(self, model_id: str) -> tuple[str, str] | None:
        """By the index; a registry without one has exactly the ids that it has folders for."""
        data = self._small(index.INDEX, index.INDEX_MAX_BYTES)
        if data is not None:
            return index.decode(data).resolve(model_id)
        name, _, version = model_id.rpartition("/")
        return (name, version) if name else None

    def _small(self, name: str, max_bytes: int) -> bytes | None:
        """A small file, None where there is none; an older copy where the registry is away."""
        at, data = self._kept.get(name, (0.0, None))
        if at and time.monotonic() - at < FRESH_S:
            return data
        key = f"{self.uri}/{name}"
        if (known := self._shared.get(key)) is None:
            try:
                known = self._asked(name, max_bytes)
            except (PlatformUnreachable, PlatformTimeout):
                if at:
                    return data
                raise
            if known is not None:
                self._shared.put(key, known, FRESH_S)
        self._kept[name] = (time.monotonic(), known)
        return known

    def _asked(self, name: str, max_bytes: int) -> bytes | None:
        from lambent_inference import transport

        last: PlatformTimeout | PlatformUnreachable | None = None
        for attempt in range(3):
            if attempt:
                time.sleep(self._patience.pause_s * 2**attempt)
            try:
                with self._ask(self._url(name), {}, self._patience.request_s) as answer:
                    check(answer.status, name)
                    return answer.read(max_bytes)
            except NotFound:
                return None
            except transport.TooMuch as error:
                raise PlatformMalformed(detail=f"{name}: {error}") from None
            except transport.TooSlow:
                last = PlatformTimeout("The registry is too slow.", detail=name)
            except transport.TransferFailed as error:
                last = PlatformUnreachable("The registry cannot be reached.", detail=str(error))
            except PlatformUnreachable as error:
                last = error
        assert last is not None
        raise last

    @contextlib.contextmanager
    def _held(self, key: str, manifest: Manifest, data: bytes) -> Iterator[Package]:
        def fill(folder: Path) -> None:
            self._fill(folder, manifest, data)

        size = sum(one.size for one in manifest.files.values())
        with self._cache.held(key, fill, size_bytes=size) as found:
            if found.manifest == manifest:
                yield found
                return
        # The version was pushed again with other contents.
        self._cache.drop(key)
        with self._cache.held(key, fill, size_bytes=size) as found:
            yield found

    def _fill(self, folder: Path, manifest: Manifest, data: bytes) -> None:
        try:
            for name, expected in manifest.files.items():
                self._fetch(manifest, folder, name, expected)
        except BrokenPackage:
            self._kept.clear()  # perhaps the manifest that we remember is the wrong one
            raise
        (folder / MANIFEST).write_bytes(data)

    def _fetch(self, manifest: Manifest, folder: Path, name: str, expected: File) -> None:
        url = self._url(f"{manifest.model_id}/{name}")
        path = package.inside(folder, name)
        patience = self._patience
        Download(
            lambda headers: self._ask(url, headers, patience.request_s), path, expected, patience
        ).run()

    def _url(self, name: str) -> str:
        if self.uri.startswith("s3://"):
            return f"{self.uri}/{name}"
        return f"{self.uri}/{quote(name)}"


class RemoteArchive:
    """One package as a file; `#sha256=…` behind the URI pins it."""

    def __init__(
        self, uri: str, ask: Ask, cache: Cache, pinned: str | None, patience: Patience = PATIENT
    ) -> None:
        self.uri = uri
        self._ask = ask
        self._cache = cache
        self._pinned = pinned
        self._patience = patience

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        del api_key
        with self.held() as held:
            manifest, size = held.manifest, held.size_bytes
        if not named(manifest, model_id):
            return None
        return Found(manifest.model_id, self.held, size, lambda: self._cache.drop(self._key()))

    def _key(self) -> str:
        return f"{self.uri}#{self._pinned or ''}"

    @contextlib.contextmanager
    def held(self) -> Iterator[Package]:
        """The package, under whichever name."""
        with self._cache.held(self._key(), self._fill) as found:
            yield found

    def _fill(self, folder: Path) -> None:
        archive = folder.with_suffix(".archive")
        archive.unlink(missing_ok=True)
        patience = self._patience
        try:
            Download(
                lambda headers: self._ask(self.uri, headers, patience.request_s),
                archive,
                None,
                patience,
            ).run()
            if self._pinned is not None and package.sha256(archive) != self._pinned:
                raise BrokenPackage(detail=f"{self.uri} is not the file that was pinned")
            for old in folder.rglob("*"):
                if old.is_file():
                    old.unlink()
            archives.unpack(archive, folder)
        finally:
            archive.unlink(missing_ok=True)
