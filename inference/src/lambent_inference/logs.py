"""The server's own log: standard error, at the owner's level, without keys.

The access log of uvicorn writes whole targets, and keys travel in queries; it is given the path only.
"""

from __future__ import annotations

import logging
from typing import Final

from lambent_inference.settings import Settings

OURS: Final = logging.getLogger("lambent_inference")
ACCESS: Final = logging.getLogger("uvicorn.access")
TARGET: Final = 2
"""Where uvicorn's access records have the target among their arguments."""


class WithoutQuery(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        args = record.args
        if isinstance(args, tuple) and len(args) > TARGET and isinstance(args[TARGET], str):
            path = args[TARGET].partition("?")[0]
            record.args = (*args[:TARGET], path, *args[TARGET + 1 :])
        return True


def configure(settings: Settings) -> None:
    """Once per app; a second time changes the level only."""
    OURS.setLevel(settings.log_level)
    if not any(isinstance(one, WithoutQuery) for one in ACCESS.filters):
        ACCESS.addFilter(WithoutQuery())
    if not OURS.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        OURS.addHandler(handler)
