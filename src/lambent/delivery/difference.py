"""What a deploy would change, found without changing anything.

The package is built as for a deploy; the one that is live is downloaded and compared file by file.
"""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambent.delivery import aliases, deploy
from lambent.delivery.aws import Aws, is_loopback
from lambent.delivery.images.code import ImageCode
from lambent.delivery.package import Package
from lambent.delivery.template import FunctionPlan

DOWNLOAD_S = 120


@dataclass(frozen=True, slots=True)
class Files:
    """Names, sorted; bytecode is left out, because it follows its sources."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    function: str
    exists: bool
    code_changes: bool
    sha256_before: str | None
    sha256_after: str
    files: Files | None
    """None when the live package could not be had."""
    configuration: tuple[deploy.Change, ...]
    alias: str
    version: str | None
    """What the alias stands for now."""
    weights: Mapping[str, float]
    target: str | None
    """What it would stand for then; None when a new version would be published."""
    notes: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether a deploy would leave all as it is; a canary is ended by any deploy."""
        settled = self.version is not None and len(self.weights) == 1
        moves = self.version != self.target
        return settled and not (moves or self.code_changes or self.configuration)


def difference(aws: Aws, plan: FunctionPlan, package: deploy.Shipped) -> Difference:
    """Between the live function and the plan with its package."""
    current = deploy.find(aws.functions, plan.name)
    if current is None:
        return Difference(
            plan.name, False, True, None, package.sha256, _all_new(package), (), plan.alias, None, {},
            None,
        )  # fmt: skip
    configuration = current["Configuration"]
    changes = deploy.differences(plan, configuration)
    before = configuration.get("Architectures", ["x86_64"])
    if before != [plan.architecture]:
        changes.append(deploy.Change("Architectures", before, [plan.architecture]))
    code_changes = deploy.code_differs(plan, configuration, package)
    published = bool(code_changes or changes)
    changes += _others(plan, current)
    alias = aliases.find(aws, plan.name, plan.alias)
    files: Files | None = Files()
    notes: list[str] = []
    if isinstance(package, ImageCode):
        files = None
        if not package.sha256:
            notes.append("which image the name leads to now can only be told by a deploy")
    elif configuration["CodeSha256"] != package.sha256:
        try:
            files = _files(_download(aws, current["Code"]["Location"]), package.data)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            files = None
            notes.append(f"the live package could not be compared file by file: {error}")
    return Difference(
        plan.name,
        True,
        code_changes,
        str(configuration["CodeSha256"]),
        package.sha256,
        files,
        tuple(sorted(changes, key=lambda change: change.field)),
        plan.alias,
        alias.version if alias else None,
        alias.weights if alias else {},
        None if published else _newest(aws, plan.name, configuration),
        tuple(notes),
    )


def _newest(aws: Aws, name: str, configuration: Mapping[str, Any]) -> str | None:
    """The newest version, which publishing gives again when nothing has changed since."""
    published = aliases.versions(aws, name)
    if published and published[-1]["CodeSha256"] == configuration["CodeSha256"]:
        return str(published[-1]["Version"])
    return None


def _others(plan: FunctionPlan, current: Mapping[str, Any]) -> list[deploy.Change]:
    """What a deploy sets besides the configuration."""
    found = []
    present = current.get("Tags") or {}
    for key, value in deploy.changed_tags(plan, current).items():
        found.append(deploy.Change(f"Tags.{key}", present.get(key), value))
    reserved = (current.get("Concurrency") or {}).get("ReservedConcurrentExecutions")
    if plan.reserved_concurrency not in (None, reserved):
        found.append(
            deploy.Change("ReservedConcurrentExecutions", reserved, plan.reserved_concurrency)
        )
    return found


def _download(aws: Aws, url: str) -> bytes:
    local = is_loopback(url) and not aws.is_aws
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    with opener.open(url, timeout=DOWNLOAD_S) as answer:
        found: bytes = answer.read()
    return found


def _files(before: bytes, after: bytes) -> Files:
    old, new = _sums(before), _sums(after)
    return Files(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(name for name in new.keys() & old.keys() if new[name] != old[name])),
        tuple(sorted(old.keys() - new.keys())),
    )


def _sums(data: bytes) -> dict[str, tuple[int, int, int]]:
    """Checksum, size and mode of each file, which the zip's directory has."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            info.filename: (info.CRC, info.file_size, info.external_attr >> 16)
            for info in archive.infolist()
            if not (info.is_dir() or _is_bytecode(info.filename))
        }


def _all_new(package: deploy.Shipped) -> Files | None:
    return None if isinstance(package, ImageCode) else Files(tuple(_names(package)))


def _names(package: Package) -> list[str]:
    return sorted(_sums(package.data))


def _is_bytecode(name: str) -> bool:
    return name.endswith(".pyc") and "__pycache__/" in name
