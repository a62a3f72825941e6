"""The filter as a program: its numbers are the kernel's, and it decides as it says, on both machines.

The programs are interpreted here; that the kernel agrees is proved by `programs/kernel_calls.py`.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from lambent.sandbox import seccomp

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter answers: a classic BPF interpreter for the instructions that it uses."""
    arch = ARCHITECTURES[machine] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *(a & (1 << 64) - 1 for a in padded))
    program = list(struct.iter_unpack("<HBBI", seccomp.build(machine)))
    at = accumulator = 0
    for _ in range(len(program)):
        code, if_true, if_false, k = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif code == 0x06:
            return k
        elif code == 0x05:
            at += k
        else:
            holds = {
                0x15: accumulator == k,
                0x35: accumulator >= k,
                0x45: bool(accumulator & k),
            }[code]
            at += if_true if holds else if_false
    raise AssertionError("the program has no end")


@pytest.fixture(params=sorted(ARCHITECTURES))
def machine(request):
    return request.param


def number(machine: str, name: str) -> int:
    return seccomp.NUMBERS[name][sorted(ARCHITECTURES, reverse=True).index(machine)]


def test_numbers_are_the_kernels(machine):
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    text = HEADERS[machine].read_text()
    real = {name: int(n) for name, n in re.findall(r"define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    for name in seccomp.NUMBERS:
        ours = number(machine, name)
        if ours == seccomp.ABSENT:
            assert name not in real
        elif name in real:
            assert ours == real[name], name
        else:
            # Newer than these headers: from 424 on a number is the same everywhere.
            assert ours >= 424, name


@pytest.mark.parametrize("name", seccomp.REFUSED)
def test_refused_whatever_the_arguments(machine, name):
    if number(machine, name) != seccomp.ABSENT:
        assert decide(machine, number(machine, name)) == ERRNO | 1
        assert decide(machine, number(machine, name), 1 << 40, -1) == ERRNO | 1


def test_everyday_calls_pass(machine):
    refused = {number(machine, name) for name in seccomp.NUMBERS}
    for other in set(range(451)) - refused:
        assert decide(machine, other) == ALLOW, other


def test_foreign_architectures_are_killed(machine):
    for foreign in (
        0x40000003,
        0x40000028,
        *(set(ARCHITECTURES.values()) - {ARCHITECTURES[machine]}),
    ):
        assert decide(machine, 39, architecture=foreign) == KILL


def test_x32_does_not_exist():
    assert decide("x86_64", 0x40000000 + 39) == ERRNO | 38


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("clone", (0x01200011,), ALLOW),  # fork
        ("clone", (0x003D0F00,), ALLOW),  # a thread
        ("clone", (0x10000011,), ERRNO | 1),
        ("clone", (0x00020011,), ERRNO | 1),
        ("clone3", (), ERRNO | 38),
        ("unshare", (0x400,), ALLOW),  # CLONE_FILES
        ("unshare", (0x80,), ERRNO | 1),
        ("unshare", (0x40000000,), ERRNO | 1),
        ("personality", (0,), ALLOW),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0x0040000,), ERRNO | 1),
        ("socket", (1, 1, 0), ALLOW),
        ("socket", (2, 2, 17), ALLOW),
        ("socket", (10, 1, 6), ALLOW),
        ("socket", (16, 3, 0), ALLOW),
        ("socket", (16, 3, 9), ERRNO | 97),
        ("socket", (17, 3, 0), ERRNO | 97),
        ("socket", (38, 5, 0), ERRNO | 97),
        ("socket", (40, 1, 0), ERRNO | 97),
        ("ioctl", (0, 0x5412), ERRNO | 1),
        ("ioctl", (0, 0x541C), ERRNO | 1),
        ("ioctl", (0, 0x7_0000_5412), ERRNO | 1),
        ("ioctl", (0, 0x5413), ALLOW),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (25, 7), ALLOW),
        ("prlimit64", (1, 7), ERRNO | 1),
        ("sched_setaffinity", (1,), ERRNO | 1),
        ("sched_setaffinity", (0,), ALLOW),
        ("setpriority", (0, 1), ERRNO | 1),
        ("setpriority", (0, 0), ALLOW),
        ("ioprio_set", (1, 1), ERRNO | 1),
    ],
)
def test_judged_by_arguments(machine, name, arguments, answer):
    assert decide(machine, number(machine, name), *arguments) == answer


def test_an_unknown_machine_has_no_filter():
    with pytest.raises((KeyError, ValueError)):
        seccomp.build("riscv64")
