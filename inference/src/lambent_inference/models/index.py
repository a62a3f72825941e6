"""A registry's `index.json`: which models, versions and aliases it has.

`lambent model push` writes it. A `file://` registry without one is read folder by folder. Names are
resolved here: `coco/3`, `coco/production` (an alias of one model), `coco` (its latest version) and
`yolov8n-640` (an alias of the registry).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from lambent_inference.errors import PlatformMalformed
from lambent_inference.models.package import Manifest

INDEX: Final = "index.json"
INDEX_MAX_BYTES: Final = 32 << 20
LATEST: Final = "latest"


class Model(msgspec.Struct):
    """One model of a registry."""

    versions: dict[str, dict[str, str | int]] = {}
    """By name: its task, family and size."""
    latest: str | None = None
    aliases: dict[str, str] = {}


class Index(msgspec.Struct):
    format: int = 1
    models: dict[str, Model] = {}
    aliases: dict[str, str] = {}

    def add(self, manifest: Manifest, *, latest: bool = True) -> None:
        model = self.models.setdefault(manifest.id, Model())
        size = sum(one.size for one in manifest.files.values())
        model.versions[manifest.version] = {
            "task": str(manifest.task), "family": manifest.family, "size": size,
        }  # fmt: skip
        if latest or model.latest is None:
            model.latest = manifest.version
        for alias in manifest.aliases:
            self.aliases[alias] = manifest.model_id

    def remove(self, model: str, version: str) -> None:
        found = self.models[model]
        del found.versions[version]
        found.aliases = {name: to for name, to in found.aliases.items() if to != version}
        self.aliases = {n: to for n, to in self.aliases.items() if to != f"{model}/{version}"}
        if found.latest == version:
            found.latest = max(found.versions, key=natural, default=None)
        if not found.versions:
            del self.models[model]

    def resolve(self, name: str) -> tuple[str, str] | None:
        """Model and version, or None."""
        name = self.aliases.get(name, name)
        if name in self.models and (latest := self.models[name].latest):
            return name, latest
        model, _, version = name.rpartition("/")
        if found := self.models.get(model):
            if version == LATEST and found.latest:
                return model, found.latest
            version = found.aliases.get(version, version)
            if version in found.versions:
                return model, version
        return None


def natural(text: str) -> list[tuple[int, str]]:
    """So that version 10 comes after 9."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", text)
    ]


def decode(data: bytes) -> Index:
    try:
        return msgspec.json.decode(data, type=Index)
    except msgspec.MsgspecError as error:
        raise PlatformMalformed(detail=f"{INDEX}: {error}") from error


def encode(index: Index) -> bytes:
    return msgspec.json.format(msgspec.json.encode(index, order="sorted"), indent=1) + b"\n"
