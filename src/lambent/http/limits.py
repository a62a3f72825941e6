"""How much and how long a connection may take: sizes in bytes, times in seconds.

One frozen record per server. The front door takes the defaults; the Runtime API, whose clients
stream a function's answer at the function's own pace, raises `body_s`. `connection.py` enforces
the sizes, `server.py` sweeps the times.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of one server. `math.inf` turns a time off."""

    header_bytes: int = 32_768
    """Request line and headers together, and each trailer section; more is 431."""
    header_count: int = 100
    target_bytes: int = 8_192
    """The request target alone; more is 414."""
    header_s: float = 10.0
    """From a head's first byte (or the accept) to its last, in total; more is 408."""
    body_s: float = 30.0
    """A body that is waited for, or an answer that is being sent, must make progress this often."""
    body_rate: int = 240
    """Bytes per second that count as progress, averaged over `body_s`; 0 lets one byte count."""
    idle_s: float = 75.0
    """How long a kept-alive connection may wait for its next request."""
    linger_s: float = 5.0
    """How long a closing connection still reads, so that the client gets to see the last answer."""
    max_pipelined: int = 16
    """Requests of one connection that are answered before others get their turn."""
    max_connections: int = 4_096
    """More are answered with 503 and closed."""
