"""What a fork of a template must have of its own, and what a template cannot hand on.

`survey` looks once, in the template: which threads run, which connections are open, where random
generators and event loops are. `renew` makes them new in every fork, before any event: two forks
share no random number, no connection, no event loop and no open file.
"""

import os
import sys
import time

from . import transfer
from .state import STATE

MOST_FOUND = 1000
LEAVING_S = 0.5
PF_EXITING = 0x4
_generators: list = []
_randoms: list = []
_loops: list = []


def survey():
    """What was found, for the server: threads that no fork will have, and connections."""
    _find_states()
    transfer.survey()
    return {"threads": _threads(), "connections": [what for _, what in transfer.connections]}


def renew() -> None:
    """In a fork, before anything of the function runs in it."""
    transfer.renew()  # first: what is made from here on gets numbers that it would cut
    _renew_randomness()
    _renew_loops()
    _renew_threads()


# ── threads ──────────────────────────────────────────────────────────────────────────────────


def _threads():
    """Names of the threads besides this one that a fork would miss."""
    if _living() == 1:
        return []
    with open("/proc/self/maps", "rb") as file:  # noqa: PTH123
        maps = file.read()
    if b"openblas" in maps:
        _rest_openblas(maps)
    threading = sys.modules.get("threading")
    python: list = []
    if threading is not None:
        main = threading.main_thread()
        python = [t for t in threading.enumerate() if t.is_alive() and t is not main]
    names = ["Python thread %s" % thread.name for thread in python]
    owner = _pool_owner(maps)
    foreign = _foreign(len(python)) if owner else 0
    if foreign:
        names.append("%d threads of %s" % (foreign, owner))
    return names


def _foreign(python: int) -> int:
    """How many threads Python does not know; those that are about to end have a moment for it."""
    end = time.monotonic() + LEAVING_S
    while True:
        foreign = _living() - 1 - python
        if foreign <= 0 or time.monotonic() > end:
            return max(foreign, 0)
        time.sleep(0.005)


def _living() -> int:
    """The threads of this process. The kernel shows one for a while after it has been joined."""
    found = 0
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208
        try:
            with open("/proc/self/task/%s/stat" % task, "rb") as file:  # noqa: PTH123
                flags = int(file.read().rpartition(b")")[2].split()[6])
        except OSError:  # it has just ended
            continue
        found += not flags & PF_EXITING
    return found


def _rest_openblas(maps) -> None:
    """OpenBLAS ends its threads before a fork, and starts them again when they are wanted.

    It is asked to do so now, so that those which are left are somebody else's.
    """
    import ctypes

    for path in {line[line.index(b"/") :] for line in maps.splitlines() if b"openblas" in line}:
        rest = getattr(ctypes.CDLL(os.fsdecode(path)), "blas_thread_shutdown_", None)
        if rest is not None:  # a build may hide it
            rest()


def _pool_owner(maps) -> str:
    """Whose threads those are that Python does not know; empty for pools that survive a fork."""
    for library, name in (
        (b"libgomp", "OpenMP (libgomp)"),
        (b"libomp", "OpenMP (libomp)"),
        (b"libiomp", "OpenMP (libiomp5)"),
        (b"onnxruntime", "onnxruntime"),
        (b"libtorch", "PyTorch"),
    ):
        if library in maps:
            return name
    return "" if b"openblas" in maps else "a native library"


def _renew_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is not None:
        main = threading.main_thread()
        main._native_id = threading.get_native_id()


# ── randomness ───────────────────────────────────────────────────────────────────────────────


def _find_states() -> None:
    """Every random generator and event loop that the function has made so far."""
    import gc

    numpy = sys.modules.get("numpy.random")
    generators = () if numpy is None else (numpy.Generator, numpy.RandomState)
    random = sys.modules.get("random")
    asyncio = sys.modules.get("asyncio.selector_events")
    kinds = generators
    kinds += (random.Random,) if random else ()
    kinds += (asyncio.BaseSelectorEventLoop,) if asyncio else ()
    if not kinds:
        return
    seen: set = set()
    for holder in gc.get_objects():
        kind = type(holder)
        if kind is dict:
            items: list = list(holder.values())
        elif kind in (list, tuple, set):
            items = list(holder)
        else:
            items = [holder]
        for item in items:
            if isinstance(item, kinds) and id(item) not in seen and len(seen) < MOST_FOUND:
                seen.add(id(item))
                if generators and isinstance(item, generators):
                    _generators.append(item)
                elif random and isinstance(item, random.Random):
                    if not isinstance(item, random.SystemRandom):
                        _randoms.append(item)
                else:
                    _loops.append(item)


def _renew_randomness() -> None:
    for random in _randoms:
        random.seed()
    for generator in _generators:
        if hasattr(generator, "bit_generator"):
            bits = generator.bit_generator
            bits.state = type(bits)().state
        else:
            generator.seed()
    ssl = sys.modules.get("_ssl")
    if ssl is not None:
        # OpenSSL tells a fork by its pid, which is the same in every place.
        ssl.RAND_add(os.urandom(64), 64.0)
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        vars(tempfile)["_name_sequence"] = None
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        # A version 1 id is time, clock and machine: forks of one moment share the first two.
        vars(uuid).update(
            _node=int.from_bytes(os.urandom(6), "big") | 1 << 40,
            _last_timestamp=None,
            _generate_time_safe=None,
        )


# ── event loops ──────────────────────────────────────────────────────────────────────────────


def _renew_loops() -> None:
    """The loops that the function holds get an epoll and a wake-up pipe of their own."""
    STATE.loop = None
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return
    import selectors

    for loop in _loops:
        if loop.is_closed():
            continue
        loop._selector = selectors.DefaultSelector()
        loop._ssock = loop._csock = None
        loop._make_self_pipe()
        loop._default_executor = None
        loop._thread_id = None
