"""Times on the command line: `10m` ago, or a moment as ISO 8601."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final

from lambent.delivery.problem import USAGE, Problem

UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def since_ms(text: str) -> int:
    """Milliseconds since the epoch; a moment without a zone is in this machine's."""
    if match := re.fullmatch(r"(\d{1,9})([smhdw])", text):
        return max(0, int(time.time() * 1000) - int(match[1]) * UNITS_S[match[2]] * 1000)
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise Problem(
            "SINCE_INVALID",
            f"'{text}' is neither a time span nor a moment",
            fix="--since 10m     or     --since 2026-11-21T14:30",
            exit_code=USAGE,
        ) from None


def clock(time_ms: int) -> str:
    """The time of day, here."""
    local = datetime.fromtimestamp(time_ms / 1000, UTC).astimezone()
    return f"{local:%H:%M:%S}.{time_ms % 1000:03d}"


def iso(time_ms: int) -> str:
    """The moment, in UTC."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
