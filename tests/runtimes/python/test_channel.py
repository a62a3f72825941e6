"""Frames at their limits: in pieces, large, interrupted, and after the server is gone."""

from __future__ import annotations

import os
import threading
import time

import pytest

from lambent.runtimes import frames

ECHO = "def handler(event, context):\n    return event\n"


@pytest.mark.slow
def test_six_megabytes_both_ways_and_small_again(start, runtime):
    process = start(ECHO, runtime).ready()
    large = b'"' + b"y" * (6 * 1024 * 1024 - 2) + b'"'
    for payload in (b"1", large, b"2", large, b"[3]"):
        answers: list[object] = []
        reader = threading.Thread(target=lambda: answers.append(process.receive()))  # noqa: B023
        reader.start()
        process.send(payload)
        reader.join()
        assert answers == [(frames.RESPONSE, payload)]


def test_sizes_around_the_buffer(start):
    process = start(ECHO).ready()
    for size in (65536 - 200, 65536 - 150, 65535, 65536, 65537, 131072):
        payload = b'"' + b"z" * size + b'"'
        process.send(payload)
        assert process.receive() == (frames.RESPONSE, payload)


@pytest.mark.slow
def test_a_frame_in_single_bytes(start, runtime):
    process = start(ECHO, runtime).ready()
    header = b"id\n1\narn\n\n\n\n"
    for byte in frames.encode_invoke(header, b'{"slow": true}'):
        process.channel.send(bytes((byte,)))
    assert process.receive() == (frames.RESPONSE, b'{"slow": true}')


@pytest.mark.slow
def test_ends_when_the_server_hangs_up(start, runtime):
    source = "import atexit\natexit.register(print, 'left')\n" + ECHO
    process = start(source, runtime).ready()
    assert process.invoke(1) == 1
    process.channel.close()
    assert process.exit() == 0
    assert process.events() == ["left"]


def test_ends_when_the_server_hangs_up_in_the_middle_of_a_frame(start):
    process = start(ECHO).ready()
    process.channel.send(b"\0\0\1\0\1")
    process.channel.close()
    assert process.exit() == 0


def test_a_child_process_neither_speaks_nor_holds_the_channel(start, runtime):
    source = (
        "import os, time\n"
        "def handler(event, context):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        return 'the child speaks'\n"
        "    return os.waitpid(pid, 0)[1]\n"
    )
    process = start(source, runtime).ready()
    assert process.invoke({}) == 0
    assert process.invoke({}) == 0
    assert process.events() == []


def test_descriptors_are_not_inherited_by_programs(start):
    source = (
        "import subprocess\n"
        "def handler(event, context):\n"
        "    return subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True,\n"
        "        close_fds=False).stdout.split()\n"
    )
    found = start(source).ready().invoke({})
    assert "4" not in found or "3" not in found  # ls itself opens the folder at the first free one
    assert len(found) == 4


def test_an_interrupting_signal_tears_nothing(start, runtime):
    """A handler of the function's own runs in the middle of our reads and writes."""
    source = (
        "import signal\nseen = []\n"
        "signal.signal(signal.SIGALRM, lambda *_: seen.append(1))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)\n"
        "def handler(event, context):\n"
        "    if event == 'count':\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "        return len(seen)\n"
        "    return event\n"
    )
    process = start(source, runtime).ready()
    payload = b'"' + b"s" * 2_000_000 + b'"'
    sender = threading.Thread(target=lambda: [process.send(payload) for _ in range(1)])
    for _ in range(5):
        sender = threading.Thread(target=process.send, args=(payload,))
        sender.start()
        # Slow on purpose: the runtime must block in its write while the timer fires.
        for _ in range(20):
            if os.getpid():
                threading.Event().wait(0.001)
        assert process.receive() == (frames.RESPONSE, payload)
        sender.join()
    assert process.invoke("count") > 0


def test_deadline_of_the_header_reaches_the_context(start):
    source = "def handler(event, context):\n    return context.get_remaining_time_in_millis()\n"
    process = start(source).ready()
    left = process.invoke({}, deadline=str(int(time.time() * 1000) + 30_000))
    assert 0 < left <= 30_000
    assert process.invoke({}, deadline="1000") == 0
