"""A template's memory before its first fork: nothing in it changes, and large parts are gathered."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

import lambent.runtimes

RUNTIME = Path(lambent.runtimes.__file__).parent / "python"
SETTLE = """
import hashlib, random, ssl, sys
sys.path.insert(0, sys.argv[1])
from lambent_runtime import settling

def gathered():
    with open("/proc/self/smaps") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("AnonHugePages"))

block = bytearray(random.Random(1).randbytes(32 << 20))
before, had = hashlib.sha256(block).digest(), gathered()
settling.settle()
assert hashlib.sha256(block).digest() == before
print(gathered() - had)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="templates are of Linux")
def test_large_memory_is_gathered_and_unchanged():
    ended = subprocess.run(
        [sys.executable, "-c", SETTLE, str(RUNTIME)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    release = tuple(int(number) for number in platform.release().split(".")[:2])
    if release >= (6, 1) and Path("/sys/kernel/mm/transparent_hugepage").exists():
        assert int(ended.stdout) >= 16 << 10
