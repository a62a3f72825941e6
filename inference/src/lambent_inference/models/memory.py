"""How much memory models may take together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lambent_inference.settings import Settings

OTHERS_SHARE = 0.25
"""Left for the server itself, for decoded pictures and for what a graph needs while it runs."""
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
UNLIMITED = 1 << 60


def budget_bytes(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """MODEL_MEMORY_MB, or three quarters of what the function, container or machine has."""
    if settings.model_memory_mb:
        return settings.model_memory_mb * 1_000_000
    function = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if function.isdigit():
        return int((int(function) << 20) * (1 - OTHERS_SHARE))
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in LIMITS:
        try:
            text = Path(name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < UNLIMITED:
            there = min(there, int(text))
    return int(there * (1 - OTHERS_SHARE))
