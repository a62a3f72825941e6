"""The part of Dockerfiles that can be honoured without running anything: files, packages, settings.

    FROM  ARG  ENV  LABEL  WORKDIR  COPY  ADD (files)  RUN pip install …  CMD  ENTRYPOINT
    EXPOSE and MAINTAINER change nothing; everything else is refused by its name and line.

Relative paths before the first WORKDIR start at /var/task, where AWS's base images stand.
"""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lambent.delivery import ignore, source
from lambent.delivery.dependencies import Requirements
from lambent.delivery.images import pip_command, reference, stored
from lambent.delivery.images.dockerfile_words import (
    Instruction,
    exec_form,
    expand,
    instructions,
    unsupported,
)
from lambent.delivery.images.recipe import SCRATCH, TASK_ROOT, Copy, Install, Recipe
from lambent.delivery.problem import Problem
from lambent.delivery.source import SourceFile

_TAKEN_BACK: Final = ("!/template.yaml", "!/template.yml", "!/samconfig.toml")
_NOTHING: Final = frozenset({"EXPOSE", "MAINTAINER"})


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    context: Path
    files: dict[str, SourceFile]
    given: Mapping[str, str]
    variables: dict[str, str] = field(default_factory=lambda: {"LAMBDA_TASK_ROOT": TASK_ROOT})
    base: str = ""
    folder: str = TASK_ROOT
    moved: bool = False
    """A WORKDIR was said."""
    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    steps: list[Copy | Install] = field(default_factory=list)
    folders: set[str] = field(default_factory=lambda: {"/", TASK_ROOT, "/opt"})
    placed: dict[str, SourceFile] = field(default_factory=dict)
    """Files by their path in the image."""
    command: tuple[str, ...] | None = None
    entry_point: tuple[str, ...] | None = None


def read(path: Path, context: Path, arguments: Mapping[str, str] | None = None) -> Recipe:
    """The recipe that a Dockerfile is; raises `Problem` for what it is not."""
    if not path.is_file():
        raise Problem("FILE", f"there is no {path}", fix="-f Dockerfile")
    reading = _Reading(context, _context_files(context), arguments or {})
    for instruction in instructions(path.read_text()):
        if not reading.base and instruction.word not in {"FROM", "ARG"}:
            raise _invalid(instruction.line, f"{instruction.word} before FROM")
        _HANDLERS.get(instruction.word, _refused)(reading, instruction)
    if not reading.base:
        raise Problem("DOCKERFILE_INVALID", f"{path} has no FROM", fix="FROM IMAGE")
    return Recipe(
        base=reading.base,
        steps=tuple(reading.steps),
        environment=reading.environment,
        labels=reading.labels,
        command=reading.command,
        entry_point=reading.entry_point,
        working_directory=reading.folder if reading.moved else None,
    )


def over(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """A recipe with what flags say over it; environment and labels are added to."""
    merged = dict(given)
    if "environment" in merged:
        merged["environment"] = {**recipe.environment, **merged["environment"]}
    if "labels" in merged:
        merged["labels"] = {**recipe.labels, **merged["labels"]}
    return replace(recipe, **merged)


def _context_files(context: Path) -> dict[str, SourceFile]:
    path = context / ".dockerignore"
    lines = path.read_text().splitlines() if path.is_file() else []
    rules = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    # Docker's patterns start at the root of the context, wherever their slashes are.
    rooted = [
        f"{'!' if rule.startswith('!') else ''}/{rule.lstrip('!').lstrip('/')}" for rule in rules
    ]
    found = source.files(context, ignore.Ignore((*_TAKEN_BACK, *rooted)))
    return {file.name: file for file in found}


def _refused(reading: _Reading, found: Instruction) -> None:  # noqa: ARG001  one signature for all
    fix = "leave it out"
    if found.word == "RUN":
        fix = "RUN pip install -r requirements.txt is understood; put the rest into the base image"
    raise unsupported(found.line, f"{found.word} {found.rest[:40]}".strip(), fix)


def _from(reading: _Reading, found: Instruction) -> None:
    if reading.base:
        raise unsupported(found.line, "a second FROM", "build the first stage into a base image")
    words = [w for w in _expanded(reading, found).split() if not w.startswith("--platform=")]
    if len(words) not in {1, 3} or (len(words) == 3 and words[1].lower() != "as"):
        raise _invalid(found.line, f"FROM {found.rest}")
    kept = words[0] == SCRATCH or words[0].partition(":")[0] == "machine"
    reading.base = words[0] if kept else reference.uri(words[0], reading.context)
    # An ARG above FROM is for FROM alone.
    reading.variables = {"LAMBDA_TASK_ROOT": TASK_ROOT}


def _arg(reading: _Reading, found: Instruction) -> None:
    name, equals, default = found.rest.partition("=")
    if name in reading.given:
        reading.variables[name] = reading.given[name]
    elif equals:
        reading.variables.setdefault(
            name, _unquoted(expand(default, reading.variables, found.line))
        )


def _env(reading: _Reading, found: Instruction) -> None:
    values = _assignments(reading, found)
    reading.environment |= values
    reading.variables |= values


def _label(reading: _Reading, found: Instruction) -> None:
    reading.labels |= _assignments(reading, found)


def _workdir(reading: _Reading, found: Instruction) -> None:
    start = reading.folder if reading.moved else "/"
    reading.folder = posixpath.normpath(posixpath.join(start, _unquoted(_expanded(reading, found))))
    reading.moved = True
    reading.folders.add(reading.folder)


def _copy(reading: _Reading, found: Instruction) -> None:
    rest = _expanded(reading, found)
    flags = re.match(r"(?:--\S+\s+)*", rest)
    assert flags is not None
    for flag in flags[0].split():
        if not flag.startswith("--chown="):  # files belong to nobody where Lambda runs them
            raise unsupported(found.line, f"{found.word} {flag}", "copy files of the folder only")
    rest = rest[flags.end() :]
    words = exec_form(rest) or shlex.split(rest)
    if len(words) < 2:
        raise _invalid(found.line, f"{found.word} {found.rest}")
    *names, to = words
    if found.word == "ADD":
        for name in names:
            if "://" in name or name.endswith((".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")):
                raise unsupported(found.line, f"ADD {name}", "unpack it into the folder; COPY")
    chosen = _chosen(reading, names, found)
    _place(reading, chosen, names, to)


def _chosen(
    reading: _Reading, names: list[str], found: Instruction
) -> list[tuple[str, SourceFile]]:
    """Files of the context with their names below where they go."""
    chosen: list[tuple[str, SourceFile]] = []
    for name in names:
        wanted = posixpath.normpath(name.lstrip("/") or ".")
        if wanted.startswith(".."):
            raise _invalid(found.line, f"{name} is outside the folder that the image is made of")
        if wanted == ".":
            chosen += list(reading.files.items())
            continue
        matched = []
        for path, file in reading.files.items():
            parts, depth = path.split("/"), wanted.count("/") + 1
            if len(parts) >= depth and fnmatch.fnmatchcase("/".join(parts[:depth]), wanted):
                below = "/".join(parts[depth:]) or parts[-1]
                matched.append((below, file))
        if not matched:
            raise _invalid(found.line, f"there is no {name} to copy, or .dockerignore excludes it")
        chosen += matched
    return chosen


def _place(
    reading: _Reading, chosen: list[tuple[str, SourceFile]], names: list[str], to: str
) -> None:
    place = posixpath.normpath(posixpath.join(reading.folder, to))
    single = (
        len(chosen) == 1 and len(names) == 1 and chosen[0][1].name == names[0].removeprefix("./")
    )
    if single and not to.endswith(("/", "/.")) and to != "." and place not in reading.folders:
        place, name = posixpath.split(place)
        chosen = [(name, chosen[0][1])]
    reading.folders.add(place)
    files = tuple(SourceFile(name, file.path, file.executable) for name, file in chosen)
    reading.placed |= {posixpath.join(place, file.name): file for file in files}
    reading.steps.append(Copy(files, place, "COPY " + " ".join([*names, to])))


def _run(reading: _Reading, found: Instruction) -> None:
    """Each `pip install` of a line; nothing else can be run here."""
    words = exec_form(found.rest)
    line = found.rest if words is None else shlex.join(words)
    for part in re.split(r"\s*&&\s*", line):
        command = expand(part, reading.variables, found.line)
        asked = pip_command.parse(command, found.line)
        if asked is None:
            _refused(reading, replace(found, rest=command))
            return
        places = [posixpath.join(reading.folder, name) for name in asked.files]
        text = "".join(_requirements(reading, found, posixpath.normpath(p)) for p in places)
        text += "".join(f"{name}\n" for name in asked.packages)
        if text.strip():
            place = posixpath.normpath(posixpath.join(reading.folder, asked.to))
            to = place if asked.to else None
            reading.steps.append(Install(_kept(text), to, f"RUN {command}"))


def _requirements(reading: _Reading, found: Instruction, place: str) -> str:
    file = reading.placed.get(place)
    if file is None:
        raise _invalid(found.line, f"no COPY has brought {place}")
    text = file.path.read_text()
    if re.search(r"^\s*(-r|--requirement|-c|--constraint|-e|\.)", text, re.MULTILINE):
        raise unsupported(
            found.line, f"{file.name} with -r, -c or -e in it", "write the packages into one file"
        )
    return text.rstrip("\n") + "\n"


def _kept(text: str) -> Requirements:
    """The lines as a file that uv can read."""
    folder = stored.cache() / "requirements"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.txt"
    path.write_text(text)
    return Requirements(path, text)


def _cmd(reading: _Reading, found: Instruction) -> None:
    reading.command = _started(found)


def _entry_point(reading: _Reading, found: Instruction) -> None:
    reading.entry_point = _started(found)


def _started(found: Instruction) -> tuple[str, ...]:
    words = exec_form(found.rest)
    return tuple(words) if words is not None else ("/bin/sh", "-c", found.rest)


def _nothing(reading: _Reading, found: Instruction) -> None:
    """What changes nothing where Lambda runs an image."""


def _expanded(reading: _Reading, found: Instruction) -> str:
    return expand(found.rest, reading.variables, found.line)


def _assignments(reading: _Reading, found: Instruction) -> dict[str, str]:
    """`K=V K="v w"`, or the old `K the rest`."""
    first = found.rest.split(maxsplit=1)
    if first and "=" not in first[0]:
        value = first[1] if len(first) > 1 else ""
        return {first[0]: expand(value, reading.variables, found.line)}
    try:
        words = shlex.split(_expanded(reading, found))
    except ValueError as error:
        raise _invalid(found.line, f"{found.word}: {error}") from None
    if any("=" not in word for word in words):
        raise _invalid(found.line, f"{found.word} {found.rest}")
    return dict(word.partition("=")[::2] for word in words)


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _invalid(line: int, what: str) -> Problem:
    return Problem("DOCKERFILE_INVALID", f"Dockerfile, line {line}: {what}", fix="mend that line")


_HANDLERS: Final = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "LABEL": _label,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "ADD": _copy,
    "RUN": _run,
    "CMD": _cmd,
    "ENTRYPOINT": _entry_point,
    **dict.fromkeys(_NOTHING, _nothing),
}
