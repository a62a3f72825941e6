"""Layers: zips made of a requirements file or a folder, published, listed, described, deleted.

A layer's zip holds what is to stand at `/opt`. Installed packages go below `python/`, where every
Python runtime looks; a folder is taken as it is. The same content gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambent.delivery import archive, dependencies, interpreters, platforms, source
from lambent.delivery.aws import Aws
from lambent.delivery.package import UNZIPPED_LIMIT, ZIPPED_LIMIT, Package
from lambent.delivery.problem import USAGE, Problem
from lambent.delivery.upload import BytesDone, default_bucket, upload

USEFUL: Final = ("python", "nodejs", "java", "ruby", "bin", "lib", "extensions", "bootstrap")
"""What runtimes look for at /opt; a layer of nothing else is most often one folder too deep."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make a layer of."""

    path: Path
    """A requirements file, or a folder to take as it is."""
    runtime: str
    architecture: str = "x86_64"
    bytecode: bool = True
    allow_source: tuple[str, ...] = ()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a layer, as it is listed."""

    layer: str
    number: int
    arn: str
    created: str
    runtimes: tuple[str, ...]
    architectures: tuple[str, ...]
    description: str

    def facts(self) -> dict[str, Any]:
        return {
            "layer": self.layer,
            "version": self.number,
            "arn": self.arn,
            "created": self.created,
            "runtimes": list(self.runtimes),
            "architectures": list(self.architectures),
            "description": self.description,
        }


def build(recipe: Recipe) -> Package:
    """The zip; raises `Problem` when Lambda could not take or use it."""
    if not recipe.path.exists():
        raise Problem("FILE", f"there is no {recipe.path}", exit_code=USAGE)
    notes: list[str] = []
    if recipe.path.is_dir():
        entries, bytecode = _folder(recipe.path, notes), "none"
    else:
        entries, bytecode = _installed(recipe, notes)
    size = sum(entry.raw_size for entry in entries)
    if size > UNZIPPED_LIMIT:
        raise Problem(
            "LAYER_TOO_LARGE",
            f"unzipped the layer is {size / 1e6:.0f} MB; a function and its layers together are "
            "at most 262 MB",
            fix="leave out what is not needed, or make two functions of one",
        )
    return Package(archive.write(entries), len(entries), size, bytecode, tuple(notes))


def _folder(folder: Path, notes: list[str]) -> list[archive.Entry]:
    files = source.files(folder)
    if not files:
        raise Problem("SOURCE_EMPTY", f"{folder} holds no file to package")
    if not any(file.name.split("/")[0] in USEFUL for file in files):
        notes.append(f"nothing in it is where runtimes look: {', '.join(USEFUL)}")
    return archive.pack_all([(f.name, f.path.read_bytes(), f.executable) for f in files])


def _installed(recipe: Recipe, notes: list[str]) -> tuple[list[archive.Entry], str]:
    platform = platforms.of(recipe.runtime, recipe.architecture)
    if platform is None:
        raise Problem(
            "LAYER_RUNTIME",
            f"{recipe.runtime} is not a Python runtime, and {recipe.path.name} is not a folder",
            fix="give a folder that holds what is to stand at /opt",
            exit_code=USAGE,
        )
    wanted = dependencies.Requirements(recipe.path, recipe.path.read_text(), recipe.allow_source)
    compiled = recipe.bytecode and interpreters.find(platform.python) is not None
    if recipe.bytecode and not compiled:
        notes.append(f"no bytecode: Python {platform.python} is not on this machine")
    found = dependencies.Store().entries(wanted, platform, compiled=compiled, fresh=recipe.fresh)
    below = [
        archive.Entry(
            f"python/{one.name}", one.data, one.deflated, one.crc, one.raw_size, one.executable
        )
        for one in found
    ]
    return below, "all" if compiled else "none"


def publish(
    aws: Aws,
    name: str,
    package: Package,
    *,
    description: str = "",
    runtimes: tuple[str, ...] = (),
    architectures: tuple[str, ...] = (),
    license_info: str = "",
    bucket: str | None = None,
    direct_limit: int = ZIPPED_LIMIT,
    progress: BytesDone = lambda *_: None,
) -> dict[str, Any]:
    """A new version; through S3 where the zip is too large for a request."""
    content: dict[str, Any] = {"ZipFile": package.data}
    if len(package.data) >= direct_limit:
        sent = upload(aws, bucket or default_bucket(aws), name, package, progress)
        content = {"S3Bucket": sent.bucket, "S3Key": sent.key}
    given = {
        "Description": description,
        "CompatibleRuntimes": list(runtimes),
        "CompatibleArchitectures": list(architectures),
        "LicenseInfo": license_info,
    }
    answer = aws.functions.publish_layer_version(
        LayerName=name, Content=content, **{key: value for key, value in given.items() if value}
    )
    return _described(name, answer)


def listed(aws: Aws, name: str | None = None) -> list[Version]:
    """The newest version of every layer; or all versions of one, newest first."""
    if name is None:
        pages = aws.functions.get_paginator("list_layers").paginate()
        found = [
            _version(one["LayerName"], one["LatestMatchingVersion"])
            for page in pages
            for one in page["Layers"]
        ]
        return sorted(found, key=lambda one: one.layer)
    pages = aws.functions.get_paginator("list_layer_versions").paginate(LayerName=name)
    return [_version(name, one) for page in pages for one in page["LayerVersions"]]


def described(aws: Aws, name: str, number: int | None) -> dict[str, Any]:
    """One version, the newest unless `number` says which."""
    if number is None:
        number = newest(aws, name)
    return _described(name, aws.functions.get_layer_version(LayerName=name, VersionNumber=number))


def newest(aws: Aws, name: str) -> int:
    found = listed(aws, name)
    if not found:
        raise Problem("LAYER_UNKNOWN", f"there is no layer {name}", fix="lambent layer ls")
    return found[0].number


def delete(aws: Aws, name: str, number: int) -> None:
    aws.functions.delete_layer_version(LayerName=name, VersionNumber=number)


def users(aws: Aws, arns: set[str]) -> list[str]:
    """Functions whose $LATEST has one of these layer versions."""
    pages = aws.functions.get_paginator("list_functions").paginate()
    return [
        str(one["FunctionName"])
        for page in pages
        for one in page["Functions"]
        if arns & {layer["Arn"] for layer in one.get("Layers", ())}
    ]


def _version(name: str, answer: dict[str, Any]) -> Version:
    return Version(
        name,
        int(answer["Version"]),
        answer["LayerVersionArn"],
        answer["CreatedDate"],
        tuple(answer.get("CompatibleRuntimes", ())),
        tuple(answer.get("CompatibleArchitectures", ())),
        answer.get("Description", ""),
    )


def _described(name: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {
        **_version(answer["LayerArn"].rpartition(":")[2] or name, answer).facts(),
        "code_bytes": answer["Content"]["CodeSize"],
        "code_sha256": answer["Content"]["CodeSha256"],
        "license": answer.get("LicenseInfo", ""),
    }
