"""Compiles sources to `.pyc` files that need no check against their source (PEP 552).

/var/task is read-only, so without bytecode in the package every cold start compiles every module
again: 4.7 s instead of 1.5 s for scikit-learn. Unchecked hashes, because a zip's times say nothing
and the source cannot change. It must be an interpreter of the function's own version.

The work is split into a fixed number of processes, each compiling its files in order with a fixed
hash seed: marshal marks references by reference counts, so another order gives other bytes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lambent.delivery.problem import Problem

WORKERS = 2
_SCRIPT = """
import importlib.util, py_compile, sys
from importlib._bootstrap_external import cache_from_source
root = sys.argv[1]
for line in sys.stdin:
    name = line.rstrip("\\n")
    try:
        py_compile.compile(
            root + "/" + name,
            cfile=cache_from_source(root + "/" + name),
            dfile="/var/task/" + name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except (py_compile.PyCompileError, SyntaxError, ValueError, RecursionError) as error:
        print(name + "\\t" + str(error).strip().replace("\\n", " "))
"""


def compile_tree(python: Path, root: Path, names: Iterable[str]) -> dict[str, str]:
    """Compile `names` under `root` into their `__pycache__`; the failures, by name.

    A failure is not fatal: packages ship sources for other Pythons, and a function's own syntax
    error must reach its author as Lambda words it.
    """
    ordered = sorted(name for name in names if name.endswith(".py") and "\n" not in name)
    parts = [part for i in range(WORKERS) if (part := ordered[i::WORKERS])]
    failures: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for found in pool.map(lambda part: _compile(python, root, part), parts):
            failures.update(found)
    return failures


def _compile(python: Path, root: Path, names: list[str]) -> dict[str, str]:
    done = subprocess.run(
        [str(python), "-S", "-W", "ignore", "-c", _SCRIPT, str(root)],
        input="".join(f"{name}\n" for name in names),
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    if done.returncode:
        raise Problem(
            "BYTECODE_FAILED",
            f"{python} could not compile the package",
            why=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "",
            fix="--no-bytecode packages without it (cold starts become slower)",
        )
    return dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
