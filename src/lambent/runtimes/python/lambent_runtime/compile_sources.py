"""Compiles the sources of a package: a program of its own, `python3.x -I -S -B … <root>`.

Names come on standard input, separated by NUL; for each, in order, a length (4 bytes, big-endian)
and a `.pyc` go to standard output, or a length of 0 where there is nothing to be done. Nothing of
the package is imported. What exhausts or crashes the compiler ends this process: whoever reads
(engine/bytecode.py) knows by the count which source it was, and starts another without it.
"""

# ruff: noqa: PTH116, PTH118  pathlib and contextlib would be a third of this program's start

import os
import resource
import signal
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, source_hash
from marshal import dumps

FILE_S = 20
"""CPU seconds for one source; the kernel ends the process then."""
ALL_S = 300
LARGEST = 10_000_000
"""Bytes of a source. The largest modules that people write have two."""
UNCHECKED_HASH = b"\x01\0\0\0"
"""PEP 552: hash-based, and not compared with the source."""
SHOWN = "/var/task/"


class Look(SourceFileLoader):
    """Import's own look at a source: asks for its code only where no valid bytecode is beside it."""

    pyc = b""

    def source_to_code(self, data, path, *, _optimize=-1):  # type: ignore[override]  # as CPython's own
        shown = SHOWN + os.path.relpath(path, sys.argv[1])
        code = compile(data, shown, "exec", dont_inherit=True, optimize=0)
        self.pyc = MAGIC_NUMBER + UNCHECKED_HASH + source_hash(data) + dumps(code)
        return code


def compiled(path):
    """The bytecode that is missing, or nothing: it is there, or the source is no Python of ours."""
    look = Look("module", path)
    try:
        if os.stat(path).st_size <= LARGEST:
            look.get_code("module")
    except Exception:
        return b""
    return look.pyc


def step_back():
    """Leave the processor to whoever wants it, and end rather than run for ever."""
    os.nice(19)
    try:  # noqa: SIM105
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        pass  # niceness will have to do
    resource.setrlimit(resource.RLIMIT_CPU, (ALL_S, ALL_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main():
    step_back()
    root = os.fsencode(sys.argv[1])
    names = sys.stdin.buffer.read().split(b"\0")
    for name in names:
        # Without a handler SIGPROF ends the process, in the middle of whatever it does.
        signal.setitimer(signal.ITIMER_PROF, FILE_S)
        pyc = compiled(os.fsdecode(os.path.join(root, name)))
        sys.stdout.buffer.write(len(pyc).to_bytes(4, "big") + pyc)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
