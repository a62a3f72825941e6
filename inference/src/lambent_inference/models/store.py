"""Which package a name stands for, and where it comes from: the registries, first match wins.

Order: the owner's registries (MODEL_REGISTRY), folders in MODEL_CACHE_DIR that are the owner's (the
original's layout), what is built in (OCR), and the public platform where there is a key. Blocking.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from lambent_inference.errors import (
    InvalidModelConfiguration,
    InvalidModelId,
    MissingApiKey,
    NotFound,
)
from lambent_inference.models import archives
from lambent_inference.models.aliases import PUBLIC
from lambent_inference.models.cache import Cache
from lambent_inference.models.contract import Family
from lambent_inference.models.package import Manifest, Package
from lambent_inference.models.registries import platform
from lambent_inference.models.registries.files import Archive, Folder
from lambent_inference.models.registries.source import Found, Registry
from lambent_inference.security import checked_model_id
from lambent_inference.settings import Settings

OCR: Final = ("rapidocr", "doctr", "easy_ocr")
"""Names under which the one OCR engine answers, with any version after them."""


class Store:
    def __init__(self, settings: Settings) -> None:
        self.cache = Cache(settings.model_cache_dir, max_mb=settings.model_cache_size_mb)
        self._aliases = dict(PUBLIC) | dict(_pairs(settings.model_aliases))
        self._own_key = settings.roboflow_api_key
        self._registries = self._opened(settings)

    def name(self, model_id: str) -> str:
        """Without aliases that are the same everywhere; raises InvalidModelId."""
        checked = checked_model_id(model_id)
        return self._aliases.get(checked, checked)

    def find(self, model_id: str, api_key: str | None = None) -> Found:
        """The package that a name stands for; raises NotFound, or what the original says instead."""
        name = self.name(model_id)
        for registry in self._registries:
            if found := registry.find(name, api_key or self._own_key):
                return found
        if not (api_key or self._own_key) and platform.could_be(name):
            raise MissingApiKey
        where = f"{name} is in none of {[one.uri for one in self._registries]}"
        if "/" not in name:  # a name without a version that nobody knows is no id, to its clients
            raise InvalidModelId(detail=where)
        raise NotFound(detail=where)

    def _opened(self, settings: Settings) -> Sequence[Registry]:
        registries = [self._registry(uri, settings) for uri in settings.model_registry]
        registries += [Folder(str(settings.model_cache_dir)), BuiltIn()]
        registries.append(platform.Platform(settings.api_base_url, self.cache))
        return registries

    def _registry(self, uri: str, settings: Settings) -> Registry:
        scheme = uri.partition("://")[0] if "://" in uri else "file"
        if scheme == "file":
            return Archive(uri, self.cache) if archives.is_archive(uri) else Folder(uri)
        if scheme in {"s3", "https", "http"}:
            from lambent_inference.models.registries.remote import opened

            return opened(uri, self.cache, settings)
        raise InvalidModelConfiguration(
            detail=f"MODEL_REGISTRY: {uri!r} is none of file://, s3://, https://"
        )


class BuiltIn:
    """What needs no files: the OCR engine brings its own."""

    uri = "built in"

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        del api_key
        name, _, version = model_id.partition("/")
        if name not in OCR:
            return None
        manifest = Manifest(
            id=name, version=version or "default", task=Family.OCR, family="rapidocr"
        )
        return Found(manifest.model_id, lambda: _held(manifest))


@contextlib.contextmanager
def _held(manifest: Manifest) -> Iterator[Package]:
    from pathlib import Path

    yield Package(manifest, Path())


def _pairs(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, target = text.partition("=")
        if not equals:
            raise InvalidModelConfiguration(detail=f"MODEL_ALIASES: {text!r} is not name=model")
        yield name.strip(), target.strip()
