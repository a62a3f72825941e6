"""From a folder to the zip that Lambda runs: the user's files, dependencies, bytecode.

The same folder gives the same bytes, so an unchanged function is recognised by its hash and not
deployed again. Dependencies come with bytecode, which starts them faster, unless that takes the package
past 250 MB. `upload` sends what is too large for a request, and `deploy` takes it to Lambda.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lambent.delivery import archive, bytecode, dependencies, interpreters, platforms, source
from lambent.delivery.problem import Problem

ZIPPED_LIMIT = 52_428_800
"""Direct upload; AWS answers 413 from this size on."""
UNZIPPED_LIMIT = 262_144_000


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to package, and for which runtime."""

    folder: Path
    runtime: str
    architecture: str = "x86_64"
    bytecode: bool = True
    dependencies: bool = True
    allow_source: tuple[str, ...] = ()
    direct_limit: int = ZIPPED_LIMIT
    """Bytes of zip that the Lambda in question takes in a request: AWS's, or what a server says."""
    fresh: bool = False
    """Ignore cached dependencies."""


@dataclass(frozen=True, slots=True)
class Package:
    """A finished zip and what there is to say about it."""

    data: bytes
    files: int
    unzipped: int
    bytecode: str
    """`"all"`, `"own"` (dependencies without), `"none"`."""
    notes: tuple[str, ...] = ()
    largest: tuple[tuple[str, int], ...] = field(default=())
    """Top-level names and their unzipped bytes, largest first."""
    direct_limit: int = ZIPPED_LIMIT

    @property
    def sha256(self) -> str:
        """As Lambda's CodeSha256."""
        return base64.b64encode(hashlib.sha256(self.data).digest()).decode()

    @property
    def sha256_hex(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def direct(self) -> bool:
        return len(self.data) < self.direct_limit


Progress = Callable[[str], None]


def build(recipe: Recipe, progress: Progress = lambda _: None) -> Package:
    """Package a folder; raises `Problem` when it cannot run on Lambda."""
    files = source_files(recipe)
    platform = platforms.of(recipe.runtime, recipe.architecture)
    python = interpreters.find(platform.python) if platform and recipe.bytecode else None
    notes = []
    if platform and recipe.bytecode and python is None:
        notes.append(f"no bytecode: Python {platform.python} is not on this machine")
    progress("reading the folder")
    own, failures = _own(files, python)
    notes += [f"{name} does not compile: {why}" for name, why in failures.items()]
    theirs, with_bytecode = installed(recipe, platform, own, python is not None, notes, progress)
    progress("writing the zip")
    compiled = ("all" if with_bytecode or not theirs else "own") if python else "none"
    return assemble(recipe, own, theirs, compiled, notes)


def source_files(recipe: Recipe) -> list[source.SourceFile]:
    """The user's own files; raises `Problem` when there are none."""
    files = source.files(recipe.folder)
    if not files:
        raise Problem(
            "SOURCE_EMPTY",
            f"{recipe.folder} holds no file to package",
            fix="check CodeUri in template.yaml and the patterns in .lambentignore",
        )
    return files


def assemble(
    recipe: Recipe,
    own: Iterable[archive.Entry],
    theirs: Iterable[archive.Entry],
    compiled: str,
    notes: Iterable[str] = (),
) -> Package:
    """The zip of both, where the user's files win; raises `Problem` when Lambda cannot take it."""
    entries = {entry.name: entry for entry in (*theirs, *own)}
    package = Package(
        archive.write(entries.values()),
        len(entries),
        sum(entry.raw_size for entry in entries.values()),
        compiled,
        tuple(notes),
        _largest(list(entries.values())),
        recipe.direct_limit,
    )
    _check(package)
    return package


def _own(
    files: list[source.SourceFile], python: Path | None
) -> tuple[list[archive.Entry], dict[str, str]]:
    """The user's files as entries, with bytecode, and which of them do not compile."""
    found = [(file.name, file.path.read_bytes(), file.executable) for file in files]
    failures: dict[str, str] = {}
    if python is not None and any(name.endswith(".py") for name, _, _ in found):
        with tempfile.TemporaryDirectory(prefix="lambent-package-") as scratch:
            tree = Path(scratch)
            sources = [file for file in files if file.name.endswith(".py")]
            for file in sources:
                (tree / file.name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.path, tree / file.name)
            failures = bytecode.compile_tree(python, tree, [file.name for file in sources])
            found += [
                (path.relative_to(tree).as_posix(), path.read_bytes(), False)
                for path in sorted(tree.rglob("__pycache__/*.pyc"))
            ]
    return archive.pack_all(found), failures


def installed(
    recipe: Recipe,
    platform: platforms.Platform | None,
    own: list[archive.Entry],
    compiled: bool,  # noqa: FBT001  whether an interpreter for bytecode is there
    notes: list[str],
    progress: Progress,
) -> tuple[list[archive.Entry], bool]:
    """The dependencies as entries, and whether they carry bytecode: where that fits 250 MB."""
    wanted = dependencies.requirements(recipe.folder, recipe.allow_source)
    if wanted is None or not recipe.dependencies:
        return [], compiled
    if platform is None:
        notes.append(
            f"{wanted.path.name} is not installed: {recipe.runtime} is not a Python runtime"
        )
        return [], False
    store = dependencies.Store()
    known = store.has(wanted, platform, compiled=compiled) and not recipe.fresh
    say = f"installing {wanted.path.name} for Python {platform.python}"
    progress("reading installed packages" if known else say)
    if compiled:
        full = store.entries(wanted, platform, compiled=True, fresh=recipe.fresh)
        if _unzipped(own + full) < UNZIPPED_LIMIT:
            return full, True
        notes.append("the dependencies' bytecode is left out to stay under 250 MB unzipped")
    return store.entries(wanted, platform, compiled=False, fresh=recipe.fresh), False


def _unzipped(entries: list[archive.Entry]) -> int:
    return sum(entry.raw_size for entry in entries)


def _largest(entries: list[archive.Entry]) -> tuple[tuple[str, int], ...]:
    sizes: Counter[str] = Counter()
    for entry in entries:
        top = entry.name.split("/")[0]
        sizes[top.removesuffix(".libs")] += entry.raw_size
    return tuple(sizes.most_common(5))


def _check(package: Package) -> None:
    largest = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in package.largest)
    if package.unzipped >= UNZIPPED_LIMIT:
        raise Problem(
            "PACKAGE_TOO_LARGE",
            f"unzipped the package is {package.unzipped / 1e6:.0f} MB; Lambda takes less than 262 MB",
            why=f"largest: {largest}",
            fix="leave out what the function does not need (requirements.txt, .lambentignore), "
            "or keep the model in S3",
        )
