"""How a version is started: what a sandbox must show, then argv and environment of its process.

`Planner.ground` is slow the first time (it makes folders; call it in a thread), `Planner.plan`
never is. The engine's launcher is the caller; what runs next is `python/bootstrap.py` inside.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lambent.control.targets import VersionTarget
from lambent.errors import InvalidRuntime
from lambent.images import rootfs
from lambent.images.manifest import Config
from lambent.images.problem import ImageError
from lambent.runtimes import (
    bytecode,
    image_handlers,
    interpreters,
    lang_dir,
    presence,
    program_dirs,
    programs,
    runtime_dir,
)
from lambent.runtimes.image_handlers import Managed
from lambent.runtimes.variables import Facts, Places, environment, image_environment

__all__ = ["Facts", "Ground", "InvalidEntrypoint", "LaunchPlan", "Planner"]

CUSTOM: Final = frozenset({"provided.al2023", "provided.al2"})
FLAGS: Final = ("-S", "-B", "-X", "utf8")
"""No site-packages and .pth files, no bytecode written to a read-only folder, UTF-8 whatever
locales the machine has. Not -E or -I: on Lambda a function's PYTHON… variables have their effect."""

IMAGE_FLAGS: Final = ("-B", "-X", "utf8")
"""An image's own interpreter has its site-packages, which are the function's packages there."""

COMPILER_FLAGS: Final = ("-I", "-S", "-B", "-W", "ignore", "-X", "utf8")
"""Nothing but the standard library can be imported, and no variable has an effect."""


PYTHON_SCRIPT: Final = "bootstrap.py"
MOST_IMAGE_GROUNDS: Final = 1000
V8_CODE_MB: Final = 576
"""From Node.js 24 on V8 maps half a gigabyte for compiled code, writable, at its start (tried)."""


class InvalidEntrypoint(InvalidRuntime):
    """No `bootstrap` that could be executed; AWS's error type is Runtime.InvalidEntrypoint."""

    code, error_type = "InvalidRuntimeException", "Runtime.InvalidEntrypoint"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a sandbox must show for a version, and how its runtime is spoken to."""

    transport: Literal["channel", "http"]
    lang_dir: Path | None = None
    runtime_dir: Path | None = None
    interpreter: str = ""
    """`python3.12`: the executable's name in lang_dir's bin."""
    flags: tuple[str, ...] = ()
    reserved_mb: int = 0
    """What it maps as writable and never fills."""
    script: str = ""
    """In runtime_dir: the first that the interpreter runs."""
    managed: Managed | None = None
    """Of an image whose handler our runtime serves; `interpreter` is a path inside it then."""

    @property
    def python(self) -> bool:
        """Whether our own runtime for Python runs it."""
        return self.script == PYTHON_SCRIPT


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """One runtime process; paths are as seen inside."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    transport: Literal["channel", "http"]
    lang_dir: Path | None
    runtime_dir: Path | None
    cwd: str


class Planner:
    """Knows how each runtime is started on this machine. One per server.

    `isolated` is False where the sandbox cannot mount anything: then every path is the host's.
    """

    def __init__(
        self, data_dir: Path, *, isolated: bool = True, node_modules: Path | None = None
    ) -> None:
        """`node_modules` is shown to Node.js functions in /var/runtime, as AWS shows its SDK."""
        self._store = data_dir / "runtimes"
        self._node_modules = node_modules
        self._isolated = isolated
        self._grounds: dict[str, Ground] = {}
        self._image_grounds: dict[tuple[object, ...], Ground] = {}
        self._lock = threading.Lock()

    def ground(self, target: VersionTarget) -> Ground:
        """What must be shown; makes it on first use. Blocking.

        Raises `InvalidRuntime` when the machine has no interpreter for it.
        """
        if target.image_uri:
            return self._image_ground(target)
        runtime = target.runtime or "image"
        if runtime == "image" or runtime in CUSTOM:
            return Ground("http")
        with self._lock:
            ground = self._grounds.get(runtime)
            if ground is None:
                ground = self._grounds[runtime] = self._make(runtime)
        return ground

    def prepare(self, runtimes: Iterable[str]) -> None:
        """Make what these runtimes need ahead of their first invoke. Blocking."""
        for runtime in runtimes:
            if runtime not in CUSTOM and presence.version(runtime) is not None:
                with self._lock:
                    if runtime not in self._grounds:
                        self._grounds[runtime] = self._make(runtime)

    def _make(self, runtime: str) -> Ground:
        if runtime.startswith("nodejs"):
            return self._make_node(runtime)
        if runtime.startswith("ruby"):
            return self._make_ruby(runtime)
        interpreter = interpreters.find(runtime)
        if interpreter is None:
            raise _missing(runtime)
        return Ground(
            transport="channel",
            lang_dir=lang_dir.assemble(interpreter, self._store),
            runtime_dir=runtime_dir.assemble(interpreter, self._store),
            interpreter=f"python{interpreter.minor}",
            flags=FLAGS,
            script=PYTHON_SCRIPT,
        )

    def _make_node(self, runtime: str) -> Ground:
        program = programs.find_node(runtime)
        if program is None:
            raise _missing(runtime)
        return Ground(
            transport="channel",
            lang_dir=program_dirs.lang_dir(program, "node", self._store),
            runtime_dir=program_dirs.runtime_dir("node", self._store, self._node_modules),
            interpreter="node",
            reserved_mb=V8_CODE_MB,
            script="bootstrap.cjs",
        )

    def _make_ruby(self, runtime: str) -> Ground:
        program = programs.find_ruby(runtime)
        if program is None:
            raise _missing(runtime)
        return Ground(
            transport="channel",
            lang_dir=program_dirs.lang_dir(program, "ruby", self._store),
            runtime_dir=program_dirs.runtime_dir("ruby", self._store),
            interpreter="ruby",
            script="bootstrap.rb",
        )

    def _image_ground(self, target: VersionTarget) -> Ground:
        """The Runtime API for a program of the image's own; else what serves its handler."""
        key = (target.code_path, target.entry_point, target.command, target.working_directory)
        with self._lock:
            ground = self._image_grounds.get(key)
            if ground is None:
                config, entry, command, folder = _program(target)
                root = target.code_path / "rootfs"
                managed = image_handlers.find(root, config, entry, command, folder)
                ground = Ground("http") if managed is None else self._managed_ground(managed)
                while len(self._image_grounds) >= MOST_IMAGE_GROUNDS:
                    del self._image_grounds[next(iter(self._image_grounds))]
                self._image_grounds[key] = ground
        return ground

    def _managed_ground(self, managed: Managed) -> Ground:
        if managed.language == "node":
            return Ground(
                transport="channel",
                runtime_dir=program_dirs.runtime_dir("node", self._store, self._node_modules),
                interpreter=managed.interpreter,
                reserved_mb=V8_CODE_MB,
                script="bootstrap.cjs",
                managed=managed,
            )
        # Bytecode fits every interpreter of a minor version; without one here, sources do.
        here = interpreters.find(f"python{managed.minor}")
        return Ground(
            transport="channel",
            runtime_dir=runtime_dir.assemble(here or managed.minor, self._store),
            interpreter=managed.interpreter,
            flags=IMAGE_FLAGS,
            script=PYTHON_SCRIPT,
            managed=managed,
        )

    def plan(self, target: VersionTarget, facts: Facts) -> LaunchPlan:
        """The argv and environment of one process of a version whose ground is made."""
        ground = self.ground(target)
        places = self._places(target, ground)
        if target.image_uri:
            return _image_plan(target, facts, ground)
        env = environment(target, facts, places)
        if ground.transport == "channel":
            argv: tuple[str, ...] = (
                f"{places.lang}/bin/{ground.interpreter}",
                *ground.flags,
                *_heap_flags(target),
                f"{places.runtime}/{ground.script}",
            )
            if target.max_concurrency:
                env["_LAMBENT_FORKS"] = "1"
            if not self._isolated:
                env["_LAMBENT_OPT_DIRS"] = ":".join(places.opt)
        else:
            argv = (_bootstrap(target, places),)
        wrapper = target.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
        if wrapper:
            argv = (wrapper, *argv)
        return LaunchPlan(
            argv=argv,
            env=env,
            transport=ground.transport,
            lang_dir=ground.lang_dir,
            runtime_dir=ground.runtime_dir,
            cwd=places.task,
        )

    def task_dir(self, target: VersionTarget) -> Path:
        """The code to show at /var/task: with bytecode from the moment that it is compiled."""
        return bytecode.best(target.code_path, target.runtime or "image")

    def compiler(self, target: VersionTarget) -> LaunchPlan:
        """The program that compiles what is missing in `target.code_path`, with its own Python."""
        ground = self.ground(target)
        places = self._places(target, ground)
        task = places.task if self._isolated else str(target.code_path)
        return LaunchPlan(
            argv=(
                f"{places.lang}/bin/{ground.interpreter}",
                *COMPILER_FLAGS,
                f"{places.runtime}/lambent_runtime/compile_sources.py",
                task,
            ),
            env={"LD_LIBRARY_PATH": f"{places.lang}/lib"},
            transport=ground.transport,
            lang_dir=ground.lang_dir,
            runtime_dir=ground.runtime_dir,
            cwd="/",
        )

    def _places(self, target: VersionTarget, ground: Ground) -> Places:
        if self._isolated:
            return Places()
        return Places(
            task=str(self.task_dir(target)),
            runtime=str(ground.runtime_dir or target.code_path),
            lang=str(ground.lang_dir or target.code_path),
            opt=tuple(str(path) for path in reversed(target.layer_paths)),
        )


def _image_plan(target: VersionTarget, facts: Facts, ground: Ground) -> LaunchPlan:
    """The image's own program, or our runtime with its interpreter."""
    config, entry, command, folder = _program(target)
    env = image_environment(target, facts, config.environment)
    argv = (*entry, *command)
    if ground.managed is not None:
        argv = (
            ground.interpreter,
            *ground.flags,
            *(_heap_flags(target) if ground.managed.language == "node" else ()),
            f"{Places().runtime}/{ground.script}",
        )
        env |= {"_HANDLER": ground.managed.handler, "LAMBDA_TASK_ROOT": ground.managed.task_root}
    return LaunchPlan(
        argv=argv,
        env=env,
        transport=ground.transport,
        lang_dir=None,
        runtime_dir=ground.runtime_dir,
        cwd=folder,
    )


def _program(target: VersionTarget) -> tuple[Config, tuple[str, ...], tuple[str, ...], str]:
    """The image's configuration, entry point, command and folder; ImageConfig's in their place."""
    try:
        config = rootfs.config(target.code_path)
    except ImageError as error:
        raise InvalidRuntime(f"{target.function_name}: {error}") from None
    entry = config.entry_point if target.entry_point is None else target.entry_point
    command = config.command if target.command is None else target.command
    if not (*entry, *command):
        raise InvalidEntrypoint("The image names neither ENTRYPOINT nor CMD.")
    return config, entry, command, target.working_directory or config.working_directory


def _missing(runtime: str) -> InvalidRuntime:
    return InvalidRuntime(
        f"No interpreter for {runtime} on this machine: {presence.how_to_install(runtime)}"
    )


def _heap_flags(target: VersionTarget) -> tuple[str, ...]:
    """Node.js sizes its heap by the machine; on Lambda it is told the function's memory.

    A tenth stays for what is not JavaScript's. A function that sets either itself keeps its own.
    """
    if target.runtime is not None and not target.runtime.startswith("nodejs"):
        return ()
    own = target.environment.get("NODE_OPTIONS", "").replace("_", "-")
    if "--max-old-space-size" in own or "--max-semi-space-size" in own:
        return ()
    semi_mb = max(1, target.memory_mb // 20)
    return (
        f"--max-semi-space-size={semi_mb}",
        f"--max-old-space-size={target.memory_mb * 9 // 10}",
    )


def _bootstrap(target: VersionTarget, places: Places) -> str:
    """The custom runtime's entry: the function's own, or else a layer's (the last one's)."""
    if target.runtime is None:
        raise InvalidRuntime("Container images name their entry point themselves")
    layers = list(reversed(target.layer_paths))
    inside = places.opt if len(places.opt) == len(layers) else places.opt * len(layers)
    folders = [(target.code_path, places.task), *zip(layers, inside, strict=True)]
    for host, shown in folders:
        path = host / "bootstrap"
        if path.is_file():
            if path.stat().st_mode & 0o111:
                return f"{shown}/bootstrap"
            raise InvalidEntrypoint(f"fork/exec {shown}/bootstrap: permission denied")
    searched = " ".join(f"{shown}/bootstrap" for shown in ("/var/runtime", "/var/task", "/opt"))
    raise InvalidEntrypoint(f"Couldn't find valid bootstrap(s): [{searched}]")
