"""What a process forked after Init must not share with its siblings: chance, event loops.

CPython renews `random`'s own generator and the names of `tempfile` at a fork, OpenSSL its pool; a
`uuid4` comes from the kernel. The rest is done here.
"""

import os
import sys

from .state import STATE


def renew() -> None:
    """In the new process, before its first event. Only what is loaded is looked at."""
    modules = sys.modules
    if "numpy.random" in modules:
        modules["numpy.random"].seed(int.from_bytes(os.urandom(4), "big"))
    STATE.loop = None
    if "asyncio" in modules:
        _new_event_loop(modules["asyncio"])


def _new_event_loop(asyncio) -> None:
    """A loop made in Init holds an epoll that all forks would share."""
    asyncio._set_running_loop(None)
    asyncio.set_event_loop(asyncio.new_event_loop())
