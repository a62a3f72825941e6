"""`push` and `rm`: a folder or archive becomes a version in a registry, or a version goes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from lambent_inference.models import archives, index, original, package
from lambent_inference.models.package import MANIFEST, Manifest
from lambent_inference.tool.failure import Failure
from lambent_inference.tool.places import place


def push(
    source: Path, registry: str, said: dict[str, Any], aliases: list[str], *, latest: bool
) -> dict[str, Any]:
    """`said` is what the command line says of model.json; it wins over the file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = source
        if source.is_file():
            folder = Path(scratch)
            if archives.is_archive(source.name):
                archives.unpack(source, folder)
            else:
                (folder / source.name).write_bytes(source.read_bytes())
        manifest = described(folder, said)
        target = place(registry)
        target.put(folder, manifest)

        def change(known: index.Index) -> None:
            known.add(manifest, latest=latest)
            for alias in aliases:
                known.models[manifest.id].aliases[alias] = manifest.version

        target.change(change)
    size = sum(file.size for file in manifest.files.values())
    return {
        "model": manifest.model_id, "registry": registry, "files": len(manifest.files),
        "bytes": size, "aliases": aliases, "latest": latest,
    }  # fmt: skip


def described(folder: Path, said: dict[str, Any]) -> Manifest:
    """The folder's model.json with what was said, and every file's checksum as it is now."""
    if not folder.is_dir():
        raise Failure("MODEL_NOT_FOUND", f"there is no {folder}")
    facts: dict[str, Any] = {}
    if (folder / MANIFEST).is_file():
        facts = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=dict[str, Any])
    elif original.is_original(folder):
        model_id = f"{said.get('id', folder.parent.name)}/{said.get('version', folder.name)}"
        facts = msgspec.to_builtins(original.read(folder, model_id))
    facts |= said
    missing = [name for name in ("id", "version", "task", "family") if not facts.get(name)]
    if missing:
        raise Failure(
            "MODEL_UNDESCRIBED",
            f"{folder} has no {MANIFEST}, and it was not said what it is",
            " ".join(f"--{name} …" for name in missing),
        )
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    )
    facts["files"] = msgspec.to_builtins(package.describe_files(folder, names))
    return package.parse(msgspec.json.encode(facts))


def remove(registry: str, model_id: str) -> dict[str, Any]:
    target = place(registry)
    manifest = target.manifest(model_id)

    def change(known: index.Index) -> None:
        if manifest.version in known.models.get(manifest.id, index.Model()).versions:
            known.remove(manifest.id, manifest.version)

    target.change(change)  # first, so that nobody finds what is going
    target.delete(manifest)
    return {"removed": manifest.model_id, "registry": registry}
