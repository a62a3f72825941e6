"""What ends an exchange before its time.

`Refused` is the server's own verdict on what a client sent; `connection.py` turns it into an
answer and closes. `PeerGone` is what a coroutine that reads or drains sees when nobody is there
any more.
"""

from __future__ import annotations


class Refused(Exception):  # noqa: N818  a verdict, named as it reads: `raise Refused(400, …)`
    """Input that is not served: the status to answer with, and why. The connection closes."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class PeerGone(ConnectionError):  # noqa: N818  a state of affairs, as `except PeerGone` reads
    """The exchange is over: the peer left, broke the protocol or ran out of time."""
