"""What a template says of its threads: those that stay, not those that are on their way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lambent.runtimes

RUNTIME = Path(lambent.runtimes.__file__).parent / "python"
COUNT = """
import ctypes, sys, threading
sys.path.insert(0, sys.argv[1])
from lambent_runtime import renewal

def native(microseconds):
    libc = ctypes.CDLL(None)
    thread = ctypes.c_ulong()
    body = ctypes.cast(libc.usleep, ctypes.c_void_p)
    assert libc.pthread_create(ctypes.byref(thread), None, body, ctypes.c_void_p(microseconds)) == 0

native(int(sys.argv[2]))
counts = {renewal._foreign(0)}
for _ in range(int(sys.argv[3])):
    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    counts.add(renewal._foreign(0))
print(sorted(counts))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="templates are of Linux")
@pytest.mark.parametrize(
    ("microseconds", "joined", "found"), [(100_000, 500, "[0]"), (20_000_000, 0, "[1]")]
)
def test_threads_that_stay_are_counted(microseconds, joined, found):
    ended = subprocess.run(
        [sys.executable, "-c", COUNT, str(RUNTIME), str(microseconds), str(joined)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == found
