"""The compiler in its sandbox: what it makes, what it survives, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lambent.clock import SystemClock
from lambent.control.targets import TargetListeners
from lambent.engine.bytecode import BytecodeCompiler
from lambent.runtimes.bytecode import best, compiled

HELPER = "x = 1\n"
MANY = {"app.py": "def handler(e, c): return 1\n"} | {
    f"m{i}.py": "x = {'a': [1, 2, 3]}\n" * 3_000 for i in range(400)
}
"""Minutes of work."""


async def until(condition: Callable[[], object], seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


class World:
    """An engine whose functions are also told to a compiler, as on a server."""

    def __init__(self, engine, settle_s: float) -> None:
        self._engine = engine
        self._dispatcher = engine.dispatcher
        self.host = self._dispatcher._launcher._host
        planner = self._dispatcher._launcher._planner
        self.compiler = BytecodeCompiler(self.host, planner, SystemClock(), settle_s=settle_s)
        engine.dispatcher = TargetListeners(self._dispatcher, self.compiler)
        self.compiler.start(engine.tasks.create_task)

    def function(self, files, name: str = "f", **fields) -> None:
        self._engine.function(files, name, **fields)

    async def answer(self, name: str = "f"):
        self._engine.dispatcher = self._dispatcher
        return await self._engine.answer(name=name)

    def target(self, name: str = "f"):
        return self._engine.targets[name].versions["$LATEST"]

    def tree(self, name: str = "f") -> Path:
        return self.target(name).code_path

    def made(self, name: str = "f") -> Path:
        return compiled(self.tree(name), self.target(name).runtime)

    def modules(self, name: str = "f") -> set[str]:
        found = best(self.tree(name), self.target(name).runtime).rglob("*.pyc")
        return {path.name.split(".")[0] for path in found}

    def compilers(self) -> list[int]:
        """Compilers of this test's sandboxes."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if b"compile_sources.py" in (entry / "cmdline").read_bytes() and os.getpid() in (
                    ancestors(int(entry.name))
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def ancestors(pid: int) -> list[int]:
    found = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


@pytest.fixture
def world(engine):
    """`world(scenario, sandbox=…, settle_s=…)`."""

    def run(scenario, *, sandbox: str = "auto", settle_s: float = 0) -> None:
        async def main(e) -> None:
            w = World(e, settle_s)
            try:
                await scenario(w)
            finally:
                await w.compiler.close()
                e.dispatcher = w._dispatcher
                assert not w.compilers()

        engine(main, sandbox=sandbox)

    return run


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_an_environment_that_starts_later_imports_bytecode(world, sandbox):
    source = (
        "import os, helper\n"
        "def handler(e, c): return [helper.__cached__, os.path.exists(helper.__cached__)]\n"
    )

    async def scenario(w):
        w.function({"app.py": source, "helper.py": HELPER})
        await until(w.made().is_dir)
        assert w.modules() == {"app", "helper"}
        path, exists = await w.answer()
        assert exists
        assert path.startswith("/var/task/" if w.host.kind == "namespaces" else str(w.made()))

    world(scenario, sandbox=sandbox)


@pytest.mark.slow
def test_an_environment_that_runs_already_sees_no_change(world):
    source = "import os\ndef handler(e, c): return sorted(os.listdir('.')) + [os.getcwd()]\n"

    async def scenario(w):
        w.function({"app.py": source, "helper.py": HELPER})
        before = await w.answer()
        await until(w.made().is_dir)
        assert await w.answer() == before
        assert before[:-1] == ["app.py", "helper.py"]
        assert len(w._dispatcher.environments()) == 1

    world(scenario, settle_s=3.0)


@pytest.mark.slow
def test_each_package_once_and_only_those_in_use(world):
    async def scenario(w):
        w.function({"app.py": HELPER}, "old")
        dropped = w.made("old")
        w.function({"app.py": HELPER}, "old")
        w.function({"app.py": HELPER}, "gone")
        w.compiler.function_deleted("123456789012", "us-east-1", "gone")
        w.function({"bootstrap": "#!/bin/sh\n"}, "custom", runtime="provided.al2023")
        w.function({"app.py": HELPER}, "last")
        await until(lambda: w.made("last").is_dir() and w.made("old").is_dir())
        inode = w.made("last").stat().st_ino
        targets = w._engine.targets["last"]
        w.compiler.function_changed(targets)  # an alias moved
        w.compiler.function_deleted(targets.account, targets.region, targets.name)
        w.compiler.function_changed(targets)  # a restarted server is told everything again
        w.function({"app.py": HELPER}, "after")
        await until(w.made("after").is_dir)
        await until(lambda: not w.compiler._waiting)
        assert w.made("last").stat().st_ino == inode
        assert not dropped.exists()
        assert not w.made("gone").exists()
        assert not w.made("custom").exists()

    world(scenario, settle_s=0.5)


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_a_server_that_stops_ends_the_compiler_and_leaves_nothing_half_made(world, sandbox):
    async def scenario(w):
        w.function(MANY)
        half = w.made().with_name(f"{w.made().name}.making")
        await until(half.is_dir)
        assert len(w.compilers()) == 1
        await w.compiler.close()
        assert not half.exists()
        assert not w.made().exists()
        assert not w.compilers()

    world(scenario, sandbox=sandbox)


@pytest.mark.slow
def test_a_compiler_that_is_killed_costs_one_source(world):
    async def scenario(w):
        w.function({k: MANY[k] for k in list(MANY)[:30]} | {"zz.py": HELPER})
        half = w.made().with_name(f"{w.made().name}.making")
        await until(half.is_dir)
        (pid,) = w.compilers()
        os.kill(pid, 9)
        await until(w.made().is_dir)
        assert len(w.modules()) == 30
        assert "zz" in w.modules()

    world(scenario)


@pytest.mark.slow  # memory is filled up to the limit, in its own group
def test_sources_that_exhaust_the_compiler_cost_only_themselves(world):
    """A few megabytes of source that need more memory than there is, and what nests too deep."""

    async def scenario(w):
        w.function(
            {
                "app.py": "def handler(e, c): return 1\n",
                "big.py": "x = [" + "(a.b,)," * 1_300_000 + "]\n",
                "deep.py": "-" * 2_000_000 + "1\n",
                "zz.py": HELPER,
            }
        )
        await until(lambda: w.made().is_dir() or w.made().is_symlink(), 110)
        assert {"app", "zz"} <= w.modules()
        assert "big" not in w.modules()
        assert await w.answer() == 1

    world(scenario)


def test_a_package_that_vanishes_meanwhile_is_one_line_in_the_log(world):
    async def scenario(w):
        w.function({"app.py": HELPER}, "gone")
        tree = w.tree("gone")
        tree.rename(tree.with_name("elsewhere"))
        w.function({"app.py": HELPER}, "next")
        await until(w.made("next").is_dir)
        assert not w.made("gone").exists()

    world(scenario, settle_s=0.2)
