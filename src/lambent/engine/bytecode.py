"""Packages that came without bytecode get it, in the background: their next environments import it.

`control` tells what exists; every package that a Python function uses is compiled once per Python
version, one at a time, by that Python, in a sandbox such as functions have: sources are foreign
input to a compiler that was not written to withstand them. `runtimes/bytecode.py` keeps the
result, `Planner.task_dir` picks it up. Nobody waits for any of it: an environment that starts
meanwhile compiles its imports itself, as on Lambda.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import structlog

from lambent.clock import Clock
from lambent.control.targets import FunctionTargets, VersionTarget
from lambent.errors import LambentError
from lambent.runtimes.bytecode import Compilation
from lambent.runtimes.launch import LaunchPlan, Planner
from lambent.sandbox.spec import ProcessSpec, Sandbox, SandboxHost, SandboxSpec

T = TypeVar("T")

log = structlog.get_logger("lambent.bytecode")

SETTLE_S: Final = 1.0
"""After a change: whoever deploys calls at once, and that cold start has the machine to itself."""
MEMORY_MB: Final = 885
"""Enough for the compiler, and half a core by Lambda's arithmetic."""
LONGEST_S: Final = 1800.0
"""For one package, on a machine that is busy all the time; what there is by then is kept."""
OWNER: Final = "lambent:bytecode"
"""Host ids of its own, shared with no function."""


class Job(NamedTuple):
    tree: Path
    runtime: str


class BytecodeCompiler:
    """Compiles what is missing. A `TargetListener` with one task: `run`."""

    def __init__(
        self, host: SandboxHost, planner: Planner, clock: Clock, *, settle_s: float = SETTLE_S
    ) -> None:
        self._host = host
        self._planner = planner
        self._clock = clock
        self._settle_s = settle_s
        self._wanted: dict[tuple[str, str, str], dict[Job, VersionTarget]] = {}
        self._waiting: dict[Job, VersionTarget] = {}
        self._wake = asyncio.Event()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="lambent-bytecode")
        self._task: asyncio.Task[None] | None = None

    def start(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._task = spawn(self._run())

    async def close(self) -> None:
        """Stop, with the compiler that runs; what it has made of an unfinished tree is removed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._threads.shutdown()

    def function_changed(self, targets: FunctionTargets) -> None:
        key = (targets.account, targets.region, targets.name)
        known = self._wanted.get(key, {})
        self._wanted[key] = {
            Job(target.code_path, target.runtime): target
            for target in targets.versions.values()
            if target.runtime is not None and target.runtime.startswith("python")
        }
        new = {job: target for job, target in self._wanted[key].items() if job not in known}
        if new:
            self._waiting |= new
            self._wake.set()

    def function_deleted(self, account: str, region: str, name: str) -> None:
        self._wanted.pop((account, region, name), None)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await self._clock.sleep(self._settle_s)
            self._wake.clear()
            while self._waiting:
                job, target = self._waiting.popitem()
                if any(job in jobs for jobs in self._wanted.values()):
                    await self._attempt(job, target)

    async def _attempt(self, job: Job, target: VersionTarget) -> None:
        """Compile one package; a failure concerns only how fast it starts."""
        compilation = Compilation(*job)
        try:
            if not await self._in_thread(compilation.open):
                return
            if compilation.remaining():
                await self._compile(compilation, target)
            await self._in_thread(compilation.publish)
        except (LambentError, OSError) as error:
            log.warning("bytecode.failed", function=target.arn, error=str(error))
            await self._in_thread(compilation.discard)
        except asyncio.CancelledError:
            await self._in_thread(compilation.discard)
            raise
        else:
            log.info("bytecode.compiled", function=target.arn, files=compilation.files)

    async def _compile(self, compilation: Compilation, target: VersionTarget) -> None:
        await asyncio.to_thread(self._planner.ground, target)
        plan = self._planner.compiler(target)
        sandbox = await self._host.create(
            SandboxSpec(
                id=os.urandom(16).hex(),
                owner=OWNER,
                task_dir=target.code_path,
                lang_dir=plan.lang_dir,
                runtime_dir=plan.runtime_dir,
                memory_mb=MEMORY_MB,
                pids_max=4,
                background=True,
            )
        )
        sandbox.limit_cpu(True)
        try:
            async with asyncio.timeout(LONGEST_S):
                while names := compilation.remaining():
                    await self._round(compilation, sandbox, plan, names)
        except TimeoutError:
            log.warning("bytecode.unfinished", function=target.arn, files=compilation.files)
        finally:
            await sandbox.close()

    async def _round(
        self, compilation: Compilation, sandbox: Sandbox, plan: LaunchPlan, names: bytes
    ) -> None:
        """One compiler process, until it is done or has died of a source."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        answers = os.fdopen(read_end, "rb")
        with ExitStack() as stack:
            stack.callback(os.close, write_end)
            request = os.memfd_create("sources")
            stack.callback(os.close, request)
            try:
                os.write(request, names)
                os.lseek(request, 0, os.SEEK_SET)
                await sandbox.start(
                    ProcessSpec(
                        argv=plan.argv, env=plan.env, cwd=plan.cwd, fds={0: request, 1: write_end}
                    )
                )
            except BaseException:
                answers.close()
                raise
        reading = asyncio.get_running_loop().run_in_executor(
            self._threads, compilation.receive, answers
        )
        try:
            await asyncio.shield(reading)
        finally:
            await sandbox.kill()  # which ends the reading, if it has not
            await asyncio.wait([reading])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
