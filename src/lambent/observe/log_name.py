"""The name of an execution environment's log stream, as Lambda writes it.

`2026/01/31/[$LATEST]<32 hex>`: the UTC day on which the environment started, the version, and
something that no other environment has. `logs.LogStore.open` takes the name from here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime


def new_stream_name(time_ms: int, version: str, unique: str | None = None) -> str:
    """A stream name; `unique` is 32 hex characters, drawn from the kernel when not given."""
    day = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{day:%Y/%m/%d}/[{version}]{unique or os.urandom(16).hex()}"
