"""What must be made anew in a process that was copied: after `fork`, after a restored snapshot.

A copied process has its parent's memory but no threads, and an event loop whose epoll descriptor it
shares with every other copy. Whoever owns such a thing registers here how to forget it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable


def on_renewal(forget: Callable[[], None]) -> None:
    """Call `forget` in every copy, before anything else runs there; twice must do no harm."""
    os.register_at_fork(after_in_child=forget)
    try:
        hooks = importlib.import_module("snapshot_restore_py")
    except ImportError:  # not a Lambda runtime that has snapshots
        return
    hooks.register_after_restore(forget)
