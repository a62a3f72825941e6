"""The one bounded pool on which models and decoders run, so that the event loop never blocks.

It is made on first use and forgotten in a forked child: a process that was forked after Init has
the parent's memory but none of its threads. Everything that blocks calls `run`.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


def threads() -> int:
    """As many as there are cores for us, and one, so that a decode overlaps with a model."""
    return len(os.sched_getaffinity(0)) + 1


def pool() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603 - one per process, and a fork must be able to forget it
    if _pool is None:
        _pool = ThreadPoolExecutor(threads(), thread_name_prefix="lambent-work")
    return _pool


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a blocking call, made on the pool."""
    call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool(), call)


def _forget() -> None:
    global _pool  # noqa: PLW0603 - see above
    _pool = None


os.register_at_fork(after_in_child=_forget)
