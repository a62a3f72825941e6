"""`fetch`: a package out of a registry or an archive into a folder, whole and with its checksums right."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambent_inference.models import archives, package
from lambent_inference.models.cache import Cache
from lambent_inference.models.package import MANIFEST, Package
from lambent_inference.models.registries.files import Archive, Folder
from lambent_inference.models.registries.remote import opened
from lambent_inference.models.registries.source import Registry
from lambent_inference.settings import load
from lambent_inference.tool.failure import Failure


def fetch(source: str, model: str | None, into: Path) -> dict[str, Any]:
    """`model` may be left out where the source is one package. Raises Failure or what models raise."""
    with (
        tempfile.TemporaryDirectory(prefix="lambent-fetch-") as scratch,
        _held(source, model, Path(scratch)) as held,
    ):
        package.verify(held.manifest, held.folder)
        for name in held.manifest.files:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(held.path(name), into / name)
        into.mkdir(parents=True, exist_ok=True)
        (into / MANIFEST).write_bytes(package.encode(held.manifest))
        return {"model": held.manifest.model_id, "source": source, "bytes": held.size_bytes}


@contextlib.contextmanager
def _held(source: str, model: str | None, scratch: Path) -> Iterator[Package]:
    registry = _registry(source, scratch)
    if isinstance(registry, Archive) and not registry.path.is_file():
        raise Failure("MODEL_NOT_FOUND", f"there is no {registry.path}")
    if model is None and not archives.is_archive(source.partition("#")[0]):
        raise Failure(
            "MODEL_NOT_FOUND",
            f"{source} is a registry of many models",
            "say which: lambent deploy --model ID/VERSION --registry URI",
        )
    if model is None:
        assert not isinstance(registry, Folder)
        with registry.held() as held:
            yield held
        return
    found = registry.find(model, None)
    if found is None:
        raise Failure(
            "MODEL_NOT_FOUND",
            f"there is no {model} in {source}",
            f"lambent model ls --registry {source}",
        )
    with found.held() as held:
        yield held


def _registry(source: str, scratch: Path) -> Any:
    settings = load()
    cache = Cache(scratch)
    scheme = source.partition("://")[0] if "://" in source else "file"
    registry: Registry
    if scheme == "file":
        registry = Archive(source, cache) if archives.is_archive(source) else Folder(source)
    elif scheme in {"s3", "https", "http"}:
        registry = opened(source, cache, settings)
    else:
        raise Failure(
            "MODEL_REGISTRY_UNSUITABLE",
            f"{source} is none of file://, s3://, https://",
            "name one of them",
        )
    return registry
