"""The server's own log: pretty on a terminal, one JSON object a line when piped.

Call `configure` once at the start; everywhere else `structlog.get_logger()` and an event name with
keys: `log.info("environment.started", function=arn, start_ms=12)`. Payloads and environment
variables never belong here; keys that would hold them are cut out, whoever passes them. There is no
line per request: what clients did is in `/metrics` and in the functions' own logs. What libraries
say through `logging` comes out in the same form.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

FORBIDDEN: Final = frozenset(
    {
        "payload",
        "body",
        "environment",
        "env",
        "variables",
        "client_context",
        "credentials",
        "secret",
    }
)
_CODE_LINK: Final = "/_code/"
"""Whoever has such a link has the function's code."""
LEFT_OUT: Final = "(not logged)"
MAX_VALUE: Final = 2_000

EventDict = MutableMapping[str, Any]


def configure(
    stream: TextIO | None = None, *, level: str = "info", pretty: bool | None = None
) -> None:
    """Set up structlog for this process; `pretty` None asks whether `stream` is a terminal."""
    stream = sys.stderr if stream is None else stream
    pretty = stream.isatty() if pretty is None else pretty
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        guard,
    ]
    render: list[structlog.typing.Processor]
    if pretty:
        # Tracebacks never with local variables: those are payloads and environments.
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=True, exception_formatter=plain)]
    else:
        render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_FromLibraries()], level=logging.WARNING, force=True)


_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def guard(logger: object, method: str, event: EventDict) -> EventDict:  # noqa: ARG001  structlog's signature
    """Keep out what must not be logged, and cut what is too long to read."""
    for key, value in event.items():
        if key in FORBIDDEN:
            event[key] = LEFT_OUT
        elif key == "path" and isinstance(value, str) and value.startswith(_CODE_LINK):
            event[key] = _CODE_LINK + LEFT_OUT
        elif isinstance(value, (bytes, bytearray, memoryview)):
            event[key] = f"({len(value)} bytes)"
        elif isinstance(value, str) and len(value) > MAX_VALUE:
            event[key] = value[:MAX_VALUE] + "…"
    return event


class _FromLibraries(logging.Handler):
    """`logging` records as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        write = getattr(structlog.get_logger(), record.levelname.lower(), None)
        if write is None:  # a level of the library's own
            write = structlog.get_logger().warning
        write(f"library.{record.name}", says=record.getMessage(), exc_info=record.exc_info)


class _Lines:
    """Where rendered lines go. A log that cannot be written must not take the server down."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a full disk, a closed pipe, a closed stream
            return

    debug = info = warning = error = critical = exception = log = msg
