"""Images whose command is only a handler: `CMD ["app.handler"]`, as with AWS's base images.

AWS's base images have an entry point that starts the runtime client they bring; where both are
there, they run as they are, over the Runtime API. Where an image names a handler and brings no
such client, our own runtime serves it, with the interpreter that stands in the image and shown
at /var/runtime. `launch` asks; what is found here is the same for every environment of a version.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lambent.errors import InvalidRuntime
from lambent.images import inside
from lambent.images.manifest import Config

ENTRY_POINT: Final = "/lambda-entrypoint.sh"
"""Of AWS's base images: it gives its argument to /var/runtime/bootstrap."""
FALLBACK_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OLDEST_PYTHON: Final = (3, 9)

_HANDLER: Final = re.compile(r"[\w./-]*\w\.\w+", re.ASCII)
_PYTHON: Final = re.compile(r"python(3\.\d+)")
_PLACES: Final = ("/var/lang/bin", "/usr/local/bin", "/opt/venv/bin", "/usr/bin", "/bin")
_NODE_MODULES: Final = (".js", ".mjs", ".cjs")

Language = Literal["python", "node"]


@dataclass(frozen=True, slots=True)
class Managed:
    """What serves an image's handler."""

    handler: str
    language: Language
    interpreter: str
    """Its path inside the image."""
    minor: str
    """Of Python, `3.12`."""
    task_root: str
    """The folder that the handler's module is imported from."""


def find(
    root: Path, config: Config, entry: Sequence[str], command: Sequence[str], folder: str
) -> Managed | None:
    """How our runtime serves this image; None where the image starts a program of its own.

    `folder` is its working directory. Raises `InvalidRuntime` where the command can only be a
    handler, and nothing in the image runs it.
    """
    search = config.environment.get("PATH") or FALLBACK_PATH
    if not _names_a_handler(root, entry, command, search):
        return None
    handler = command[0]
    task_root = config.environment.get("LAMBDA_TASK_ROOT") or (folder if folder != "/" else "")
    task_root = task_root or "/var/task"
    python, node = _python(root, search), _program(root, "node", search)
    if node is not None and (python is None or _is_node_module(root, task_root, handler)):
        return _managed(root, Managed(handler, "node", node, "", task_root))
    if python is None:
        raise InvalidRuntime(
            f"The image's command is the handler {handler}, and it holds neither python3 nor node. "
            "Its ENTRYPOINT may start a program that speaks the Lambda Runtime API."
        )
    path, minor = python
    if tuple(map(int, minor.split("."))) < OLDEST_PYTHON:
        raise InvalidRuntime(
            f"The image's command is the handler {handler}, and its Python is {minor}; handlers are "
            "run by 3.9 and later. An ENTRYPOINT with awslambdaric runs on any."
        )
    return _managed(root, Managed(handler, "python", path, minor, task_root))


def _names_a_handler(root: Path, entry: Sequence[str], command: Sequence[str], search: str) -> bool:
    if len(command) != 1 or _HANDLER.fullmatch(command[0]) is None:
        return False
    if tuple(entry) == (ENTRY_POINT,):
        complete = inside.is_program(root, ENTRY_POINT)
        return not (complete and inside.is_program(root, "/var/runtime/bootstrap"))
    return not entry and inside.which(root, command[0], search) is None


def _managed(root: Path, found: Managed) -> Managed:
    if (root / "var/runtime").is_symlink():
        raise InvalidRuntime("/var/runtime of the image is a link, and must be a folder")
    return found


def _program(root: Path, name: str, search: str) -> str | None:
    return inside.which(root, name, ":".join((*_PLACES[:1], search, *_PLACES[1:])))


def _python(root: Path, search: str) -> tuple[str, str] | None:
    """The interpreter and its minor version, which its name or its library tells."""
    path = _program(root, "python3", search)
    candidates = [path] if path else []
    folders = dict.fromkeys((*_PLACES, *search.split(":")))
    for folder in folders:
        here = inside.find(root, folder) if folder.startswith("/") else None
        names = sorted(
            (each.name for each in here.iterdir() if _PYTHON.fullmatch(each.name)),
            key=lambda name: -int(name.rpartition(".")[2]),
        ) if here is not None and here.is_dir() else []  # fmt: skip
        candidates += [f"{folder.rstrip('/')}/{name}" for name in names]
    for candidate in candidates:
        minor = _minor(root, candidate)
        if minor and inside.is_program(root, candidate):
            return candidate, minor
    return None


def _minor(root: Path, path: str) -> str:
    real = inside.find(root, path)
    if real is None:
        return ""
    if match := _PYTHON.fullmatch(real.name):
        return match[1]
    library = inside.find(root, f"/{real.parent.parent.relative_to(root)}/lib")
    names = [] if library is None or not library.is_dir() else [e.name for e in library.iterdir()]
    minors = [match[1] for name in names if (match := _PYTHON.fullmatch(name))]
    return minors[0] if len(minors) == 1 else ""


def _is_node_module(root: Path, task_root: str, handler: str) -> bool:
    stem = f"{task_root}/{handler.rpartition('.')[0]}"
    if inside.find(root, f"{stem.replace('.', '/')}.py") is not None:
        return False
    return any(inside.find(root, stem + suffix) is not None for suffix in _NODE_MODULES)
