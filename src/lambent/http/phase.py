"""What a connection waits for, which decides what a passed deadline means."""

from __future__ import annotations

import enum


class Phase(enum.IntEnum):
    """From LINGER on nothing that arrives is looked at."""

    FRESH = 0
    """Its first byte."""
    IDLE = 1
    """The next request."""
    HEAD = 2
    """The rest of a head."""
    BODY = 3
    """More of a body that somebody wants, or that is being skipped."""
    HANDLING = 4
    """The handler; its time is its own, so there is no deadline."""
    LINGER = 5
    """The client's close: the last answer is out, and what still comes is dropped."""
    CLOSING = 6
    """The last bytes to leave."""
    LOST = 7


FRESH, IDLE, HEAD, BODY, HANDLING, LINGER, CLOSING, LOST = Phase
# Members by a name of the module's: an attribute of an enumeration costs four times as much.
