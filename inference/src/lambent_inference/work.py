"""The bounded pools on which everything that blocks runs, so that the event loop never does.

`run` is for models and decoders: about one thread per core. `wait` is for sockets: many threads that
mostly sleep, so that a slow image server cannot keep a model waiting. Both are made on first use and
forgotten in a copied process, which has its parent's memory but none of its threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from lambent_inference.renewal import on_renewal, on_snapshot

P = ParamSpec("P")
T = TypeVar("T")

SOCKETS: Final = 32
_pools: dict[str, ThreadPoolExecutor] = {}


def threads() -> int:
    """As many as there are cores for us, and one, so that a decode overlaps with a model."""
    return len(os.sched_getaffinity(0)) + 1


async def run(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a call that computes."""
    return await _on("lambent-work", threads(), functools.partial(function, *args, **kwargs))


async def wait(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a call that waits for somebody else."""
    return await _on("lambent-wait", SOCKETS, functools.partial(function, *args, **kwargs))


async def _on(name: str, size: int, call: Callable[[], T]) -> T:
    if name not in _pools:
        _pools[name] = ThreadPoolExecutor(size, thread_name_prefix=name)
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pools[name], context.run, call)


def rest() -> None:
    """Wait for what runs, and end all threads; the next call starts others."""
    while _pools:
        _pools.popitem()[1].shutdown(wait=True)


on_renewal(_pools.clear)
on_snapshot(rest)
