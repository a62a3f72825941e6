"""What is patched when a function imports it, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

NO_SHM = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="hiding /dev/shm needs a mount namespace of our own",
)


def test_logging_is_set_up_however_it_is_imported(start, runtime):
    source = (
        "import importlib.util\nspec = importlib.util.find_spec('logging')\n"
        "import concurrent.futures\nimport logging, sys\n"
        "def handler(event, context):\n"
        "    return [len(logging.root.handlers), type(logging.__loader__).__name__,\n"
        "        type(logging.__spec__.loader).__name__,\n"
        "        [type(finder).__name__ for finder in sys.meta_path].count('Hooks')]\n"
    )
    handlers, loader, spec_loader, waiting = start(source, runtime).ready().invoke()
    assert (handlers, loader, spec_loader, waiting) == (
        1, "SourceFileLoader", "SourceFileLoader", 1,
    )  # fmt: skip


def test_the_finder_leaves_when_nothing_is_awaited(start, runtime):
    source = (
        "import logging, sys, _multiprocessing, _posixshmem\n"
        "def handler(event, context):\n"
        "    return [type(finder).__name__ for finder in sys.meta_path].count('Hooks')\n"
    )
    assert start(source, runtime).ready().invoke() == 0


def test_locks_still_work_where_there_is_shared_memory(start, runtime):
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no /dev/shm here")
    source = (
        "import multiprocessing\n"
        "def child(lock, queue):\n    with lock:\n        queue.put(42)\n"
        "def handler(event, context):\n"
        "    fork = multiprocessing.get_context('fork')\n"
        "    lock, queue = fork.Lock(), fork.Queue()\n"
        "    process = fork.Process(target=child, args=(lock, queue))\n"
        "    process.start()\n    answer = queue.get(timeout=30)\n    process.join()\n"
        "    return [answer, process.exitcode]\n"
    )
    assert start(source, runtime).ready().invoke() == [42, 0]


@NO_SHM
@pytest.mark.root
def test_locks_fail_as_on_lambda_without_shared_memory(planner, make, tmp_path, runtime):
    """In a mount namespace whose /dev is empty, as a sandbox has it."""
    ground = planner.ground(make.target(tmp_path, runtime))
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from lambent_runtime.hooks import Hooks\nHooks().install()\n"
        "import multiprocessing\nfrom multiprocessing import shared_memory\n"
        "for attempt in (multiprocessing.Lock, multiprocessing.Queue,"
        " lambda: shared_memory.SharedMemory(create=True, size=10)):\n"
        "    try:\n        attempt()\n"
        "    except OSError as error:\n        print(error.errno, error.strerror)\n"
    )
    script = 'mount -t tmpfs none /dev/shm && umount -l /dev/shm && mount --bind "$1" /dev && shift && exec "$@"'
    answer = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, "sh", tmp_path,
         ground.lang_dir / "bin" / ground.interpreter, "-S", "-c", code, ground.runtime_dir],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.stdout.splitlines() == ["38 Function not implemented"] * 3, answer.stderr


def test_a_missing_segment_is_still_just_missing(evaluator):
    run = (
        "from multiprocessing import shared_memory\n"
        "try:\n    shared_memory.SharedMemory(name='psm_not_there')\n"
        "except OSError as error:\n    result = error.errno"
    )
    assert evaluator.invoke({"run": run}) == 2
