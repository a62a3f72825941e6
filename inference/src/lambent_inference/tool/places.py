"""Registries as places to write to: a folder or a bucket. `model.json` goes last, then the index."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lambent_inference.aws import AwsFailed, Storage
from lambent_inference.models import package
from lambent_inference.models.index import INDEX, INDEX_MAX_BYTES, Index, decode, encode
from lambent_inference.models.package import MANIFEST, Manifest
from lambent_inference.models.registries.files import Folder
from lambent_inference.models.registries.source import local_path
from lambent_inference.tool.failure import Failure

TRIES = 8
SECONDS = 600.0


class Place(Protocol):
    def index(self) -> Index: ...

    def manifest(self, model_id: str) -> Manifest: ...

    def put(self, folder: Path, manifest: Manifest) -> None:
        """The files of a version, whole or not at all as far as readers can see."""
        ...

    def change(self, how: Callable[[Index], None]) -> None:
        """Change the index; nobody else's change is lost."""
        ...

    def delete(self, manifest: Manifest) -> None: ...


def place(uri: str) -> Place:
    scheme = uri.partition("://")[0] if "://" in uri else "file"
    if scheme == "file":
        return Local(local_path(uri))
    if scheme == "s3":
        return Bucket(uri.rstrip("/"))
    raise Failure(
        "MODEL_REGISTRY_UNSUITABLE",
        f"{uri} cannot be written to or listed",
        "name a folder (file://…) or a bucket (s3://…); https:// registries are read by the server",
    )


class Local:
    def __init__(self, root: Path) -> None:
        self.root = root

    def index(self) -> Index:
        if not self.root.is_dir():
            raise Failure("MODEL_REGISTRY_MISSING", f"there is no folder {self.root}")
        return Folder(str(self.root)).index()

    def manifest(self, model_id: str) -> Manifest:
        found = Folder(str(self.root)).find(model_id, None)
        if found is None:
            raise Failure("MODEL_NOT_FOUND", f"there is no {model_id} in {self.root}")
        with found.held() as held:
            return held.manifest

    def put(self, folder: Path, manifest: Manifest) -> None:
        target = self.root / manifest.model_id
        partial = target.with_name(f".{target.name}.partial")
        old = target.with_name(f".{target.name}.old")
        shutil.rmtree(partial, ignore_errors=True)
        for name in manifest.files:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.inside(folder, name), partial / name)
        (partial / MANIFEST).write_bytes(package.encode(manifest))
        package.verify(manifest, partial)
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        partial.rename(target)
        shutil.rmtree(old, ignore_errors=True)

    def change(self, how: Callable[[Index], None]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / INDEX
        handle = os.open(self.root / ".index.lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            known = decode(path.read_bytes()) if path.is_file() else Index()
            how(known)
            partial = self.root / f".{INDEX}.partial"
            partial.write_bytes(encode(known))
            partial.rename(path)
        finally:
            os.close(handle)

    def delete(self, manifest: Manifest) -> None:
        shutil.rmtree(self.root / manifest.model_id)


class Bucket:
    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._storage = Storage()

    def index(self) -> Index:
        return self._index()[0]

    def _index(self) -> tuple[Index, str | None]:
        try:
            with self._storage.open("GET", f"{self.uri}/{INDEX}", seconds=30) as answer:
                data = answer.read(INDEX_MAX_BYTES)
                return decode(data), answer.headers.get("etag")
        except AwsFailed as error:
            if error.status == 404:
                return Index(), None
            raise Failure("MODEL_REGISTRY_UNREACHABLE", str(error)) from None

    def manifest(self, model_id: str) -> Manifest:
        resolved = self.index().resolve(model_id)
        if resolved is None:
            raise Failure("MODEL_NOT_FOUND", f"there is no {model_id} in {self.uri}")
        uri = f"{self.uri}/{'/'.join(resolved)}/{MANIFEST}"
        try:
            data = self._storage.get(uri, max_bytes=package.MANIFEST_MAX_BYTES, seconds=30)
        except AwsFailed as error:
            raise Failure("MODEL_REGISTRY_UNREACHABLE", str(error)) from None
        return package.parse(data)

    def put(self, folder: Path, manifest: Manifest) -> None:
        base = f"{self.uri}/{manifest.model_id}"
        try:
            for name in manifest.files:
                data = package.inside(folder, name).read_bytes()
                kind = "application/octet-stream"
                self._storage.put(f"{base}/{name}", data, kind, seconds=SECONDS)
            text = package.encode(manifest)
            self._storage.put(f"{base}/{MANIFEST}", text, "application/json", seconds=60)
        except AwsFailed as error:
            raise Failure("MODEL_REGISTRY_UNREACHABLE", str(error)) from None

    def change(self, how: Callable[[Index], None]) -> None:
        for _ in range(TRIES):
            known, tag = self._index()
            how(known)
            condition = {"if-match": tag} if tag else {"if-none-match": "*"}
            try:
                with self._storage.open(
                    "PUT",
                    f"{self.uri}/{INDEX}",
                    {"content-type": "application/json", **condition},
                    encode(known),
                    seconds=60,
                ):
                    return
            except AwsFailed as error:
                if error.status not in {409, 412}:  # somebody else was quicker
                    raise Failure("MODEL_REGISTRY_UNREACHABLE", str(error)) from None
        raise Failure("MODEL_REGISTRY_BUSY", f"{self.uri}/{INDEX} is changed by others")

    def delete(self, manifest: Manifest) -> None:
        for name in (MANIFEST, *manifest.files):
            uri = f"{self.uri}/{manifest.model_id}/{name}"
            try:
                with self._storage.open("DELETE", uri, seconds=60):
                    pass
            except AwsFailed as error:
                raise Failure("MODEL_REGISTRY_UNREACHABLE", str(error)) from None
