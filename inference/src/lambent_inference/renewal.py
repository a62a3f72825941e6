"""What must be made anew in a process that was copied: after `fork`, after a restored snapshot.

A copied process has its parent's memory but no threads, and an event loop whose epoll descriptor it
shares with every other copy. Whoever owns such a thing registers here how to forget it, and how to
end its threads before a snapshot is taken.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

# What was garbage before the copy stays where it is: a model's session that is destroyed waits for
# threads that a copy does not have, for ever.
os.register_at_fork(after_in_child=gc.freeze)


def on_renewal(forget: Callable[[], None]) -> None:
    """Call `forget` in every copy, before anything else runs there; twice must do no harm."""
    os.register_at_fork(after_in_child=forget)
    hooks = _hooks()
    if hooks is not None:
        hooks.register_after_restore(forget)


def on_snapshot(rest: Callable[[], None], resume: Callable[[], None] | None = None) -> None:
    """Call `rest` before a snapshot is taken, and `resume` in what is restored from it."""
    hooks = _hooks()
    if hooks is not None:
        hooks.register_before_snapshot(rest)
        if resume is not None:
            hooks.register_after_restore(resume)


def threads_end() -> bool:
    """Whether a snapshot's threads are not in its copies: a lambent server forks, AWS keeps all."""
    return "lambent_runtime" in sys.modules


def _hooks() -> Any:
    """None where this is not a Lambda runtime that has snapshots."""
    try:
        return importlib.import_module("snapshot_restore_py")
    except ImportError:
        return None
