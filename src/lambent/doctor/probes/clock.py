"""The machine's clock: signatures are good for minutes, and schedules follow it."""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.runtimes.catalog import AS_OF

_TIMEX_BYTES = 512  # larger than struct timex on every architecture
_ERROR = 5  # TIME_ERROR: nobody disciplines the clock


def look(machine: Machine) -> Finding:  # noqa: ARG001  the signature of every probe
    now = datetime.fromtimestamp(time.time(), UTC)
    said = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now.date() < AS_OF:
        return Finding(
            "missing",
            said,
            why=f"this version of lambent is from {AS_OF} or later; AWS refuses signatures that are "
            "five minutes off",
            fix="sudo timedatectl set-ntp true     or set the clock",
        )
    disciplined = _state() != _ERROR
    return Finding("ok", said + (", kept by a time service" if disciplined else ""))


def _state() -> int:
    """adjtimex(2) with nothing to change; -1 where it is not allowed."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    try:
        return int(ctypes.CDLL(None).adjtimex(buffer))
    except AttributeError:
        return -1


PROBE = Probe("clock", look)
