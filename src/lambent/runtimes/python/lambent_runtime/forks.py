"""Children that a function forks: they neither speak for it nor inherit its way of ending.

SIGTERM is held back around a fork. CPython throws away what arrives in a child before it has
cleaned up after the fork, so `Process.terminate` right after `start` would be lost (seen), which
cannot happen on Lambda, where SIGTERM has no Python handler.
"""

import _signal  # type: ignore[import-not-found]  # `signal` would import enum
import _thread
import os

from .state import STATE

SIGTERM = 15

_was_blocked: dict = {}


def watch(on_sigterm) -> None:
    """From now on; `on_sigterm` is our own handler, which a child does not keep."""

    def before() -> None:
        old = _signal.pthread_sigmask(_signal.SIG_BLOCK, {SIGTERM})
        _was_blocked[_thread.get_ident()] = SIGTERM in old

    def after_in_parent() -> None:
        if not _was_blocked.pop(_thread.get_ident(), True):
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {SIGTERM})

    def after_in_child() -> None:
        fd, STATE.channel_fd = STATE.channel_fd, -1
        if fd >= 0:
            os.close(fd)
        if _signal.getsignal(SIGTERM) is on_sigterm:
            _signal.signal(SIGTERM, _signal.SIG_DFL)
        after_in_parent()

    os.register_at_fork(
        before=before, after_in_parent=after_in_parent, after_in_child=after_in_child
    )
