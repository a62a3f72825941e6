"""From a recipe to an image in a layout folder: the base's layers, one for each step, how it is run.

Nothing of the image is run and nothing is unpacked; the base's layers are passed on as they are.
The same base, recipe and files give the same bytes, so an unchanged function has the same digest.
`reference` finds the base, `installed` and `machine` make the layers that are kept for next time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambent.delivery.images import installed, machine, python, reference
from lambent.delivery.images.python import ImagePython
from lambent.delivery.images.recipe import (
    MACHINE,
    SCRATCH,
    TASK_ROOT,
    Copy,
    Install,
    Recipe,
    here,
)
from lambent.delivery.problem import Problem
from lambent.images import contents, layers, layout
from lambent.images.layers import File, Written
from lambent.images.layout import LayoutWriter
from lambent.images.manifest import MOST_LAYERS, SIZE_LIMIT, Image, go_architecture
from lambent.images.problem import ImageError
from lambent.images.unpack import verify

Progress = Callable[[str], None]

_DOCKER_TO_OCI: Final = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": layout.LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": layout.LAYER,
    "": layout.LAYER,
}
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class LayerMade:
    said: str
    digest: str
    size: int
    """Bytes that travel."""
    unpacked: int | None = None
    """Bytes of the files in it; None of a base's layer, which is not looked into."""
    base: bool = False


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is there."""

    folder: Path
    tag: str
    digest: str
    layers: tuple[LayerMade, ...]
    notes: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        return f"oci:{self.folder}:{self.tag}"

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)


@dataclass(slots=True)
class _Base:
    """What an image is built on, while it grows."""

    document: dict[str, Any]
    descriptors: list[dict[str, Any]] = field(default_factory=list)
    made: list[LayerMade] = field(default_factory=list)
    image: Image | None = None
    python: ImagePython | None = None
    looked: bool = False

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.document["config"]
        return config


def build(
    recipe: Recipe, folder: Path, tag: str = "latest", progress: Progress = lambda _: None
) -> Built:
    """Make the image and let `tag` of the layout `folder` name it; raises `Problem`."""
    notes: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="lambent-image-") as scratch,
        reference.problems(str(folder)),
    ):
        writer = LayoutWriter(folder.resolve())
        with writer.locked():
            progress(f"reading the base {recipe.base}")
            base = _start(recipe, writer, Path(scratch))
            _configure(recipe, base)
            _bring_client(recipe, base, writer, Path(scratch), progress)
            for number, step in enumerate(recipe.steps):
                progress(f"writing {step.said}")
                written = _layer(recipe, step, base, Path(scratch) / f"step-{number}")
                _append(writer, base, written, step.said)
            return _finish(base, writer, tag, notes)


def _start(recipe: Recipe, writer: LayoutWriter, scratch: Path) -> _Base:
    """The base's configuration and layers, the latter in the new layout."""
    architecture = recipe.architecture or here()
    empty: dict[str, Any] = {
        "architecture": go_architecture(architecture),
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [],
    }
    if recipe.base == SCRATCH:
        return _Base(empty)
    if recipe.base.partition(":")[0] == MACHINE:
        if architecture != here():
            raise Problem(
                "IMAGE_BASE", f"this machine's Python is not for {architecture}", fix="--base IMAGE"
            )
        written, config, program = machine.base(recipe.base)
        base = _Base({**empty, "config": config}, looked=True)
        base.python = python.here(program)
        _append(writer, base, written, "this machine's Python", of_base=True)
        return base
    image, _ = reference.opened(recipe.base, architecture, scratch, registry=recipe.registry)
    with reference.problems(recipe.base):
        return _copied(image, writer, scratch, empty)


def _copied(image: Image, writer: LayoutWriter, scratch: Path, empty: dict[str, Any]) -> _Base:
    document = {**empty, **image.document}
    document["config"] = dict(image.document.get("config") or {})
    diff_ids = list((image.document.get("rootfs") or {}).get("diff_ids") or ())
    if len(diff_ids) != len(image.layers):
        raise ImageError(f"it has {len(image.layers)} layers and names {len(diff_ids)}")
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    base = _Base(document, image=image)
    for number, layer in enumerate(image.layers):
        path, digest, kind = layer.path, layer.digest, layer.media_type
        if layer.member:  # of a docker archive: it has no digests
            with layer.open() as source:
                made = layers.compress(source, scratch / f"base-{number}")
            path, digest, kind = made.path, made.digest, layout.LAYER_GZIP
            diff_ids[number] = f"sha256:{made.diff_id}"
        else:
            verify(layer)
        descriptor = writer.add_file(path, digest, _DOCKER_TO_OCI.get(kind, kind))
        base.descriptors.append(descriptor)
        base.made.append(LayerMade("base", digest, int(descriptor["size"]), base=True))
    return base


def _configure(recipe: Recipe, base: _Base) -> None:
    """How it is run: what the recipe says, and the base's where it says nothing."""
    config = base.config
    variables = dict(pair.partition("=")[::2] for pair in config.get("Env") or ())
    variables |= recipe.environment
    if variables:
        config["Env"] = [f"{name}={value}" for name, value in variables.items()]
    if recipe.labels:
        config["Labels"] = dict(sorted({**(config.get("Labels") or {}), **recipe.labels}.items()))
    if recipe.entry_point is not None:
        config["Entrypoint"] = list(recipe.entry_point)
        config["Cmd"] = []  # as Docker does: the base's command was for the base's entry point
    if recipe.command is not None:
        config["Cmd"] = list(recipe.command)
    if recipe.working_directory or config.get("WorkingDir") in (None, "", "/"):
        config["WorkingDir"] = recipe.working_directory or TASK_ROOT


def _bring_client(
    recipe: Recipe, base: _Base, writer: LayoutWriter, scratch: Path, progress: Progress
) -> None:
    """AWS's runtime client, where the command is a handler that nothing in the image would start.

    A recipe that says of itself that nothing is the entry point wants no client either.
    """
    command = base.config.get("Cmd") or []
    if not recipe.client or recipe.entry_point is not None or len(command) != 1:
        return
    if base.config.get("Entrypoint"):
        return
    if "/" in command[0] or "." not in command[0]:
        return
    found = _python(recipe, base)
    if found is None:
        return
    progress(f"adding {installed.CLIENT}")
    written = installed.layer(
        installed.client(scratch), found, found.packages, bytecode=recipe.bytecode, fresh=False
    )
    _append(writer, base, written, installed.CLIENT)
    base.config["Entrypoint"] = [found.program, "-m", "awslambdaric"]


def _layer(recipe: Recipe, step: Copy | Install, base: _Base, to: Path) -> Written:
    if isinstance(step, Copy):
        files = [File(f.name, f.path.resolve(), f.executable) for f in step.files]
        return layers.write(files, step.to, to, time_s=_time_s())
    found = _python(recipe, base)
    if found is None:
        raise Problem(
            "IMAGE_BASE",
            f"{recipe.base} has no Python to install {step.wanted.path.name} for",
            fix="a base with Python 3.9 or newer",
        )
    into = step.to or found.packages
    return installed.layer(step.wanted, found, into, bytecode=recipe.bytecode, fresh=recipe.fresh)


def _python(recipe: Recipe, base: _Base) -> ImagePython | None:
    """The base's, looked for once and only when it is needed."""
    if not base.looked and base.image is not None:
        path = dict(pair.partition("=")[::2] for pair in base.config.get("Env") or ()).get("PATH")
        with reference.problems(recipe.base):
            found = contents.read(base.image, python.LIBC)
        base.python = python.find(found, path or _PATH, recipe.architecture or here())
        base.looked = True
    return base.python


def _append(
    writer: LayoutWriter, base: _Base, written: Written, said: str, *, of_base: bool = False
) -> None:
    base.descriptors.append(writer.add_file(written.path, written.digest, layout.LAYER_GZIP))
    base.document["rootfs"]["diff_ids"].append(f"sha256:{written.diff_id}")
    base.document["history"] = [
        *(base.document.get("history") or ()),
        {"created_by": f"lambent: {said}"},
    ]
    made = LayerMade(said, written.digest, written.size, written.unpacked, of_base)
    base.made.append(made)


def _finish(base: _Base, writer: LayoutWriter, tag: str, notes: list[str]) -> Built:
    if len(base.descriptors) > MOST_LAYERS:
        raise Problem(
            "IMAGE_LIMITS",
            f"the image would have {len(base.descriptors)} layers; Lambda takes {MOST_LAYERS}",
            fix="a base with fewer, or fewer COPY and RUN lines",
        )
    known = sum(layer.unpacked or 0 for layer in base.made)
    if known > SIZE_LIMIT:
        raise Problem(
            "IMAGE_LIMITS",
            f"the image would hold more than {known / 1e9:.1f} GB; Lambda takes "
            f"{SIZE_LIMIT / 1e9:.1f} GB uncompressed",
            fix="lambent image size shows what is in it",
        )
    if not (base.config.get("Entrypoint") or base.config.get("Cmd")):
        notes.append("it names neither ENTRYPOINT nor CMD: --cmd app.handler, or ImageConfig")
    base.document["created"] = _created()
    config = writer.add_json(base.document, layout.CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": layout.MANIFEST,
        "config": config,
        "layers": base.descriptors,
    }
    manifest = writer.add_json(document, layout.MANIFEST)
    writer.tag(tag, manifest)
    digest = str(manifest["digest"])
    return Built(writer.folder, tag, digest, tuple(base.made), tuple(notes))


def _time_s() -> int:
    """Of every file and of the image: what reproducible builds say, or the beginning of time."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isascii() and given.isdigit() else 0


def _created() -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(_time_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
